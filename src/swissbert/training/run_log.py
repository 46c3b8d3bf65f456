"""What a run reports while it trains: entries of metrics.jsonl, which its trackers get too."""

import os.path
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest
from swissbert.config import RunConfig
from swissbert.display import Display
from swissbert.model_folder import layout
from swissbert.task_words import WORDS
from swissbert.tracking import Status, TrackedRun
from swissbert.tracking.tracking import Tracking
from swissbert.training.log import MetricsLog
from swissbert.training.state import Progress


class RunLog:
    """The log of a run in the process that writes it: ``metrics.jsonl`` and the trackers of ``train.trackers``.

    Args:
        out: The run folder.
        config: The settings.
        progress: Progress of the last checkpoint.
        display: Receives lines about the log and its trackers.
        is_complete: Whether no step is left, so that there is nothing to track.
    """

    def __init__(
        self, out: Path, config: RunConfig, progress: Progress, display: Display, *, is_complete: bool
    ) -> None:
        self._metrics = MetricsLog(
            out, progress.step, size=progress.log_bytes, checksum=progress.log_checksum, log=display.say
        )
        run = TrackedRun(config.name, out, progress.step, shared_settings(config))
        trackers = [] if is_complete else config.train.trackers
        with display.waiting("starting trackers"):
            self._tracking = Tracking(trackers, run, out / layout.TRACKERS, display.say)

    @property
    def digest(self) -> Digest:
        """Size and checksum of ``metrics.jsonl``."""
        return self._metrics.digest

    def write(self, record: dict[str, object]) -> None:
        """Append one record, which has a ``step``."""
        self._metrics.write(record)
        self._tracking.log(record)

    def sync(self) -> None:
        """Flush what was written to disk, so that a checkpoint is never ahead of the log."""
        self._metrics.sync()
        self._tracking.sync()

    def close(self, status: Status) -> None:
        """Flush everything to disk, close the file and end the trackers."""
        try:
            self._metrics.close()
        finally:
            self._tracking.end(status)


class NoLog:
    """The log of a process that writes nothing, because the first one does. Its functions are those of `RunLog`."""

    def __init__(self) -> None:
        self.digest = Digest()

    def write(self, record: dict[str, object]) -> None:
        """Write nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self, status: Status) -> None:
        """Do nothing."""


def shared_settings(config: RunConfig) -> dict[str, Any]:
    """Return the settings that trackers get, which may be public: of a path its last part, and no texts about tasks."""
    table = config.model_dump(mode="json", exclude_none=True)
    tasks = {task["name"]: {key: value for key, value in task.items() if key not in WORDS} for task in table["tasks"]}
    shared: dict[str, Any] = _without_folders({**table, "tasks": tasks})
    return shared


def _without_folders(node: Any) -> Any:
    """Return tables and lists in which the last part stands for an absolute path."""
    if isinstance(node, dict):
        return {key: _without_folders(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_folders(value) for value in node]
    return os.path.basename(node) if isinstance(node, str) and os.path.isabs(node) else node
