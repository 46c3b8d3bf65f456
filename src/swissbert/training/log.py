"""The log of a run: metrics.jsonl, and TensorBoard."""

import errno
import importlib.util
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from swissbert.evaluation import Scores
from swissbert.files import make_folder, sync_folder, writing
from swissbert.metrics import higher_is_better, shown_as
from swissbert.model_folder import layout

TENSORBOARD = importlib.util.find_spec("tensorboard") is not None
"""Whether tensorboard is installed."""


class MetricsLog:
    """``metrics.jsonl``, with one object per step and per evaluation, and TensorBoard if it is installed.

    When a run resumes, entries of steps after its checkpoint are removed, so that no step occurs twice.

    Args:
        folder: The run folder.
        step: Steps done by the checkpoint; 0 for a new run.
        tensorboard: Whether ``tensorboard/`` is written, if tensorboard is installed.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool) -> None:
        path = folder / layout.METRICS_LOG
        self._path = path
        with writing(path):
            kept = _lines_up_to(path, step)
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(kept)
            self._file.seek(kept)
            sync_folder(folder)
        self._board = _Board(folder / layout.TENSORBOARD, step) if tensorboard and TENSORBOARD else None

    def write(self, record: dict[str, object]) -> None:
        """Append one record, which has a ``step``. TensorBoard gets its numbers, nested names joined by slashes."""
        line = json.dumps(record).encode() + b"\n"
        with writing(self._path):
            before = self._file.tell()
            if self._file.write(line) != len(line):
                self._file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._board is not None:
            self._board.write(record)

    def sync(self) -> None:
        """Flush what was written to disk, so that a checkpoint is never ahead of the log."""
        with writing(self._path):
            os.fsync(self._file.fileno())
        if self._board is not None:
            self._board.sync()

    def close(self) -> None:
        """Flush everything to disk and close the files."""
        try:
            self.sync()
        finally:
            self._file.close()
            if self._board is not None:
                self._board.close()


def dev_entry(step: int, scores: Scores) -> dict[str, object]:
    """Return the entry of ``metrics.jsonl`` for an evaluation: null for scores without a finite value, and notes if any."""
    dev = {name: value if math.isfinite(value) else None for name, value in scores.figures().items()}
    notes = scores.all_notes()
    return {"step": step, "dev": dev, **({"notes": notes} if notes else {})}


def dev_line(step: int, scores: Scores, best_by: str, *, is_kept: bool, best: float | None) -> str:
    """Word an evaluation: ``dev after step 9: overall 0.912  mood accuracy 0.912  best so far``.

    Args:
        step: Number of steps done.
        scores: The scores.
        best_by: Name of the score that decides which model is kept.
        is_kept: Whether the model is kept: it is the best so far, within ``train.tie`` of the best, or the latest while
            that score is undefined.
        best: The best value of that score so far; None while it is undefined.
    """
    values = {f"{name} {task.metric}": task.value for name, task in scores.tasks.items()}
    if any(higher_is_better(task.metric) for task in scores.tasks.values()):
        values = {"overall": scores.overall, **values}
    value = scores.by_name(best_by)
    values.setdefault(best_by.replace(".", " "), value)
    text = "  ".join(f"{name} {shown_as(name.rpartition(' ')[2], value)}" for name, value in values.items())
    if best is None:
        mark = f"kept, as {best_by} is undefined so far"
    else:
        mark = "best so far" if value == best else f"kept, within train.tie of the best, {shown_as(best_by, best)}"
    return f"dev after step {step}: {text}{f'  {mark}' if is_kept else ''}"


class _Board:
    """One event file of TensorBoard.

    Events are written synchronously. The SummaryWriter of torch writes in a thread, with a delay of up to two minutes,
    and a full disk ends that thread with a traceback. File names contain nanoseconds, because TensorBoard reads files
    in the order of their names.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        self._path = folder / f"events.out.tfevents.{time.time_ns()}"
        with writing(self._path):
            make_folder(folder)
            self._file = self._path.open("wb", buffering=0)
            sync_folder(folder)
        self._records, self._event = RecordWriter(self._file), Event
        self._append(file_version="brain.Event:2")
        start = SessionLog(status=SessionLog.START)  # hides later steps in earlier files
        self._append(step=step + 1, session_log=start)

    def write(self, record: dict[str, object]) -> None:
        """Write every number of a record at its ``step``."""
        values = [{"tag": name, "simple_value": value} for name, value in _numbers(record) if name != "step"]
        self._append(step=record["step"], summary={"value": values})

    def sync(self) -> None:
        """Flush the file to disk."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, **fields: object) -> None:
        with writing(self._path):
            self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _numbers(node: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers in nested dictionaries with their names, joined by slashes."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _numbers(value, f"{name}/{key}" if name else key)
    elif isinstance(node, int | float):
        yield name, node


def _lines_up_to(path: Path, step: int) -> int:
    """Return the size in bytes of the leading complete lines of steps up to `step`."""
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
