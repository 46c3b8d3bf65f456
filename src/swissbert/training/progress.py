"""What a run says while it goes: a bar or plain lines, metrics.jsonl, and TensorBoard."""

import contextlib
import errno
import importlib.util
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from swissbert.files import writing

TENSORBOARD = importlib.util.find_spec("tensorboard") is not None
"""Whether tensorboard is installed."""


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
