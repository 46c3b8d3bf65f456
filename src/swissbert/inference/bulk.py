"""Answer a large file in shards, so that an interrupted job can be resumed without losing or repeating a row.

A job folder holds ``part-00000.jsonl`` and so on, `shard_rows` rows each, in input order. Every file is written atomically, and
a shard that was damaged since is written again; `swissbert.inference.job_folder` has the other files.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest, sealed
from swissbert.data.rows import BadRow
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import locked, whole_file, write_text
from swissbert.inference.input_options import AS_DECLARED, InputOptions
from swissbert.inference.input_progress import CountedRows, share_done
from swissbert.inference.input_rows import InputRow
from swissbert.inference.inputs import open_inputs
from swissbert.inference.job_chunks import AnsweredChunk, Chunk, Engine, Work, chunks_of, in_this_process
from swissbert.inference.job_folder import (
    DONE,
    JOB,
    PARTS,
    SUMS,
    Done,
    check_job,
    finished,
    input_identity,
    is_whole,
    job_record,
    part_path,
    read_sums,
)
from swissbert.inference.model import Model
from swissbert.inference.stream import Tally, check_names
from swissbert.inference.texts import check_threshold
from swissbert.paths import check_path
from swissbert.progress import RowProgress
from swissbert.tasks import Task

SHARD_ROWS = 100_000
"""Rows of a shard: the most that are lost if a job is killed."""


def answer_file(
    model: Model,
    task: Task | Sequence[Task],
    source: Path,
    folder: Path,
    *,
    format: str = "auto",
    is_choice: bool = False,
    options: InputOptions = AS_DECLARED,
    threshold: float | None = None,
    shard_rows: int = SHARD_ROWS,
    engine: Engine = in_this_process,
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
        options: What takes the place of what tasks declare.
        threshold: As in `Model.predict`.
        shard_rows: Rows of each shard.
        engine: Answers the rows; `swissbert.batch.ray_engine` has one of many processes. The files are the same, so a
            job may go on with another engine.
        display: Shows progress.

    Raises:
        SwissbertError: As `open_inputs`, or if another process writes into `folder` or it holds another job. Nothing is
            written then.
    """
    check_path(source, "source")
    check_path(folder, "output_dir")
    display = display or Display(quiet=True)
    tasks = [task] if isinstance(task, Task) else list(task)
    job = job_record(
        model,
        tasks,
        source,
        is_choice=is_choice,
        **options.as_json(),
        threshold=threshold,
        format=format,
        shard_rows=shard_rows,
    )
    with locked(folder):
        check_job(job, folder)
        if (done := finished(folder, display.say)) is not None:
            display.say(f"{folder}: this job is finished already; there is nothing to compute")
            return done
        files: list[io.BufferedReader] = []
        inputs = open_inputs(
            str(source),
            tasks,
            format,
            is_choice=is_choice,
            options=options,
            on_open=files.append,
            on_note=display.say,
        )  # reports missing columns before anything is written
        check_names(inputs.tasks)
        check_threshold(inputs.tasks, threshold)
        for note in filter(None, (inputs.choice_note, inputs.id_note)):
            display.say(note)
        _begin(job, folder, display)
        work = Work(inputs.tasks, inputs.groups, threshold)
        rows = CountedRows(inputs)
        with display.rows("predicting", share_done(source, files, inputs.format, rows)) as bar:
            shards = _Shards(rows, folder, shard_rows, read_sums(folder, display.say), Tally(), bar, display.say)
            done = _write_shards(model, work, shards, engine, bar)
        _end(done, job, source, folder)
        return done


def _begin(job: dict[str, Any], folder: Path, display: Display) -> None:
    """Write the record of a job, and say how much of it is there if it is resumed."""
    write_text(folder / JOB, json.dumps(job, indent=2, ensure_ascii=False) + "\n")
    if existing := len(list(folder.glob(PARTS))):
        there = "shard exists, and its" if existing == 1 else "shards exist, and their"
        display.say(f"{folder}: resuming; {existing:,} {there} rows are read but not computed")


def _end(done: Done, job: dict[str, Any], source: Path, folder: Path) -> None:
    """Record that a job is finished.

    Raises:
        SwissbertError: If its input has changed meanwhile.
    """
    if input_identity(source) != job["input"]:
        raise SwissbertError(f"{source}: the file changed while it was read, so the answers in {folder} are mixed")
    write_text(folder / DONE, json.dumps(sealed(done.as_json(), DONE)) + "\n")


@dataclass
class _Shards:
    """The rows of a job in chunks, without those of shards that are whole already, which are counted.

    Attributes:
        all_rows: All rows.
        folder: The job folder.
        rows: Rows of each shard.
        sums: Checksums of the shards that were written; None if there are none.
        tally: Counts the rows of shards that are not written again.
        bar: Shows those rows.
        log: Called with a sentence about a shard that is damaged.
        count: Number of shards so far.
    """

    all_rows: CountedRows
    folder: Path
    rows: int
    sums: dict[str, str] | None
    tally: Tally
    bar: RowProgress
    log: Callable[[str], object]
    count: int = 0

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks to answer, once."""
        rows = iter(self.all_rows)
        while (first := next(rows, None)) is not None:  # read before a shard begins, so that none is empty
            number, self.count = self.count, self.count + 1
            shard = chain([first], islice(rows, self.rows - 1))
            if not self._is_kept(part_path(self.folder, number), shard):
                yield from chunks_of(number, shard)

    def _is_kept(self, path: Path, shard: Iterator[InputRow]) -> bool:
        """Whether a shard stays as it is; its rows are then read and counted."""
        if not path.is_file():
            return False
        if not is_whole(path, self.sums):
            self.log(f"{path}: is not as it was written, so it is written again")
            return False
        before = self.tally.rows
        _count_shard(path, shard, self.tally)
        self.bar.skip(self.tally.rows - before)
        return True


def _write_shards(model: Model, work: Work, shards: _Shards, engine: Engine, bar: RowProgress) -> Done:
    """Write the shards that do not exist yet, or are not as they were written."""
    folder, sums, tally = shards.folder, shards.sums, shards.tally
    with closing(engine(model, work, shards)) as answered:
        for first in answered:
            path, digest = part_path(folder, first.shard), Digest()
            with whole_file(path) as out:
                for chunk in _to_last(first, answered):
                    tally.add(chunk.tally)
                    for line in chunk.lines:
                        out.write(line)
                        digest.update(line.encode())
                        bar.advance()
                if sums is not None:
                    sums[path.name] = digest.checksum  # before the shard has its name, so that none is without
                    write_text(folder / SUMS, json.dumps(sums, indent=0) + "\n")
    return Done(tally.rows, tally.bad, shards.count, tally.cut, tally.partly_bad)


def _to_last(chunk: AnsweredChunk, rest: Iterator[AnsweredChunk]) -> Iterator[AnsweredChunk]:
    """Yield a chunk and those that follow it in its shard."""
    yield chunk
    while not chunk.is_last:
        chunk = next(rest)
        yield chunk


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
