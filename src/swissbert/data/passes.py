"""Passes over the train rows of a task: which rows, in which batches, and which pairs change places."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal
from zlib import crc32

import numpy as np

from swissbert.data.batches import PackedBatch
from swissbert.data.dataset import TaskData
from swissbert.data.extra_rows import joined_rows
from swissbert.data.packing import shuffled_batches

Origin = Literal["all", "own", "extra"]
"""Train rows of a task: those of its own files, those of its extra files, or both."""


class Passes:
    """The train rows of a task, own and extra ones, in passes that seeds determine.

    Rows are numbered: the task's own first, then those of each extra file in order.

    Args:
        data: The task's own rows, with its extra files.
    """

    def __init__(self, data: TaskData) -> None:
        self.data = data
        self.extra = data.extra

    @cached_property
    def rows(self) -> TaskData:
        """All rows; the task's own, as they are, if it has no extra files."""
        return joined_rows(self.data) if self.extra else self.data

    def size(self, origin: Origin = "all") -> int:
        """Return the number of rows of a pass."""
        own = 0 if origin == "extra" else len(self.data)
        return own + (0 if origin == "own" else sum(extra.number for extra in self.extra))

    def batches(self, size: int, bucket: int, seed: Sequence[int], origin: Origin = "all") -> list[np.ndarray]:
        """Return the row numbers of each batch of a pass, the extra rows drawn anew.

        Args:
            size: Rows of a batch.
            bucket: As for `shuffled_batches`.
            seed: Numbers that determine the pass.
            origin: Which rows.
        """
        if not self.extra or origin == "own":
            return self.data.shuffled(size, bucket, seed)
        chosen = [] if origin == "extra" else [np.arange(len(self.data))]
        start = len(self.data)
        for number, extra in enumerate(self.extra, 1):
            chosen.append(start + extra.draw(np.random.default_rng([crc32(b"extra"), *seed, number])))
            start += len(extra.data)
        rows = np.concatenate(chosen)
        lengths = self.rows.table.lengths[rows]
        return [rows[batch] for batch in shuffled_batches(lengths, size, bucket, np.random.default_rng(list(seed)))]

    def swaps(self, seed: Sequence[int]) -> np.ndarray:
        """Return which pairs change places in a pass, with probability 1/2 each, bool ``[all rows]``."""
        total = len(self.data) + sum(len(extra.data) for extra in self.extra)
        swaps: np.ndarray = np.random.default_rng([crc32(b"swap"), *seed]).random(total) < 0.5
        return swaps

    def batch(self, rows: np.ndarray, swapped: np.ndarray | None = None) -> PackedBatch:
        """Pack rows of the given numbers, int64 ``[B]``; pairs change places where `swapped`, bool ``[B]``, is true."""
        return self.rows.batch(rows) if swapped is None else self.rows.batch(rows, swapped)
