"""TensorBoard: event files in the folder ``tensorboard`` of a run."""

import os
import time
from collections.abc import Mapping

from swissbert.files import make_folder, sync_folder
from swissbert.tracking.base import Status, TrackedRun, Tracker


class TensorBoard(Tracker):
    """One event file of TensorBoard.

    The SummaryWriter of torch writes with a delay of up to two minutes, and a full disk ends its thread with a traceback, so
    events are written here. File names contain nanoseconds, because TensorBoard reads files in the order of their names.
    """

    package = "tensorboard"
    install = "pip install 'swissbert[track]'"

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        """Create the file. Its first event hides the steps in earlier files that the run repeats."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        folder = run.folder / "tensorboard"
        make_folder(folder)
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}").open("wb", buffering=0)
        sync_folder(folder)
        self._records, self._event = RecordWriter(self._file), Event
        self._append(file_version="brain.Event:2")
        self._append(step=run.step + 1, session_log=SessionLog(status=SessionLog.START))
        return {}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write an event with all values."""
        self._append(
            step=step, summary={"value": [{"tag": name, "simple_value": value} for name, value in values.items()]}
        )

    def sync(self) -> None:
        """Flush the file to disk."""
        os.fsync(self._file.fileno())

    def end(self, status: Status) -> None:
        """Flush and close the file."""
        try:
            self.sync()
        finally:
            self._file.close()

    def _append(self, **fields: object) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
