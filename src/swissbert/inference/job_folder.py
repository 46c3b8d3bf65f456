"""The folder of a job that answers a large file: which job it holds, and which of its shards are whole.

``job.json`` (input, model and settings) is written first, then ``part-00000.jsonl`` and so on, with their checksums in
``shards.json``, and at the end ``done.json``.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swissbert.checksums import DamagedError, checksum, unsealed
from swissbert.errors import SwissbertError
from swissbert.inference.model import Model
from swissbert.reading import read_object
from swissbert.settings import shown
from swissbert.tasks import Task
from swissbert.version import __version__

TITLES = {"is_choice": "whether the input chooses the tasks"}
"""Names in messages of what a job depends on, where they are other ones than in ``job.json``."""
JOB, DONE, PARTS, SUMS = "job.json", "done.json", "part-*.jsonl", "shards.json"


@dataclass(frozen=True)
class Done:
    """The contents of ``done.json``.

    Attributes:
        rows: Number of rows of the input.
        bad_rows: Number of rows that could not be used by any task.
        shards: Number of shards.
        cut_rows: Number of rows with a text that was longer than the model takes.
        partly_bad_rows: Number of rows that some of the tasks could not use.
    """

    rows: int
    bad_rows: int
    shards: int
    cut_rows: int = 0
    partly_bad_rows: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the fields; the last two only where they are not 0."""
        counts = asdict(self)
        return {name: count for name, count in counts.items() if count or name in ("rows", "bad_rows", "shards")}


def job_record(model: Model, tasks: Sequence[Task], source: Path, **options: object) -> dict[str, Any]:
    """Return the contents of ``job.json``: everything that the shards depend on."""
    return {
        "input": input_identity(source),
        "model": _fingerprint(model),
        "precision": model.precision,
        "task": ", ".join(task.name for task in tasks),
        **options,
        "swissbert": __version__,
    }


def read_sums(folder: Path, log: Callable[[str], object]) -> dict[str, str] | None:
    """Return the checksums of the shards of a job; None for a job of an earlier version, which has none."""
    path = folder / SUMS
    if not path.exists():
        if not any(folder.glob(PARTS)):
            return {}
        log(f"{folder}: the shards were written without checksums, so damage to them would not be noticed")
        return None
    try:
        return {str(name): str(value) for name, value in read_object(path).items()}
    except SwissbertError:
        return {}  # no shard is then known to be whole


def is_whole(path: Path, sums: Mapping[str, str] | None) -> bool:
    """Whether a shard is as it was written, as far as its checksum or, without any, its lines tell."""
    if sums is not None:
        return checksum(path) == sums.get(path.name)
    try:
        with path.open(encoding="utf-8") as file:
            return all(isinstance(json.loads(line), dict) and line.endswith("\n") for line in file)
    except (ValueError, RecursionError):
        return False


def part_path(folder: Path, number: int) -> Path:
    """Return the path of a shard by its number, from 0."""
    return folder / f"part-{number:05}.jsonl"


def input_identity(path: Path) -> dict[str, Any]:
    """Identify an input file in constant time: size, modification time, and a hash of its first and last MiB.

    An edit in the middle that restores size and time is not noticed.
    """
    try:
        status = path.stat()
        if not path.is_file():
            raise SwissbertError(f"{path}: not a regular file, which a job that can be resumed needs")
        with path.open("rb") as file:
            ends = hashlib.sha256(file.read(2**20))
            file.seek(max(0, status.st_size - 2**20))
            ends.update(file.read(2**20))
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    return {
        "name": path.name,
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "ends_sha256": ends.hexdigest(),
    }


def _fingerprint(model: Model) -> str:
    """Return the checksum of the files that a model was loaded from, which may have been replaced since."""
    if model.fingerprint is None:
        raise SwissbertError(
            f"{model.folder}: this model has no files; save it and load it, so that the job can be resumed"
        )
    return model.fingerprint


def check_job(job: dict[str, Any], folder: Path) -> None:
    """Check that a folder is empty or holds this job.

    Raises:
        SwissbertError: If it holds another job, or answers without ``job.json``.
    """
    path = folder / JOB
    if not path.exists():
        if (folder / DONE).exists() or any(folder.glob(PARTS)):
            raise SwissbertError(
                f"{folder}: contains answers but no {JOB}, so their job is unknown; use another folder"
            )
        return
    stored = read_object(path)
    differ = [
        key if key in ("input", "model") else f"{TITLES.get(key, key)} ({shown(old)} became {shown(new)})"
        for key, old, new in _differences(stored, job)
    ]
    if differ:
        raise SwissbertError(
            f"{folder}: contains another job, which differs in {', '.join(differ)}; use another folder"
        )


def _differences(stored: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys of a job that were other ones, with both values; of the columns, each one."""
    for key, new in job.items():
        old = stored.get(key)
        if key == "columns" and isinstance(old, dict):
            yield from (
                (f"{name}_column", old.get(name), value) for name, value in new.items() if old.get(name) != value
            )
        elif old != new:
            yield key, old, new


def finished(folder: Path, log: Callable[[str], object]) -> Done | None:
    """Return the contents of ``done.json``; None if it or a shard is missing or damaged, and then computed again."""
    path = folder / DONE
    if not path.exists():
        return None
    try:
        done = Done(**unsealed(path))
        if not all(type(count) is int and count >= 0 for count in asdict(done).values()):
            raise DamagedError(f"{path}: is not what was written")
    except (SwissbertError, TypeError):
        log(f"{path}: is not as it was written, so the shards are counted again")
        return None
    parts = [part_path(folder, number) for number in range(min(done.shards, len(list(folder.glob(PARTS))) + 1))]
    if len(parts) < done.shards or not all(part.is_file() for part in parts):
        return None
    sums = read_sums(folder, log)
    return done if all(is_whole(part, sums) for part in parts) else None
