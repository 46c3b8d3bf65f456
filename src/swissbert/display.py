"""What a person sees while something takes time, on standard error: a bar with time left, or a line now and then."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import TextIO


class Display:
    """Progress for a person, on standard error: a bar on a terminal, else a line now and then. `quiet` says nothing."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        from rich.console import Console

        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._console = Console(file=self._stream, quiet=quiet, highlight=False, soft_wrap=True, emoji=False)

    def say(self, text: str) -> None:
        """One line of text."""
        self._console.print(text, markup=False)

    @contextlib.contextmanager
    def steps(self, total: int, done: int) -> Iterator["Steps"]:
        """Progress of `total` optimizer steps, of which `done` lie behind."""
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
        """Progress of `total` units of work; what is yielded is called with the units that were just done."""
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
    def rows(self, label: str, share: Callable[[int], float]) -> Iterator["Rows"]:
        """Progress of rows whose number is not known; `share` says what part of the work so many rows are."""
        if self._quiet or not self._console.is_terminal:
            yield Rows(share, lambda done, text: self.say(f"{label}: {text}"), every=10)
            return
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[text]}"))
        with Progress(*columns, console=self._console) as bar:
            number = bar.add_task(label, total=1.0, text="")
            yield Rows(share, lambda done, text: bar.update(number, completed=done, text=text), every=0.2)


class Rows:
    """Rows done, rows a second and time left, shown every so many seconds."""

    def __init__(self, share: Callable[[int], float], show: Callable[[float, str], None], *, every: float) -> None:
        self._share, self._show, self._every = share, show, every
        self._done = 0
        self._restart()

    def _restart(self) -> None:
        self._began = self._said = time.perf_counter()
        self._first, self._before = self._done, self._share(self._done)

    def skip(self, rows: int) -> None:
        """So many rows lie behind that took no work; the pace is that of the rows after them."""
        self._done += rows
        self._restart()

    def advance(self) -> None:
        """One more row is done."""
        self._done += 1
        now = time.perf_counter()
        if now - self._said < self._every:
            return
        self._said = now
        share, took = self._share(self._done), now - self._began
        rate = f"{(self._done - self._first) / took:,.0f} rows/s"
        gained = share - self._before
        left = f"  {_clock(took * (1 - share) / gained)} left" if gained > 0 else ""
        self._show(share, f"{self._done:,} rows  {rate}{left}")


class Steps:
    """Smoothed losses, tokens a second and time left."""

    def __init__(self, display: Display, total: int, done: int, update: object = None) -> None:
        self._display, self._total, self._done, self._update = display, total, done, update
        self._losses: dict[str, float] = {}
        self._recent: deque[tuple[float, int, int]] = deque([(time.perf_counter(), done, 0)], maxlen=50)
        self._said = time.perf_counter()
        self._tokens = 0

    def pause(self) -> None:
        """Forget the pace, because something other than steps took time (an evaluation, a checkpoint)."""
        self._recent.clear()
        self._recent.append((time.perf_counter(), self._done, self._tokens))

    def advance(self, step: int, losses: dict[str, float], tokens: int) -> None:
        """Step number `step` is done, with these task losses, having read `tokens`."""
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
        elif now - self._said >= 10 or step == self._total:
            self._said = now
            left = (now - then) / max(1, step - first) * (self._total - step)
            self._display.say(f"step {step}/{self._total}  {text}  {rate}  {_clock(left)} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Format a plain-text table.

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
        grid.add_column(Text(name), justify="left" if i < left else "right", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    out = StringIO()
    Console(file=out, width=200, force_terminal=False).print(grid)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([title, *(line for line in lines if line)])
