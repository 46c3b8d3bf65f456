"""Progress of training, of rows and of other work: what is done, how fast, and how long the rest takes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from swissbert.bars import Bar, clock
from swissbert.wording import counted

if TYPE_CHECKING:
    from swissbert.display import Display

LINE_EVERY = 10.0
"""Seconds between two lines about the same work where there is no bar."""


class Work:
    """Work of a known amount. Threads may share it.

    Args:
        label: What is done.
        total: The amount, in any unit.
        bar: The bar; None for lines.
        say: Prints a line.
    """

    def __init__(self, label: str, total: float, bar: Bar | None, say: Callable[[str], object]) -> None:
        self._label, self._total, self._bar, self._say = label, total, bar, say
        self._done, self._lock = 0.0, threading.Lock()
        self._start = self._shown = time.perf_counter()
        if bar is not None:
            bar.share = 0.0

    def __call__(self, done: float) -> None:
        """Count an amount that has just been done."""
        with self._lock:
            self._done += done
            share = min(1.0, self._done / self._total) if self._total else 1.0
            if self._bar is not None:
                self._bar.share = share
                return
            now = time.perf_counter()
            if now - self._shown < LINE_EVERY or not share:
                return
            self._shown = now
        left = (now - self._start) * (1 - share) / share
        self._say(f"{self._label}: {share:.0%}  {clock(left)} left")


class RowProgress:
    """Rows done, rows per second and time left.

    Args:
        share: Maps rows done to the share of the work, 0 to 1; 0 if that is not known.
        show: Shows a share, a number of rows, a rate and the time left in words, which is empty if it is not known.
        every: Seconds between two calls of `show`.
    """

    def __init__(
        self, share: Callable[[int], float], show: Callable[[float, str, str, str], None], *, every: float
    ) -> None:
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

    def advance(self, rows: int = 1) -> None:
        """Count rows."""
        self._done += rows
        now = time.perf_counter()
        if now - self._shown < self._every:
            return
        self._shown = now
        share, seconds = self._share(self._done), max(now - self._start, 1e-9)
        gained = share - self._before
        left = f"{clock(seconds * (1 - share) / gained)} left" if gained > 0 else ""
        self._show(share, counted(self._done, "row"), f"{(self._done - self._first) / seconds:,.0f} rows/s", left)


class Steps:
    """Smoothed losses, tokens per second and time left, with the evaluations and checkpoints that are still to come.

    Args:
        display: Where lines are printed, without a bar.
        total: Number of steps.
        done: Steps done before.
        bar: Shows the steps.
        ends: Steps after which an evaluation takes time.
    """

    def __init__(
        self, display: "Display", total: int, done: int, bar: Bar | None = None, ends: Sequence[int] = ()
    ) -> None:
        self._display, self._total, self._done, self._bar = display, total, done, bar
        self._losses: dict[str, float] = {}
        now = time.perf_counter()
        self._recent: deque[tuple[float, int, int]] = deque([(now, done, 0)], maxlen=50)
        self._shown = self._last = now
        self._tokens, self._ends = 0, frozenset(ends)
        self._evaluations: list[float] = []  # seconds of each so far
        self._update("", "")

    def pause(self) -> None:
        """Restart the measurement of the rate, after an evaluation or checkpoint took time."""
        now = time.perf_counter()
        if self._done in self._ends:
            self._evaluations.append(now - self._last)
        self._last = now
        self._recent.clear()
        self._recent.append((now, self._done, self._tokens))

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
        now = self._last = time.perf_counter()
        then, first, before = self._recent[0]
        self._recent.append((now, step, self._tokens))
        rate = f"{(self._tokens - before) / max(now - then, 1e-9):,.0f} tokens/s"
        left = f"{clock((now - then) / max(1, step - first) * (self._total - step) + self._evaluating(step))} left"
        left = "done" if step == self._total and self._bar is not None else left
        if self._bar is not None:
            self._update(left, rate)
        elif now - self._shown >= LINE_EVERY or step == self._total:
            self._shown = now
            self._display.say(f"step {step}/{self._total}  {'  '.join(self._parts())}  {rate}  {left}")

    def _evaluating(self, step: int) -> float:
        """Return about how many seconds the evaluations after a step will take."""
        to_come = sum(end > step for end in self._ends)
        return to_come * sum(self._evaluations) / max(1, len(self._evaluations))

    def _parts(self) -> list[str]:
        return [f"{task} {loss:.3f}" for task, loss in self._losses.items()]

    def _update(self, left: str, rate: str) -> None:
        """Show what is done on the bar."""
        if self._bar is None:
            return
        self._bar.share = self._done / max(1, self._total)
        self._bar.count = f"{self._done:,}/{self._total:,}"
        self._bar.left, self._bar.rate, self._bar.parts = left, rate, self._parts()
