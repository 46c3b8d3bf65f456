"""Bars on a terminal, one below the other, that vanish when their work is done."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swissbert.wording import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

SHORTEST, LONGEST = 6, 30
"""Columns of a bar."""
PERIOD = 0.1
"""Seconds between two pictures of the spinner, and between two drawings."""
LOOKS_AHEAD = 1.0
"""Seconds of work after which the time that is left is estimated."""


def clock(seconds: float) -> str:
    """Format a duration as ``M:SS`` or ``H:MM:SS``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Bar:
    """One piece of work on a terminal.

    Attributes:
        label: What is done.
        share: Share of the work that is done, 0 to 1; None if that is not known.
        count: How much is done, such as ``10/130``; empty for per cent.
        left: Time left in words; None to estimate it from `share`.
        rate: How fast the work is done; shown where there is room.
        parts: Parts of a second line, of which as many are shown as it takes.
    """

    def __init__(self, label: str) -> None:
        self.label = one_line(label)
        self.share: float | None = None
        self.count = ""
        self.left: str | None = None
        self.rate = ""
        self.parts: Sequence[str] = ()
        self._start = time.perf_counter()

    def time_left(self) -> str:
        """Return the time left, or, where nothing tells it, the time since the beginning."""
        if self.left is not None:
            return self.left
        seconds = time.perf_counter() - self._start
        if self.share and seconds >= LOOKS_AHEAD:
            return f"{clock(seconds * (1 - self.share) / self.share)} left"
        return clock(seconds)

    def lines(self, width: int, *, is_ascii: bool) -> list["Text"]:
        """Draw the work in lines of at most `width` columns: its label, a bar, the count, the time left and the rate.

        Where there is little room, the rate, then the bar, and then the end of the label give way.
        """
        from rich.text import Text

        count = self.count or ("" if self.share is None else f"{min(self.share, 1):.0%}")
        figures = "  ".join(filter(None, [count, self.time_left()]))
        room = width - len(figures) - 2
        if self.share is None:
            turn = int(time.perf_counter() / PERIOD)
            label = f"{'|/-' + chr(92) if is_ascii else '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'}"
            label = f"{label[turn % len(label)]} {self.label}"
            long = 0
        else:
            label = self.label
            long = min(LONGEST, room - len(label) - 2)
        line = Text(label, no_wrap=True)
        line.truncate(max(1, room - (long + 2 if long >= SHORTEST else 0)), overflow="ellipsis")
        if long >= SHORTEST:
            line.append("  ").append_text(_drawn(self.share or 0.0, long, is_ascii=is_ascii))
        line.append(f"  {figures}")
        if self.rate and line.cell_len + len(self.rate) + 2 <= width:
            line.append(f"  {self.rate}", "dim")
        return [line, *([_fitting(self.parts, width)] if self.parts else [])]


def _drawn(share: float, width: int, *, is_ascii: bool) -> "Text":
    from rich.text import Text

    full = round(min(max(share, 0), 1) * width)
    done, rest = ("#", ".") if is_ascii else ("━", "─")
    return Text.assemble((done * full, "cyan"), (rest * (width - full), "dim"))


def _fitting(parts: Sequence[str], width: int) -> "Text":
    """Join parts with spaces between them, and count those for which there is no room."""
    from rich.text import Text

    line, shown = "", 0
    for number, part in enumerate(parts, 1):
        longer = f"{line}  {part}"
        more = f"  and {len(parts) - number:,} more" if number < len(parts) else ""
        if len(longer) + len(more) > width:
            break
        line, shown = longer, number
    more = f"  and {len(parts) - shown:,} more" if shown and shown < len(parts) else ""
    text = Text(f"{line}{more}" if shown else f"  {parts[0]}", "dim", no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text


class Bars:
    """The bars of a terminal: those of outer work above those of inner work."""

    def __init__(self, console: "Console") -> None:
        self._console, self._bars = console, list[Bar]()
        self._live: Live | None = None
        self._lock = threading.RLock()

    @contextmanager
    def bar(self, label: str) -> Iterator[Bar]:
        """Draw a bar while the block runs."""
        bar = Bar(label)
        with self._lock:
            self._bars.append(bar)
        if self._live is not None:
            self._live.refresh()
            try:
                yield bar
            finally:
                self._remove(bar)
            return
        import sys

        from rich.live import Live

        from swissbert.terminal import is_terminal

        self._live = Live(
            get_renderable=self._picture,
            console=self._console,
            transient=True,
            refresh_per_second=1 / PERIOD,
            redirect_stdout=is_terminal(sys.stdout),  # else results would be written to the terminal
        )
        try:
            with self._live as live:
                live.refresh()  # at once, also where an import keeps other threads waiting
                yield bar
        finally:
            self._live = None
            self._remove(bar)

    def write(self, text: str) -> None:
        """Write lines above the bars, as they are."""
        from rich.text import Text

        self._console.print(Text.from_ansi(text, no_wrap=True), soft_wrap=True)

    def _remove(self, bar: Bar) -> None:
        with self._lock:
            self._bars.remove(bar)

    def _picture(self) -> "Text":
        from rich.text import Text

        with self._lock:
            bars = list(self._bars)
        console = self._console
        width, is_ascii = console.width - 1, not console.encoding.startswith("utf")
        lines = [line for bar in bars for line in bar.lines(width, is_ascii=is_ascii)]
        return Text("\n", no_wrap=True).join(lines[: max(1, console.height - 1)])
