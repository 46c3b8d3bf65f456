"""Messages and progress on standard error: bars on a terminal, occasional lines elsewhere."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from swissbert.progress import LINE_EVERY, RowProgress, Steps, Work
from swissbert.terminal import can_redraw, has_colour, width_of
from swissbert.text_table import folded, styled, table
from swissbert.wording import printable

if TYPE_CHECKING:
    from swissbert.bars import Bars


class Display:
    """Messages and progress on standard error: bars on a terminal, else a line every ten seconds.

    Args:
        quiet: Print nothing.
        stream: Where to print; standard error if not given.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        if self._stream is sys.__stderr__:
            self._stream = never_failing(sys.stderr)
        self._quiet = quiet
        self._width, self._colour = width_of(self._stream), has_colour(self._stream)
        self._bars = None if quiet or not can_redraw(self._stream) else _bars(self._stream, colour=self._colour)

    def say(self, text: str) -> None:
        """Print a text, without control characters; on a terminal its lines are wrapped at spaces."""
        lines = printable(text).split("\n")
        if self._width is not None:
            lines = [part for line in lines for part in folded(line, self._width)]
        self._write("\n".join(lines))

    def command(self, why: str, command: str) -> None:
        """Print a command that a person may type, on a line of its own where it is not cut: ``why: command``."""
        text = f"{printable(why)}:"
        room = self._width is None or len(text) + len(command) + 2 <= self._width
        self._write(
            f"{styled(text, 'dim', colour=self._colour)}{' ' if room else chr(10) + '  '}"
            f"{styled(printable(command), 'cyan', colour=self._colour)}"
        )

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """Print a table as wide as the terminal; arguments as for `swissbert.text_table.table`."""
        self._write(table(title, header, rows, left, width=self._width, colour=self._colour))

    def _write(self, text: str) -> None:
        if self._quiet:
            return
        if self._bars is None:
            print(text, file=self._stream, flush=True)
        else:
            self._bars.write(text)

    @contextlib.contextmanager
    def steps(self, total: int, done: int, ends: Sequence[int] = ()) -> Iterator[Steps]:
        """Show the progress of `total` optimizer steps, of which `done` are done; evaluations follow those in `ends`."""
        if self._bars is None:
            yield Steps(self, total, done, ends=ends)
            return
        with self._bars.bar("training") as bar:
            yield Steps(self, total, done, bar, ends)

    @contextlib.contextmanager
    def work(self, label: str, total: float, *, announce: bool = True) -> Iterator[Callable[[float], None]]:
        """Show the progress of work; yields a function to call, from any thread, with the units just done.

        Args:
            label: What is done.
            total: Units of work.
            announce: Print a line at the beginning where there is no bar.
        """
        if self._bars is None:
            if announce:
                self.say(f"{label} ...")
            yield Work(label, total, None, self.say)
            return
        with self._bars.bar(label) as bar:
            yield Work(label, total, bar, self.say)

    @contextlib.contextmanager
    def rows(self, label: str, share: Callable[[int], float] = lambda rows: 0.0) -> Iterator[RowProgress]:
        """Show the progress of an unknown number of rows; `share` maps rows done to the share of the work, 0 to 1."""
        if self._bars is None:

            def show_line(done: float, rows: str, rate: str, left: str) -> None:
                self.say("  ".join(filter(None, [f"{label}: {rows}", rate, left])))

            # nothing is shown, so the share, which may take a while to find, is not asked for
            yield RowProgress((lambda rows: 0.0) if self._quiet else share, show_line, every=LINE_EVERY)
            return
        with self._bars.bar(label) as bar:

            def show(done: float, rows: str, rate: str, left: str) -> None:
                bar.share, bar.count, bar.rate, bar.left = done or None, rows, rate, left or None

            yield RowProgress(share, show, every=0.0)  # rows come in bursts, of which the last counts

    @contextlib.contextmanager
    def waiting(self, label: str) -> Iterator[None]:
        """Show on a terminal that something is done which takes a while, and for how long."""
        if self._bars is None:
            yield
            return
        with self._bars.bar(label):
            yield


def _bars(stream: TextIO, *, colour: bool) -> "Bars":
    """Return the bars of a terminal."""
    from rich.console import Console

    from swissbert.bars import Bars

    class Terminal(Console):
        """A console that leaves the cursor visible, so that it is there whatever ends the program."""

        def show_cursor(self, show: bool = True) -> bool:
            """Do nothing."""
            return False

    system: Any = "auto" if colour else None
    return Bars(Terminal(file=stream, force_terminal=True, color_system=system, highlight=False, emoji=False))


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
