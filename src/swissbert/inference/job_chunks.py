"""The chunks in which the rows of a job are answered: here one after the other, or by the processes of an engine."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swissbert.inference.input_rows import InputRow
from swissbert.inference.model import Model
from swissbert.inference.stream import Tally, record, row_chunks, stream
from swissbert.tasks import Task


class Chunk(NamedTuple):
    """Rows that are tokenized, sorted by length and answered together.

    Attributes:
        shard: Number of the shard that they belong to.
        rows: The rows, without their cells.
        is_last: Whether the shard ends with them.
    """

    shard: int
    rows: list[InputRow]
    is_last: bool


class AnsweredChunk(NamedTuple):
    """The answers to a chunk: a line of JSON for each row, with its line end, and what they count up to."""

    shard: int
    lines: list[str]
    tally: Tally
    is_last: bool


@dataclass(frozen=True)
class Work:
    """What to answer. Everything in it can be sent to another process.

    Attributes:
        tasks: The tasks, in order.
        groups: The same tasks; those of one group read rows alike.
        threshold: As in `Model.predict`.
    """

    tasks: Sequence[Task]
    groups: Sequence[Sequence[Task]]
    threshold: float | None = None

    def answer(self, model: Model, chunk: Chunk) -> AnsweredChunk:
        """Answer a chunk. The result depends on its rows alone, not on the process or on other chunks."""
        tally = Tally()
        answered = stream(model, self.groups, chunk.rows, self.threshold, tally)
        lines = [json.dumps(record(row, self.tasks), ensure_ascii=False) + "\n" for row in answered]
        return AnsweredChunk(chunk.shard, lines, tally, chunk.is_last)


Answers = Generator[AnsweredChunk, None, None]
Engine = Callable[[Model, Work, Iterable[Chunk]], Answers]
"""Answers chunks and yields the answers in their order. The generator is closed at the end, also of a job that fails."""


def in_this_process(model: Model, work: Work, chunks: Iterable[Chunk]) -> Answers:
    """Answer one chunk after the other. An `Engine`."""
    for chunk in chunks:
        yield work.answer(model, chunk)


def chunks_of(shard: int, rows: Iterable[InputRow]) -> Iterator[Chunk]:
    """Cut the rows of a shard into chunks; one is read ahead, to know which is the last."""
    before: list[InputRow] = []
    for chunk in row_chunks(rows):
        if before:
            yield Chunk(shard, before, False)
        before = [row._replace(cells=None) for row in chunk]  # answers need only what was read of them
    if before:
        yield Chunk(shard, before, True)
