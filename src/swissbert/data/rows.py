"""Checked rows of data, and rows that cannot be used."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from swissbert.kinds import Array, Label
from swissbert.wording import shortened

WORDS_SHOWN = 6
"""Spellings that a message shows."""


class Row(NamedTuple):
    """One checked row.

    Attributes:
        number: The line in a text file (the header is line 1), the row number from 1 in other sources.
        id: Identifier of the row; its number where the data have none.
        text: The text, stripped.
        text_pair: The second text of a pair, else None.
        label: The parsed label; None where there is none.
        spellings: Labels of the cell that differ from the declared names that they are read as, each with that name; the
            name is empty for a word that stands for no label.
        weight: Weight of the row in the loss.
    """

    number: int
    id: str
    text: str
    text_pair: str | None
    label: Label | None
    spellings: tuple[tuple[str, str], ...] = ()
    weight: float = 1.0

    def digested(self) -> bytes:
        """Return the bytes that a fingerprint is made of: equal rows give equal bytes, wherever they are stored."""
        weight = [] if self.weight == 1 else [self.weight]
        return json.dumps([self.id, self.text, self.text_pair, self.label, *weight]).encode()


class BadRow(NamedTuple):
    """A row that cannot be used, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        """``file:line: reason``, which editors recognise."""
        return f"{self.file}:{self.number}: {self.reason}"


@dataclass
class LabelNotes:
    """Label cells of a split that are empty, stand for no label, or differ from a declared name.

    Attributes:
        unlabelled: Number of rows that were left out because they have no label.
        spellings: Number of rows by cell and the declared name that it is read as; the name is empty for no label.
    """

    unlabelled: int = 0
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, row: Row) -> None:
        """Count the spellings of a row."""
        self.spellings.update(row.spellings)

    def without_label(self) -> str:
        """Word the number of rows without a label, with the words that stand for none; empty for 0."""
        words = [f"{count:,} {cell!r}" for (cell, name), count in self.spellings.most_common() if not name]
        more = f" ({shortened(words, WORDS_SHOWN)})" if words else ""
        return f"{self.unlabelled:,} without a label{more}" if self.unlabelled else ""

    def other_spellings(self) -> str:
        """Word which labels are read as which declared names; empty if all are written as declared."""
        pairs = [f"{cell!r} as {name!r} in {n:,} row(s)" for (cell, name), n in self.spellings.most_common() if name]
        return f"labels read as declared ones: {shortened(pairs, WORDS_SHOWN)}" if pairs else ""


@dataclass(frozen=True)
class Rows:
    """All rows of one split of one task, in file order, and the rows that could not be used.

    Attributes:
        source: Name of the files, data set or rows.
        rows: The usable rows.
        bad: Rows that cannot be used.
        label_notes: Rows without a label, and labels in other spellings.
        source_notes: Sentences about what was detected rather than declared.
    """

    source: str
    rows: list[Row]
    bad: list[BadRow] = field(default_factory=list)
    label_notes: LabelNotes = field(default_factory=LabelNotes)
    source_notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of usable rows."""
        return len(self.rows)


def labels_of(rows: list[Row], shape: tuple[int, ...] = ()) -> Array:
    """Return labels as float64 ``[N, *shape]``, NaN where a row has none; `shape` is that of one label."""
    missing = np.full(shape, np.nan)
    labels = [missing if row.label is None else row.label for row in rows]
    return np.array(labels, np.float64).reshape(len(rows), *shape)
