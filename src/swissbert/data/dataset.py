"""One split of one task, ready to be batched: rows, tokens and labels together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swissbert.data.batches import PackedBatch, pack, shuffled_batches
from swissbert.data.reader import Row, Rows, read_split
from swissbert.data.tokens import Tokenizer, TokenTable
from swissbert.tasks import Split, Task


@dataclass(frozen=True)
class TaskData:
    """Rows of a split with their tokens; row n of one is row n of the other."""

    task: Task
    rows: Rows
    table: TokenTable
    labels: np.ndarray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def fingerprint(self) -> str:
        """sha256 over rows and tokens: another text, label, order, vocabulary or truncation gives another value."""
        digest = hashlib.sha256(self.rows.fingerprint().encode())
        for part in (self.table.ids, self.table.first, self.table.offsets):
            digest.update(part.tobytes())
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


def load_split(
    task: Task,
    split: Split,
    directory: Path | None,
    tokenizer: Tokenizer,
    *,
    separate: bool,
    max_length: int,
    refuse: bool = False,
    limit: int | None = None,
) -> TaskData:
    """Read, check and tokenize a split. Raises SwissbertError as `read_split` does."""
    rows = read_split(task, split, directory, refuse=refuse, limit=limit)
    return TaskData(
        task, rows, tokenize(tokenizer, task, rows.rows, separate=separate, max_length=max_length), rows.labels
    )
