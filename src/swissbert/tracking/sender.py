"""A tracker in a thread of its own, so that neither its errors nor its delays reach the training."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Full, Queue
from threading import Event, Thread

from swissbert.errors import LONGEST_QUOTE, clipped
from swissbert.tracking.base import Status, TrackedRun, Tracker

MOST_WAITING = 10_000
"""Steps that may wait for a tracker. One that is this far behind is given up, so that memory stays bounded."""
SYNC_SECONDS = 2.0
"""Time that a checkpoint waits for a tracker to store what it has."""

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
"""User and password in an address, which a message may quote."""


class Sender:
    """Calls a tracker in a thread: numbers wait in a queue until it takes them. A tracker that fails is not called again.

    Args:
        name: Its name in `TRACKERS`.
        tracker: The tracker.
        run: The run, which `Tracker.start` receives.
        keep: Receives its name and its state once it has started; called in its thread.
    """

    def __init__(
        self, name: str, tracker: Tracker, run: TrackedRun, keep: Callable[[str, Mapping[str, str]], None]
    ) -> None:
        self.name = name
        self._tracker, self._run, self._keep = tracker, run, keep
        self._queue: Queue[Callable[[], None] | None] = Queue(MOST_WAITING)
        self._has_started, self._has_stored, self._is_over = Event(), Event(), False
        self._has_stored.set()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def started(self, seconds: float) -> bool:
        """Wait for the start, and return whether the tracker has started or failed by then."""
        return self._has_started.wait(seconds)

    @property
    def place(self) -> str:
        """Where the run can be looked at; empty if that is not known."""
        return "" if self._is_over else self._tracker.place

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Let the tracker take the numbers of a step."""
        self._call(partial(self._tracker.log, step, values))

    def sync(self) -> None:
        """Let the tracker store what it has, and wait for that for at most `SYNC_SECONDS`."""
        if self._is_over or not self._has_stored.is_set():  # else it still stores what it had at the last checkpoint
            return
        self._has_stored.clear()
        self._call(self._store)
        self._has_stored.wait(SYNC_SECONDS)

    def end(self, status: Status) -> None:
        """Let the tracker end once it has taken the numbers that wait."""
        self._call(partial(self._tracker.end, status))
        self._call(None)

    def ended(self, seconds: float) -> bool:
        """Wait for the end, and return whether the tracker has ended or failed by then."""
        if not self._is_over:
            self._thread.join(seconds)
        return self._is_over or not self._thread.is_alive()

    def give_up(self, error: BaseException) -> None:
        """Do not call the tracker again, because of an error; the first one is reported."""
        if not self._is_over:
            self._error, self._is_over = error, True

    def failure(self) -> str | None:
        """Return in words why the tracker failed: once, and None if it did not."""
        error, self._error = self._error, None
        if error is None:
            return None
        text = _CREDENTIALS.sub("", " ".join(str(error).split()))
        kind = "" if isinstance(error, RuntimeError | TimeoutError) else f"{type(error).__name__}: "
        return clipped(f"{kind}{text}" if text else type(error).__name__, LONGEST_QUOTE)

    def _call(self, work: Callable[[], None] | None) -> None:
        """Put work into the queue; None ends the thread."""
        if self._is_over:
            return
        try:
            self._queue.put_nowait(work)
        except Full:
            self.give_up(TimeoutError(f"it is {MOST_WAITING:,} steps behind"))

    def _store(self) -> None:
        self._tracker.sync()
        self._has_stored.set()

    def _work(self) -> None:
        """Start the tracker, and do what is in the queue."""
        try:
            self._keep(self.name, self._tracker.start(self._run))
            self._has_started.set()
            while not self._is_over and (work := self._queue.get()) is not None:
                work()
        except BaseException as error:  # a library may also raise SystemExit
            had_started = self._has_started.is_set()
            self.give_up(error)
            if had_started:
                with suppress(BaseException):
                    self._tracker.end("failed")
        finally:
            self._has_started.set()
            self._has_stored.set()
