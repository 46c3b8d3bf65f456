"""One split of one task, ready to be batched: tokens and labels together."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from swissbert.data.batches import PackedBatch, pack, shuffled_batches
from swissbert.data.reader import Reading
from swissbert.data.rows import BadRow, Row, labels_of
from swissbert.data.tokens import Tokenizer, TokenTable
from swissbert.tasks import Split, Task

CHUNK = 4096
"""Rows that are tokenized at a time; texts are let go of afterwards."""


@dataclass(frozen=True)
class TaskData:
    """Tokens and labels of a split, without its texts.

    `labels` are float64 [N], nan where a row has none. `rows_digest` is sha256 over ids, texts and labels.
    """

    task: Task
    source: str
    bad: list[BadRow]
    table: TokenTable
    labels: np.ndarray
    rows_digest: str

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.labels)

    def fingerprint(self) -> str:
        """sha256 over rows and tokens: another text, label, order, vocabulary or truncation gives another value."""
        digest = hashlib.sha256(self.rows_digest.encode())
        for part in (self.table.ids, self.table.first, self.table.offsets):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def batch(self, rows: np.ndarray) -> PackedBatch:
        """Pack the rows of the given numbers."""
        return pack(self.table, rows, self.labels)

    def shuffled(self, size: int, bucket: int, seed: Sequence[int]) -> list[np.ndarray]:
        """Row numbers of every batch of one pass, in an order that `seed` alone decides."""
        return shuffled_batches(self.table.lengths, size, bucket, np.random.default_rng(list(seed)))


def tokenize(tokenizer: Tokenizer, task: Task, rows: Sequence[Row], *, separate: bool, max_length: int) -> TokenTable:
    """Tokens of rows; `separate` encodes the two sentences of a pair one by one."""
    pairs = [row.text_pair or "" for row in rows] if task.is_pair else None
    return tokenizer.encode([row.text for row in rows], pairs, together=not separate, max_length=max_length)


class Tokenizing:
    """A split, `CHUNK` rows at a time: iterating gives tokens and labels, and texts are gone over once."""

    def __init__(self, reading: Reading, tokenizer: Tokenizer, *, separate: bool, max_length: int) -> None:
        self.reading, self.tokenizer, self.separate, self.max_length = reading, tokenizer, separate, max_length
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[tuple[TokenTable, np.ndarray]]:
        """Tables with the labels of their rows."""
        rows = iter(self.reading)
        while chunk := list(islice(rows, CHUNK)):
            for row in chunk:
                self._digest.update(row.digested())
            table = tokenize(
                self.tokenizer, self.reading.task, chunk, separate=self.separate, max_length=self.max_length
            )
            yield table, labels_of(chunk, self.reading.task.kind.label_shape(self.reading.task))

    def rows_digest(self) -> str:
        """sha256 over the rows so far."""
        return self._digest.hexdigest()


class TokenOptions(TypedDict):
    """How rows become tokens: the sentences of a pair one by one or together, and the longest sequence."""

    separate: bool
    max_length: int


class SplitOptions(TokenOptions, total=False):
    """How a split is loaded: with these of `Reading`, which need not be given."""

    refuse: bool
    limit: int | None


def tokenizing(
    task: Task, split: Split, directory: Path | None, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> Tokenizing:
    """A split that is about to be read and tokenized. Raises SwissbertError where its file is missing."""
    reading = Reading(task, split, directory, refuse=options.get("refuse", False), limit=options.get("limit"))
    return Tokenizing(reading, tokenizer, separate=options["separate"], max_length=options["max_length"])


def load_split(
    task: Task, split: Split, directory: Path | None, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> TaskData:
    """Read, check and tokenize a split, into memory. Raises SwissbertError as `Reading` does."""
    parts = tokenizing(task, split, directory, tokenizer, **options)
    tables, labels = zip(*parts, strict=True)
    reading = parts.reading
    return TaskData(task, reading.source, reading.bad, joined(tables), np.concatenate(labels), parts.rows_digest())


def joined(tables: Sequence[TokenTable]) -> TokenTable:
    """The rows of several tables, one after the other."""
    ends = np.cumsum([0, *(table.offsets[-1] for table in tables)])
    starts = [table.offsets[:-1] + before for table, before in zip(tables, ends, strict=False)]
    return TokenTable(
        np.concatenate([table.ids for table in tables]),
        np.concatenate([table.first for table in tables]),
        np.concatenate([*starts, ends[-1:]]).astype(np.int64),
        tables[0].per_row,
    )
