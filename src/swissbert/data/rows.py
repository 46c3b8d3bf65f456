"""Checked rows of data, and rows that cannot be used."""

import json
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from swissbert.kinds import Array, Label


class Row(NamedTuple):
    """One checked row.

    Attributes:
        number: The line in a text file (the header is line 1), the row number from 1 in other sources.
        id: Identifier of the row; its number where the data have none.
        text: The text, stripped.
        text_pair: The second text of a pair, else None.
        label: The parsed label; None where there is none.
    """

    number: int
    id: str
    text: str
    text_pair: str | None
    label: Label | None

    def digested(self) -> bytes:
        """Return the bytes that a fingerprint is made of: equal rows give equal bytes, wherever they are stored."""
        return json.dumps([self.id, self.text, self.text_pair, self.label]).encode()


class BadRow(NamedTuple):
    """A row that cannot be used, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        """``file:line: reason``, which editors recognise."""
        return f"{self.file}:{self.number}: {self.reason}"


@dataclass(frozen=True)
class Rows:
    """All rows of one split of one task, in file order, and the rows that could not be used.

    Attributes:
        source: Name of the files, data set or rows.
        rows: The usable rows.
        bad: The others.
        notes: Sentences about what was detected rather than declared.
    """

    source: str
    rows: list[Row]
    bad: list[BadRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of usable rows."""
        return len(self.rows)


def labels_of(rows: list[Row], shape: tuple[int, ...] = ()) -> Array:
    """Return labels as float64 ``[N, *shape]``, NaN where a row has none; `shape` is that of one label."""
    missing = np.full(shape, np.nan)
    labels = [missing if row.label is None else row.label for row in rows]
    return np.array(labels, np.float64).reshape(len(rows), *shape)
