"""Cells that look quoted in a file whose quotes are plain text, as spreadsheet programs write tab-separated text."""

from collections import Counter
from collections.abc import Collection, Iterator

from swissbert.data.formats.base import Cells
from swissbert.wording import counted

EXCEPTIONS = 0.1
"""Share of cells with quotes that may have them otherwise where the others look quoted."""


class QuotedCells:
    """Count of the cells that a program may have quoted, by column.

    Programs quote a cell because it holds a quote, which is doubled then, or a delimiter such as a comma. People put texts
    in quotes too, so a column is only reported if nearly all of its cells with quotes are written so, and at least one has
    a reason to be.

    Args:
        columns: The columns that are read; others are not looked at.
    """

    def __init__(self, columns: Collection[str]) -> None:
        self._columns = columns
        self._quoted: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._with_reason: set[str] = set()

    def count(self, row: Cells) -> None:
        """Look at the cells of a row."""
        for name in self._columns:
            cell = row.get(name)
            if not isinstance(cell, str) or '"' not in cell:
                continue
            text = cell.strip()
            inner = text[1:-1]
            if len(text) < 2 or not text[0] == text[-1] == '"' or '"' in inner.replace('""', ""):
                self._others[name] += 1
                continue
            self._quoted[name] += 1
            if '"' in inner or "," in inner:
                self._with_reason.add(name)

    def notes(self) -> Iterator[str]:
        """Word how many cells look quoted, for each column where that is plausible."""
        for name, count in self._quoted.items():
            if name in self._with_reason and self._others[name] <= EXCEPTIONS * (count + self._others[name]):
                verb = "looks" if count == 1 else "look"
                yield f"{counted(count, 'cell')} of '{name}' {verb} quoted; quotes = true in the task reads them so"
