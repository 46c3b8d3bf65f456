"""Progress on standard error, as bars on a terminal and as occasional lines elsewhere; tables as text."""

import contextlib
import io
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Any, TextIO

from swissbert.wording import one_line, printable


class Display:
    """Messages and progress on standard error: bars on a terminal, else a line every ten seconds.

    Args:
        quiet: Print nothing.
        stream: Where to print; standard error if not given.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        from rich.console import Console

        self._stream = stream or sys.stderr
        if self._stream is sys.__stderr__:
            self._stream = never_failing(sys.stderr)
        self._quiet = quiet
        self._console = Console(file=self._stream, quiet=quiet, highlight=False, soft_wrap=True, emoji=False)

    def say(self, text: str) -> None:
        """Print a line, without control characters."""
        self._console.print(printable(text), markup=False)

    @contextlib.contextmanager
    def steps(self, total: int, done: int) -> Iterator["Steps"]:
        """Show the progress of `total` optimizer steps, of which `done` are done."""
        if self._quiet or not self._console.is_terminal:
            yield Steps(self, total, done)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}  {task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            number = bar.add_task("training", total=total, completed=done, losses="", rate="")
            yield Steps(
                self,
                total,
                done,
                lambda step, losses, rate: bar.update(number, completed=step, losses=losses, rate=rate),
            )

    @contextlib.contextmanager
    def work(self, label: str, total: float) -> Iterator[Callable[[float], None]]:
        """Show the progress of `total` units of work; yields a function to call with the units just done."""
        if self._quiet or not self._console.is_terminal:
            self.say(f"{label} ...")
            yield lambda done: None
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            number = bar.add_task(label, total=total)
            yield lambda done: bar.update(number, advance=done)
            bar.update(number, completed=total)

    @contextlib.contextmanager
    def rows(self, label: str, share: Callable[[int], float]) -> Iterator["RowProgress"]:
        """Show the progress of an unknown number of rows; `share` maps rows done to the share of the work, 0 to 1."""
        if self._quiet or not self._console.is_terminal:
            yield RowProgress(share, lambda done, text: self.say(f"{label}: {text}"), every=10)
            return
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[text]}"))
        with Progress(*columns, console=self._console) as bar:
            number = bar.add_task(label, total=1.0, text="")
            yield RowProgress(share, lambda done, text: bar.update(number, completed=done, text=text), every=0.2)


class _NeverFailing(io.FileIO):
    """A file whose writes count as done where they are not possible."""

    def write(self, data: Any, /) -> int:
        """Write, or drop what has no reader or no room."""
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def never_failing(stream: TextIO) -> TextIO:
    """Return a text stream to the same file whose writes never fail.

    Messages on standard error are no reason to end a command that goes on: the terminal may have been closed, the reader
    of a pipe may have ended, or the disk with a log may be full.

    Args:
        stream: The stream; one that has no file, as in a notebook, is returned.
    """
    try:
        file = _NeverFailing(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError):
        return stream
    buffer = io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", line_buffering=True)


class RowProgress:
    """Rows done, rows per second and time left.

    Args:
        share: Maps rows done to the share of the work, 0 to 1.
        show: Shows a share and a text.
        every: Seconds between two calls of `show`.
    """

    def __init__(self, share: Callable[[int], float], show: Callable[[float, str], None], *, every: float) -> None:
        self._share, self._show, self._every = share, show, every
        self._done = 0
        self._restart()

    def _restart(self) -> None:
        self._start = self._shown = time.perf_counter()
        self._first, self._before = self._done, self._share(self._done)

    def skip(self, rows: int) -> None:
        """Count rows that took no work; they do not count for the rate."""
        self._done += rows
        self._restart()

    def advance(self) -> None:
        """Count one row."""
        self._done += 1
        now = time.perf_counter()
        if now - self._shown < self._every:
            return
        self._shown = now
        share, seconds = self._share(self._done), now - self._start
        rate = f"{(self._done - self._first) / seconds:,.0f} rows/s"
        gained = share - self._before
        left = f"  {_clock(seconds * (1 - share) / gained)} left" if gained > 0 else ""
        self._show(share, f"{self._done:,} rows  {rate}{left}")


class Steps:
    """Smoothed losses, tokens per second and time left.

    Args:
        display: Where lines are printed, without `update`.
        total: Number of steps.
        done: Steps done before.
        update: Shows step, losses and rate on a bar.
    """

    def __init__(self, display: Display, total: int, done: int, update: object = None) -> None:
        self._display, self._total, self._done, self._update = display, total, done, update
        self._losses: dict[str, float] = {}
        self._recent: deque[tuple[float, int, int]] = deque([(time.perf_counter(), done, 0)], maxlen=50)
        self._shown = time.perf_counter()
        self._tokens = 0

    def pause(self) -> None:
        """Restart the measurement of the rate, after an evaluation or checkpoint took time."""
        self._recent.clear()
        self._recent.append((time.perf_counter(), self._done, self._tokens))

    def advance(self, step: int, losses: dict[str, float], tokens: int) -> None:
        """Count a step.

        Args:
            step: Its number, from 1.
            losses: Loss of each task.
            tokens: Number of tokens read.
        """
        for task, loss in losses.items():
            self._losses[task] = 0.9 * self._losses.get(task, loss) + 0.1 * loss
        self._done = step
        self._tokens += tokens
        now = time.perf_counter()
        then, first, before = self._recent[0]
        self._recent.append((now, step, self._tokens))
        rate = f"{(self._tokens - before) / max(now - then, 1e-9):,.0f} tokens/s"
        text = "  ".join(f"{task} {loss:.3f}" for task, loss in self._losses.items())
        if callable(self._update):
            self._update(step, text, rate)
        elif now - self._shown >= 10 or step == self._total:
            self._shown = now
            left = (now - then) / max(1, step - first) * (self._total - step)
            self._display.say(f"step {step}/{self._total}  {text}  {rate}  {_clock(left)} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Format a plain-text table. Cells are one line each, without control characters.

    Args:
        title: Line above the table.
        header: Column heads.
        rows: Cells, as many in each row as there are heads.
        left: Number of leading columns that are aligned left; the others are aligned right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        grid.add_column(Text(one_line(name)), justify="left" if i < left else "right", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(one_line(cell)) for cell in row))
    out = StringIO()
    Console(file=out, width=10_000, force_terminal=False).print(grid)  # cells are never cut
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([one_line(title), *(line for line in lines if line)])
