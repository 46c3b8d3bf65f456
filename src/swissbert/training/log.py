"""The log of a run, metrics.jsonl."""

import errno
import json
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest, digest_of, warn
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores
from swissbert.files import sync_folder, whole_bytes, writing
from swissbert.metrics import higher_is_better, shown_as
from swissbert.model_folder import layout
from swissbert.wording import shortened


class MetricsLog:
    """``metrics.jsonl``, with one object per step and per evaluation.

    When a run resumes, entries of steps after its checkpoint are removed, so that no step occurs twice. The checkpoint has
    size and checksum of the log; where they differ, lines that cannot be read are removed, and what is missing is said.

    Args:
        folder: The run folder.
        step: Steps done by the checkpoint; 0 for a new run.
        size: Bytes of the log that belong to the checkpoint; None if it does not say.
        checksum: Checksum of these bytes.
        log: Receives a line if the log was damaged.

    Attributes:
        digest: Size and checksum of the log.
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        *,
        size: int | None = None,
        checksum: str | None = None,
        log: Callable[[str], object] = warn,
    ) -> None:
        path = folder / layout.METRICS_LOG
        self._path = path
        self.digest = Digest()
        with writing(path):
            if step > 0 and path.exists() and size is not None:
                self.digest = digest_of(path, size)
            if step > 0 and (size is None or self.digest.checksum != checksum):
                if line := mend(path, step, is_known=size is not None):
                    log(line)
                self.digest = digest_of(path)
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(self.digest.size)
            self._file.seek(self.digest.size)
            sync_folder(folder)

    def write(self, record: dict[str, object]) -> None:
        """Append one record, which has a ``step``."""
        line = json.dumps(record).encode() + b"\n"
        with writing(self._path):
            before = self._file.tell()
            if self._file.write(line) != len(line):
                self._file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.digest.update(line)

    def sync(self) -> None:
        """Flush what was written to disk, so that a checkpoint is never ahead of the log."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush everything to disk and close the file."""
        try:
            self.sync()
        finally:
            self._file.close()


def dev_entry(step: int, scores: Scores) -> dict[str, object]:
    """Return the entry of ``metrics.jsonl`` for an evaluation: null for scores without a finite value, and notes if any."""
    dev = {name: value if math.isfinite(value) else None for name, value in scores.figures().items()}
    notes = scores.all_notes()
    return {"step": step, "dev": dev, **({"notes": notes} if notes else {})}


def dev_line(step: int, scores: Scores, best_by: str, *, is_kept: bool, best: float | None, is_new: bool = True) -> str:
    """Word an evaluation: ``dev after step 9: overall 0.912  mood accuracy 0.912  best so far``.

    Args:
        step: Number of steps done.
        scores: The scores.
        best_by: Name of the score that decides which model is kept.
        is_kept: Whether the model is kept: it is the best so far, within ``train.tie`` of the best, or the latest while
            that score is undefined.
        best: The best value of that score so far; None while it is undefined.
        is_new: Whether no evaluation before was as good.
    """
    values = {f"{name} {task.metric}": task.value for name, task in scores.tasks.items()}
    if any(higher_is_better(task.metric) for task in scores.tasks.values()):
        values = {"overall": scores.overall, **values}
    value = scores.by_name(best_by)
    values.setdefault(best_by.replace(".", " "), value)
    text = "  ".join(f"{name} {shown_as(name.rpartition(' ')[2], value)}" for name, value in values.items())
    if best is None:
        mark = f"kept, as {best_by} is undefined so far"
    elif value != best:
        mark = f"kept, within train.tie of the best, {shown_as(best_by, best)}"
    else:
        mark = "best so far" if is_new else "kept, as good as the best"
    return f"dev after step {step}: {text}{f'  {mark}' if is_kept else ''}"


def read_entries(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Read the entries of ``metrics.jsonl`` that can be read, and count the lines that cannot.

    Raises:
        SwissbertError: If the file cannot be read.
    """
    entries, damaged = [], 0
    try:
        with path.open("rb") as file:
            for line in file:
                if (entry := _entry(line)) is not None:
                    entries.append(entry)
                elif line.endswith(b"\n"):  # else the last one, of a process that was killed
                    damaged += 1
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    return entries, damaged


def mend(path: Path, step: int, *, is_known: bool) -> str:
    """Rewrite ``metrics.jsonl`` with its readable entries of steps up to `step`, each once and in order.

    Args:
        path: The file, which may be missing.
        step: Steps done by the checkpoint.
        is_known: Whether the log is known to differ from what was written; else it may be whole.

    Returns:
        A line about what was found, or nothing if the log is whole as far as can be told.
    """
    kept: dict[tuple[int, bool], dict[str, Any]] = {}
    entries, damaged = read_entries(path)
    for entry in entries:
        if 0 < entry["step"] <= step:
            kept.setdefault((entry["step"], "dev" in entry), entry)
    missing = sorted(set(range(1, step + 1)) - {number for number, is_dev in kept if not is_dev})
    with whole_bytes(path) as file:
        file.writelines(json.dumps(kept[key]).encode() + b"\n" for key in sorted(kept))
    findings = [
        f"lines that cannot be read: {damaged:,}, which are removed" if damaged else "",
        f"there are no entries of steps {_ranges(missing)}" if missing else "",
    ]
    if not any(findings) and is_known:
        findings = ["no entry is missing, but figures in it may be wrong"]
    text = "; ".join(filter(None, findings))
    return f"{path}: is not as it was when step {step} was saved; {text}; the training itself is not affected" * bool(
        text
    )


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return the entry of a line; None if it is damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_whole = line.endswith(b"\n") and isinstance(entry, dict) and type(entry.get("step")) is int
    return entry if is_whole else None


def _ranges(numbers: Iterable[int]) -> str:
    """Word rising numbers: ``3, 5 to 7``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return shortened([str(low) if low == high else f"{low} to {high}" for low, high in ranges], 8)
