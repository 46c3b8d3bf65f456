"""Answers on a large file, in shards: a job that is killed goes on where it was, and loses or doubles no row.

A folder of answers holds ``job.json`` (what is asked, written first), ``part-00000.jsonl`` and so on (`shard_rows` rows
each, in input order) and, at the end, ``done.json``. Each file is there whole or not at all.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, TextIO

from swissbert.data.formats import Format
from swissbert.data.rows import BadRow
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import locked, read_object, sha256, whole_file, write_text
from swissbert.inference.inputs import input_format, read_inputs
from swissbert.inference.model import Model
from swissbert.inference.stream import records
from swissbert.settings import shown
from swissbert.tasks import Task
from swissbert.version import __version__

SHARD_ROWS = 100_000
"""Rows of a shard: what a kill costs at most."""

MODEL_FILES = ("config.json", "model.safetensors", "heads.safetensors", "swissbert.json", "tokenizer.json", "vocab.txt")
"""What a model's answers depend on; the model card is not among it."""


@dataclass(frozen=True)
class Done:
    """A finished job, as ``done.json`` has it: all rows, those that could not be used, and how many shards they fill."""

    rows: int
    bad_rows: int
    shards: int


def answer_file(
    trained: Model,
    task: Task,
    source: Path,
    folder: Path,
    *,
    format: str = "auto",
    shard_rows: int = SHARD_ROWS,
    display: Display | None = None,
) -> Done:
    """Answer every row of `source` into `folder`, or go on with that, or see that it is done. Memory is constant.

    The bytes of a shard depend on its own rows alone, so those of a job that was killed are those of one that was not.
    Raises SwissbertError as `read_inputs` does, where another process writes into `folder`, and, before anything is
    written, where it holds another job; an interrupt leaves whole shards.
    """
    display = display or Display(quiet=True)
    job = {
        "input": _input(source),
        "model": _model(trained.folder),
        "precision": trained.precision,
        "task": task.name,
        "format": format,
        "shard_rows": shard_rows,
        "swissbert": __version__,
    }
    with locked(folder):
        _same_job(job, folder)
        if (done := _finished(folder)) is not None:
            display.say(f"{folder}: this job is done already; there is nothing to compute")
            return done
        files: list[TextIO] = []
        rows = read_inputs(str(source), task, format, on_open=files.append)
        rows = chain(list(islice(rows, 1)), rows)  # columns that lack are found before anything is written
        write_text(folder / "job.json", json.dumps(job, indent=2, ensure_ascii=False) + "\n")
        if whole := len(list(folder.glob("part-*.jsonl"))):
            display.say(f"{folder}: going on; {whole:,} shards are there, and their rows are read but not computed")
        total = bad = 0
        with display.rows("predicting", _share(source, files, input_format(source, task, format))) as bar:
            for number in count():
                first = next(rows, None)
                if first is None:  # known before the shard is made: none is empty
                    break
                shard = chain([first], islice(rows, shard_rows - 1))
                path = _part(folder, number)
                if path.is_file():
                    before = total
                    for row in shard:
                        total += 1
                        bad += isinstance(row, BadRow)
                    bar.skip(total - before)
                    continue
                with whole_file(path) as out:
                    for record in records(trained, task, shard):
                        total += 1
                        bad += "error" in record
                        out.write(json.dumps(record, ensure_ascii=False) + "\n")
                        bar.advance()
        if _input(source) != job["input"]:
            raise SwissbertError(
                f"{source}: it changed while it was read, so the answers in {folder} are of no one file"
            )
        done = Done(total, bad, number)
        write_text(folder / "done.json", json.dumps(asdict(done)) + "\n")
        return done


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.jsonl"


def _input(path: Path) -> dict[str, Any]:
    """What tells a file from another at a price that does not grow with it.

    Not proof against someone who edits the middle and puts back size and modification time.
    """
    try:
        found = path.stat()
        if not path.is_file():
            raise SwissbertError(f"{path}: a job that can be resumed reads a file, which this is not")
        with path.open("rb") as file:
            ends = hashlib.sha256(file.read(2**20))
            file.seek(max(0, found.st_size - 2**20))
            ends.update(file.read(2**20))
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    return {
        "name": path.name,
        "bytes": found.st_size,
        "modified_ns": found.st_mtime_ns,
        "ends_sha256": ends.hexdigest(),
    }


def _model(folder: Path) -> str:
    """sha256 over the files of a model folder that its answers depend on."""
    digest = hashlib.sha256()
    for path in (folder / name for name in MODEL_FILES):
        if path.is_file():
            digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _same_job(job: dict[str, Any], folder: Path) -> None:
    """Raise SwissbertError where a folder holds another job, or answers of which nobody can say whose they are."""
    path = folder / "job.json"
    if not path.exists():
        if (folder / "done.json").exists() or any(folder.glob("part-*.jsonl")):
            raise SwissbertError(f"{folder}: holds answers but no job.json, so nobody can say what they are of")
        return
    stored = read_object(path)
    differ = [
        key if key in ("input", "model") else f"{key} ({shown(stored.get(key))} became {shown(job[key])})"
        for key in job
        if stored.get(key) != job[key]
    ]
    if differ:
        raise SwissbertError(f"{folder}: holds another job, which differs in {', '.join(differ)}; take another folder")


def _finished(folder: Path) -> Done | None:
    """The end of a job whose shards are all there; one that somebody took away is computed again."""
    try:
        done = Done(**json.loads((folder / "done.json").read_text(encoding="utf-8")))
        return done if all(_part(folder, number).is_file() for number in range(done.shards)) else None
    except (OSError, ValueError, TypeError):
        return None


def _share(source: Path, files: list[TextIO], format: Format) -> Callable[[int], float]:
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
        return 1.0 if file.closed else file.buffer.tell() / size

    return share
