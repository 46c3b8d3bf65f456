"""Token tables: flat arrays that hold a whole split without padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TokenTable:
    """Token ids of N rows, end to end. Each row is one sequence, or two where sentences are encoded separately.

    Attributes:
        ids: Token ids of all sequences, int32 ``[T]``.
        first: Number of tokens before the second text of each sequence, int32 ``[S]``; all tokens of a single text.
        offsets: Where sequences begin and end, int64 ``[S + 1]``: sequence s is ``ids[offsets[s]:offsets[s + 1]]``.
        per_row: Sequences of a row, 1 or 2; row n has the sequences ``n * per_row`` and, of two, the one after.
        separators: Separators between the texts of a pair: 1 as in BERT, where the second text and the token after it
            have type 1, or 2 as in RoBERTa, where all tokens have type 0.
        cut: Whether each sequence was longer than allowed and was cut, bool ``[S]``; None where that is not known.
    """

    ids: np.ndarray
    first: np.ndarray
    offsets: np.ndarray
    per_row: int
    separators: int
    cut: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return (len(self.offsets) - 1) // self.per_row

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, special tokens included, int64 ``[N]``."""
        lengths: np.ndarray = np.diff(self.offsets).reshape(-1, self.per_row).sum(1)
        return lengths

    @property
    def cut_rows(self) -> np.ndarray:
        """Whether a text of each row was cut, bool ``[N]``; False where that is not known."""
        if self.cut is None:
            return np.zeros(len(self), bool)
        rows: np.ndarray = self.cut.reshape(-1, self.per_row).max(1)
        return rows

    @classmethod
    def join(cls, tables: Sequence["TokenTable"], per_row: int | None = None) -> "TokenTable":
        """Join tables, one after the other.

        Args:
            tables: One or more tables.
            per_row: Sequences of a row in the result; None for those of the first table. With 1, tables with one and
                with two sequences per row can be joined.

        Raises:
            ValueError: If their pairs have different numbers of separators.
        """
        if len(numbers := {table.separators for table in tables}) != 1:
            raise ValueError(f"tables of tokenizers with {sorted(numbers)} separators cannot be joined")
        ends = np.cumsum([0, *(table.offsets[-1] for table in tables)])
        starts = [table.offsets[:-1] + before for table, before in zip(tables, ends, strict=False)]
        return cls(
            np.concatenate([table.ids for table in tables]),
            np.concatenate([table.first for table in tables]),
            np.concatenate([*starts, ends[-1:]]).astype(np.int64),
            per_row or tables[0].per_row,
            tables[0].separators,
        )  # what was cut is not needed of joined tables
