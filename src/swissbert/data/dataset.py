"""One split of one task, ready for batching: tokens and labels."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypedDict, Unpack

import numpy as np

from swissbert.data.batches import PackedBatch, pack, shuffled_batches
from swissbert.data.rows import BadRow, Row, labels_of
from swissbert.data.splits import Reading, Source
from swissbert.data.tokens import Tokenizer, TokenTable
from swissbert.tasks import Split, Task

CHUNK = 4096
"""Rows that are tokenized at a time; their texts are freed afterwards."""


@dataclass(frozen=True)
class TaskData:
    """Tokens and labels of a split, without its texts.

    Attributes:
        task: The task.
        source: Name of the file, data set or rows.
        bad: Rows that could not be used.
        table: Tokens of the rows.
        labels: Labels, float64 ``[N]`` or ``[N, C]``, NaN where a row has none.
        rows_digest: SHA-256 of ids, texts and labels.
        notes: Sentences about what was detected in the files rather than declared.
    """

    task: Task
    source: str
    bad: list[BadRow]
    table: TokenTable
    labels: np.ndarray
    rows_digest: str
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def fingerprint(self) -> str:
        """Return the SHA-256 of rows and tokens: it changes with any text, label, order, vocabulary or truncation."""
        digest = hashlib.sha256(self.rows_digest.encode())
        for part in (self.table.ids, self.table.first, self.table.offsets):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def batch(self, rows: np.ndarray) -> PackedBatch:
        """Pack the rows of the given numbers, int64 ``[B]``."""
        return pack(self.table, rows, self.labels)

    def shuffled(self, size: int, bucket: int, seed: Sequence[int]) -> list[np.ndarray]:
        """Return the row numbers of every batch of one pass; arguments as for `shuffled_batches`, order by `seed`."""
        return shuffled_batches(self.table.lengths, size, bucket, np.random.default_rng(list(seed)))


def tokenize(tokenizer: Tokenizer, task: Task, rows: Sequence[Row], *, separate: bool, max_length: int) -> TokenTable:
    """Tokenize rows of a task.

    Args:
        tokenizer: The encoder's tokenizer.
        task: Says whether rows are pairs.
        rows: The rows.
        separate: Whether the two sentences of a pair are sequences of their own.
        max_length: Longest sequence in tokens; longer ones are cut.
    """
    pairs = [row.text_pair or "" for row in rows] if task.is_pair else None
    return tokenizer.encode([row.text for row in rows], pairs, together=not separate, max_length=max_length)


class TokenOptions(TypedDict):
    """How rows become tokens: whether sentences of a pair are sequences of their own, and the longest sequence."""

    separate: bool
    max_length: int


class SplitOptions(TokenOptions, total=False):
    """How a split is loaded; `refuse` and `limit` are those of `Reading` and may be left out."""

    refuse: bool
    limit: int | None


class Tokenizing:
    """A split in chunks of `CHUNK` rows. Iterating, once, yields the tokens and labels of each chunk.

    Args:
        reading: The split.
        tokenizer: The encoder's tokenizer.
        separate: As in `tokenize`.
        max_length: As in `tokenize`.
    """

    def __init__(self, reading: Reading, tokenizer: Tokenizer, *, separate: bool, max_length: int) -> None:
        self.reading, self.tokenizer = reading, tokenizer
        self._options: TokenOptions = {"separate": separate, "max_length": max_length}
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[tuple[TokenTable, np.ndarray]]:
        """Yield tables with the labels of their rows, ``[n]`` or ``[n, C]``."""
        task, rows = self.reading.task, iter(self.reading)
        shape = task.kind.label_shape(task)
        while chunk := list(islice(rows, CHUNK)):
            for row in chunk:
                self._digest.update(row.digested())
            yield tokenize(self.tokenizer, task, chunk, **self._options), labels_of(chunk, shape)

    def rows_digest(self) -> str:
        """Return the SHA-256 of the rows read so far."""
        return self._digest.hexdigest()


def tokenizing(
    task: Task, split: Split, source: Source, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> Tokenizing:
    """Open a split for reading and tokenizing in chunks.

    Args:
        task: The task.
        split: Which split.
        source: Where its rows come from.
        tokenizer: The encoder's tokenizer.
        **options: See `SplitOptions`.

    Raises:
        SwissbertError: As `Reading`.
    """
    reading = Reading(task, split, source, refuse=options.get("refuse", False), limit=options.get("limit"))
    return Tokenizing(reading, tokenizer, separate=options["separate"], max_length=options["max_length"])


def load_split(
    task: Task, split: Split, source: Source, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> TaskData:
    """Read, check and tokenize a split into memory; arguments and errors as for `tokenizing`."""
    parts = tokenizing(task, split, source, tokenizer, **options)
    tables, labels = zip(*parts, strict=True)
    reading = parts.reading
    table = TokenTable.join(tables)
    return TaskData(
        task, reading.source, reading.bad, table, np.concatenate(labels), parts.rows_digest(), reading.notes
    )
