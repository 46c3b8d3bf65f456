"""Checked rows of data, and rows that cannot be used."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import numpy as np

from swissbert.errors import clipped
from swissbert.kinds import Array, Label
from swissbert.wording import printable, shortened

WORDS_SHOWN = 6
"""Spellings that a message shows."""
SPELLING, MOST_SPELLINGS = 100, 1000
"""Characters of a spelling, and number of different ones, that are counted."""
REASON = 300
"""Characters of the reason why a row is bad."""
KEPT = 100_000
"""Bad rows of a split that are kept to be reported; further ones are counted."""


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


def text_size(row: "Row | BadRow") -> int:
    """Return the number of characters of a row's texts."""
    return len(row.text) + len(row.text_pair or "") if isinstance(row, Row) else 0


def bad_row(file: str, number: int, reason: str) -> BadRow:
    """Return a bad row whose reason is short and printable, whatever the row holds."""
    return BadRow(file, number, clipped(printable(reason), REASON))


class BadRows(Sequence[BadRow]):
    """Rows that cannot be used. The number counts all of them; the rows themselves are the first `KEPT`.

    Args:
        rows: Some rows.
        count: Number of all rows; that of `rows` if it is smaller.
    """

    def __init__(self, rows: Iterable[BadRow] = (), count: int = 0) -> None:
        self._rows, self._count = list(rows), count

    def append(self, row: BadRow) -> None:
        """Count a row, and keep it if it is among the first ones."""
        self._count = len(self) + 1
        if len(self._rows) < KEPT:
            self._rows.append(row)

    def __len__(self) -> int:
        """Return the number of all rows, which may be larger than that of the rows that are kept."""
        return max(self._count, len(self._rows))

    def __iter__(self) -> Iterator[BadRow]:
        """Yield the rows that are kept."""
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> BadRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[BadRow]: ...
    def __getitem__(self, index: int | slice) -> BadRow | list[BadRow]:
        """Return rows among those that are kept."""
        return self._rows[index]

    def __eq__(self, other: object) -> bool:
        """Equal to a sequence of as many rows, the first of which are the same."""
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the number and the rows that are kept."""
        return f"<{len(self):,} bad rows: {self._rows[:3]}>"


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
        """Count the spellings of a row; of very many different ones only those that came first."""
        for cell, name in row.spellings:
            pair = (clipped(cell, SPELLING), name)
            if len(self.spellings) < MOST_SPELLINGS or pair in self.spellings:
                self.spellings[pair] += 1

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
    bad: Sequence[BadRow] = field(default_factory=list)
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
