"""The trackers of a run: they get what ``metrics.jsonl`` gets, which stays the record of the run."""

import importlib.util
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from swissbert.errors import SwissbertError
from swissbert.files import write_text
from swissbert.reading import read_object
from swissbert.tracking import TrackedRun, Tracker, find_tracker
from swissbert.tracking.base import Status
from swissbert.tracking.sender import Sender

START_SECONDS = 60.0
"""Time that a run waits before its first step for trackers to start. One that takes longer gets its numbers later."""
END_SECONDS: dict[Status, float] = {"finished": 60.0, "stopped": 20.0, "failed": 5.0}
"""Time that a run waits at its end for all trackers to send what is left. Clusters end a job soon after they stop it."""


class Tracking:
    """The trackers of a run. Errors of trackers are logged once and never stop the run, and no tracker changes its numbers.

    Args:
        names: Names in `TRACKERS`. One whose package is not installed is left out, and a line says so.
        run: Name, folder, step and settings of the run.
        states: File with what trackers need to go on with the same tracked run: ids, and no secrets. Written if needed.
        log: Receives a line for each tracker that tells where its run is, and for each that fails.
    """

    def __init__(self, names: Sequence[str], run: TrackedRun, states: Path, log: Callable[[str], object]) -> None:
        self._path, self._log, self._lock = states, log, Lock()
        self._states = self._read_states() if names else {}
        self._senders: list[Sender] = []
        for name in names:
            tracker = find_tracker(name)()
            if line := missing_line(tracker):
                log(line)
                continue
            known = replace(run, state=self._states.get(name, {}))
            self._senders.append(Sender(name, tracker, known, self._keep))
        end = time.monotonic() + START_SECONDS
        for sender in self._senders:
            if not sender.started(max(0.0, end - time.monotonic())):
                log(f"{sender.name}: has not started yet, and gets the numbers of this run once it has")
            elif sender.place:
                log(f"{sender.name}: {sender.place}")
        self._report()

    def log(self, record: Mapping[str, object]) -> None:
        """Hand on the numbers of an entry of ``metrics.jsonl``, which has a ``step``."""
        step = record["step"]
        values = dict(numbers({key: value for key, value in record.items() if key != "step"}))
        if self._senders and values and isinstance(step, int):
            for sender in self._senders:
                sender.log(step, values)
            self._report()

    def sync(self) -> None:
        """Let all trackers store what they have."""
        for sender in self._senders:
            sender.sync()

    def end(self, status: Status) -> None:
        """End all trackers at once, and wait for at most ``END_SECONDS[status]``; slower ones are given up."""
        seconds = END_SECONDS[status]
        deadline = time.monotonic() + seconds
        for sender in self._senders:
            sender.end(status)
        for sender in self._senders:
            if not sender.ended(max(0.0, deadline - time.monotonic())):
                sender.give_up(TimeoutError(f"it has not finished within {seconds:g} seconds"))
        self._report()
        self._senders = []

    def _report(self) -> None:
        """Say once which trackers have failed."""
        for sender in self._senders:
            if (reason := sender.failure()) is not None:
                self._log(f"{sender.name}: {reason}; this run goes on without it, and metrics.jsonl has all numbers")

    def _read_states(self) -> dict[str, dict[str, str]]:
        """Return what trackers have stored, by name."""
        if not self._path.exists():
            return {}
        try:
            table = read_object(self._path)
        except SwissbertError as error:
            self._log(f"{error}; trackers begin anew")
            return {}
        return {name: _texts(state) for name, state in table.items() if isinstance(state, dict)}

    def _keep(self, name: str, state: Mapping[str, str]) -> None:
        """Store the state of a tracker; called in its thread."""
        with self._lock:
            if state and self._states.get(name) != state:
                self._states[name] = dict(state)
                write_text(self._path, json.dumps(self._states, indent=2) + "\n")


def missing_line(tracker: Tracker) -> str:
    """Return a line if the package of a tracker is not installed, else an empty text."""
    spec = importlib.util.find_spec(tracker.package) if tracker.package else None
    if not tracker.package or (
        spec is not None and spec.origin is not None
    ):  # a folder ``wandb`` is found without origin
        return ""
    return f"{tracker.package} is not installed; metrics.jsonl has the same numbers ({tracker.install})"


def numbers(node: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers in nested dictionaries with their names, joined by slashes."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from numbers(value, f"{name}/{key}" if name else str(key))
    elif isinstance(node, int | float):
        yield name, node


def _texts(state: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value for key, value in state.items() if isinstance(value, str)}
