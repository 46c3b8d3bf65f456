"""What a run writes down while it goes: metrics.jsonl, and TensorBoard."""

import errno
import importlib.util
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from swissbert.files import writing

TENSORBOARD = importlib.util.find_spec("tensorboard") is not None
"""Whether tensorboard is installed."""


class MetricsLog:
    """``metrics.jsonl`` (one object a step, one an evaluation) and, if tensorboard is installed, ``tensorboard/``.

    When a run resumes, lines of steps after its checkpoint are cut off, so no step stands there twice.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool) -> None:
        path = folder / "metrics.jsonl"
        self._path = path
        with writing(path):
            kept = _lines_up_to(path, step)
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(kept)
            self._file.seek(kept)
        self._board = _Board(folder / "tensorboard", step) if tensorboard and TENSORBOARD else None

    def write(self, record: dict[str, object]) -> None:
        """Append one record with a ``step``; its numbers, nested names joined by slashes, go to TensorBoard."""
        line = json.dumps(record).encode() + b"\n"
        with writing(self._path):
            before = self._file.tell()
            if self._file.write(line) != len(line):
                self._file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._board is not None:
            self._board.write(record)

    def sync(self) -> None:
        """Put what was written on disk, so that a checkpoint is never ahead of it."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Make sure that everything is on disk."""
        try:
            self.sync()
        finally:
            self._file.close()
            if self._board is not None:
                self._board.close()


class _Board:
    """One event file of TensorBoard.

    Written here and now: torch's SummaryWriter writes in a thread, up to two minutes late, and a full disk ends that
    thread with a traceback. Files are named by the nanosecond, since TensorBoard reads them in the order of their names.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        self._path = folder / f"events.out.tfevents.{time.time_ns()}"
        with writing(self._path):
            folder.mkdir(exist_ok=True)
            self._file = self._path.open("wb", buffering=0)
        self._records, self._event = RecordWriter(self._file), Event
        self._append(file_version="brain.Event:2")
        start = SessionLog(status=SessionLog.START)  # hides what files before this one say of later steps
        self._append(step=step + 1, session_log=start)

    def write(self, record: dict[str, object]) -> None:
        """Every number of a record at its ``step``."""
        values = [{"tag": name, "simple_value": value} for name, value in _numbers(record) if name != "step"]
        self._append(step=record["step"], summary={"value": values})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, **fields: object) -> None:
        with writing(self._path):
            self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _numbers(node: object, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _numbers(value, f"{name}/{key}" if name else key)
    elif isinstance(node, int | float):
        yield name, node


def _lines_up_to(path: Path, step: int) -> int:
    """Bytes of the leading complete lines of steps up to `step`."""
    size = 0
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                number = json.loads(line)["step"]
            except (ValueError, KeyError, TypeError):
                break
            if number > step or not line.endswith(b"\n"):
                break
            size += len(line)
    return size
