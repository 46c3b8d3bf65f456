"""Answer a large file in shards, so that an interrupted job can be resumed without losing or repeating a row.

A job folder holds ``job.json`` (input, model and settings, written first), ``part-00000.jsonl`` and so on (`shard_rows`
rows each, in input order) and, at the end, ``done.json``. Every file is written atomically, and ``shards.json`` has the
checksums of all shards, so that one that was damaged since is written again.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from swissbert.checksums import DamagedError, Digest, checksum, sealed, unsealed
from swissbert.data.formats import Format
from swissbert.data.rows import BadRow
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import locked, whole_file, write_text
from swissbert.inference.input_columns import NO_COLUMNS, InputColumns
from swissbert.inference.input_rows import InputRow, Inputs
from swissbert.inference.inputs import open_inputs
from swissbert.inference.model import Model
from swissbert.inference.stream import Tally, check_names, record, stream
from swissbert.inference.texts import check_threshold
from swissbert.paths import check_path
from swissbert.progress import RowProgress
from swissbert.reading import read_object
from swissbert.settings import shown
from swissbert.tasks import Task
from swissbert.version import __version__

SHARD_ROWS = 100_000
"""Rows of a shard: the most that are lost if a job is killed."""

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


def answer_file(
    model: Model,
    task: Task | Sequence[Task],
    source: Path,
    folder: Path,
    *,
    format: str = "auto",
    is_choice: bool = False,
    columns: InputColumns = NO_COLUMNS,
    threshold: float | None = None,
    shard_rows: int = SHARD_ROWS,
    display: Display | None = None,
) -> Done:
    """Answer every row of a file into a job folder, in constant memory; resume a job that was interrupted.

    The bytes of a shard depend on its own rows alone, so an interrupted and resumed job gives the same files as an
    uninterrupted one.

    Args:
        model: The model.
        task: One or several of its tasks.
        source: The input file; must not change before the job is finished.
        folder: The job folder.
        format: Format of the input, see `open_inputs`.
        is_choice: Whether to answer only those of the tasks that read such input.
        columns: Names of columns that take the place of those that tasks declare.
        threshold: As in `Model.predict`.
        shard_rows: Rows of each shard.
        display: Shows progress.

    Raises:
        SwissbertError: As `open_inputs`, or if another process writes into `folder` or it holds another job. Nothing is
            written then.
    """
    check_path(source, "source")
    check_path(folder, "output_dir")
    display = display or Display(quiet=True)
    tasks = [task] if isinstance(task, Task) else list(task)
    job = _job(
        model,
        tasks,
        source,
        is_choice=is_choice,
        columns=columns._asdict(),
        threshold=threshold,
        format=format,
        shard_rows=shard_rows,
    )
    with locked(folder):
        _check_job(job, folder)
        if (done := _finished(folder, display.say)) is not None:
            display.say(f"{folder}: this job is finished already; there is nothing to compute")
            return done
        files: list[io.BufferedReader] = []
        inputs = open_inputs(
            str(source),
            tasks,
            format,
            is_choice=is_choice,
            columns=columns,
            on_open=files.append,
            on_note=display.say,
        )  # reports missing columns before anything is written
        check_names(inputs.tasks)
        check_threshold(inputs.tasks, threshold)
        for note in filter(None, (inputs.choice_note, inputs.id_note)):
            display.say(note)
        write_text(folder / JOB, json.dumps(job, indent=2, ensure_ascii=False) + "\n")
        if shards := len(list(folder.glob(PARTS))):
            display.say(f"{folder}: resuming; {shards:,} shards exist, and their rows are read but not computed")
        with display.rows("predicting", share_done(source, files, inputs.format)) as bar:
            done = _write_shards(model, inputs, threshold, folder, shard_rows, bar, display.say)
        if _input(source) != job["input"]:
            raise SwissbertError(f"{source}: the file changed while it was read, so the answers in {folder} are mixed")
        write_text(folder / DONE, json.dumps(sealed(done.as_json(), DONE)) + "\n")
        return done


def _job(model: Model, tasks: Sequence[Task], source: Path, **options: object) -> dict[str, Any]:
    """Return the contents of ``job.json``: everything that the shards depend on."""
    return {
        "input": _input(source),
        "model": _fingerprint(model),
        "precision": model.precision,
        "task": ", ".join(task.name for task in tasks),
        **options,
        "swissbert": __version__,
    }


def _write_shards(
    model: Model,
    inputs: Inputs,
    threshold: float | None,
    folder: Path,
    shard_rows: int,
    bar: RowProgress,
    log: Callable[[str], object],
) -> Done:
    """Write the shards that do not exist yet, or are not as they were written."""
    tally, rows, sums = Tally(), iter(inputs), _sums(folder, log)
    for number in count():
        first = next(rows, None)
        if first is None:  # checked before the shard is created, so that none is empty
            break
        shard = chain([first], islice(rows, shard_rows - 1))
        path = _part(folder, number)
        if path.is_file():
            if _is_whole(path, sums):
                before = tally.rows
                _count_shard(path, shard, tally)
                bar.skip(tally.rows - before)
                continue
            log(f"{path}: is not as it was written, so it is written again")
        digest = Digest()
        with whole_file(path) as out:
            for answered in stream(model, inputs.groups, shard, threshold, tally):
                line = json.dumps(record(answered, inputs.tasks), ensure_ascii=False) + "\n"
                out.write(line)
                digest.update(line.encode())
                bar.advance()
            if sums is not None:
                sums[path.name] = digest.checksum  # before the shard has its name, so that none is without
                write_text(folder / SUMS, json.dumps(sums, indent=0) + "\n")
    return Done(tally.rows, tally.bad, number, tally.cut, tally.partly_bad)


def _sums(folder: Path, log: Callable[[str], object]) -> dict[str, str] | None:
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


def _is_whole(path: Path, sums: Mapping[str, str] | None) -> bool:
    """Whether a shard is as it was written, as far as its checksum or, without any, its lines tell."""
    if sums is not None:
        return checksum(path) == sums.get(path.name)
    try:
        with path.open(encoding="utf-8") as file:
            return all(isinstance(json.loads(line), dict) and line.endswith("\n") for line in file)
    except (ValueError, RecursionError):
        return False


def _count_shard(path: Path, rows: Iterator[InputRow], tally: Tally) -> None:
    """Count the rows of a shard that was written before; what was cut is read from the shard."""
    before = tally.rows
    for row in rows:
        bad = sum(isinstance(reading, BadRow) for reading in row.rows)
        tally.rows += 1
        tally.bad += bad == len(row.rows)
        tally.partly_bad += 0 < bad < len(row.rows)
    lines = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            answers = json.loads(line)
            parts = [answers, *(part for part in answers.values() if isinstance(part, dict))]
            tally.cut += any(part.get("cut") is True for part in parts)
            lines += 1
    if lines != tally.rows - before:
        raise SwissbertError(
            f"{path}: has {lines:,} lines instead of {tally.rows - before:,}; remove it, and it is made again"
        )


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.jsonl"


def _input(path: Path) -> dict[str, Any]:
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


def _check_job(job: dict[str, Any], folder: Path) -> None:
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
        key if key in ("input", "model") else f"{key} ({shown(stored.get(key))} became {shown(job[key])})"
        for key in job
        if stored.get(key) != job[key]
    ]
    if differ:
        raise SwissbertError(
            f"{folder}: contains another job, which differs in {', '.join(differ)}; use another folder"
        )


def _finished(folder: Path, log: Callable[[str], object]) -> Done | None:
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
    parts = [_part(folder, number) for number in range(min(done.shards, len(list(folder.glob(PARTS))) + 1))]
    if len(parts) < done.shards or not all(part.is_file() for part in parts):
        return None
    sums = _sums(folder, log)
    return done if all(_is_whole(part, sums) for part in parts) else None


def share_done(source: Path, files: list[io.BufferedReader], format: Format) -> Callable[[int], float]:
    """Return a function that turns rows done into the share of the input done.

    Args:
        source: The input.
        files: The open file of a text format, whose position counts; empty for other formats, whose rows count.
        format: The format of the input.
    """
    if not files:
        total = format.count_rows(source)
        return lambda rows: rows / max(1, total) if total is not None else 0.0
    size = max(1, source.stat().st_size)

    def share(rows: int) -> float:
        file = files[0]
        return 1.0 if file.closed else file.tell() / size

    return share
