"""Rows of an input with their cells, checked for every task that is to answer them."""

from collections.abc import Iterator
from itertools import tee
from typing import NamedTuple

from swissbert.data.formats import Cells, Format, NumberedCells, unreadable
from swissbert.data.row_checks import check_rows
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.inference.input_columns import Plan
from swissbert.kinds import is_missing


class InputRow(NamedTuple):
    """One row of an input.

    Attributes:
        number: The line in a text file (the header is line 1), the row number from 1 in other sources.
        id: Its own identifier; None where the input has none.
        cells: Its cells by column name; None if the row cannot be split into cells.
        rows: The row as each group of tasks reads it (see `Inputs.groups`): checked, or a bad row with the reason.
    """

    number: int
    id: str | None
    cells: Cells | None
    rows: tuple[Row | BadRow, ...]


class Inputs:
    """The rows of an input. Iterating, once, yields `InputRow`; memory does not grow with their number.

    Attributes:
        source: Name of the file, or "standard input".
        format: Its format.
        tasks: The tasks to answer, in order.
        groups: The same tasks; those of one group read the same columns, so they share tokens and encoder passes.
        columns: Names of its columns, in their order, as its first usable row has them.
        choice_note: A sentence on which tasks were chosen, if there was a choice.
        id_note: A sentence on the id column that is missing, if one was declared.
    """

    def __init__(self, source: str, format: Format, plan: Plan, raw: Iterator[NumberedCells]) -> None:
        self.source, self.format = source, format
        self.tasks, self.groups, self.columns = plan.tasks, plan.groups, plan.columns
        self.choice_note, self.id_note = plan.choice_note, plan.id_note
        self._id, self._raw = plan.id, raw

    def __iter__(self) -> Iterator[InputRow]:
        """Yield the rows."""
        plain, *copies = tee(self._raw, 1 + len(self.groups))  # read in step, so that one row is kept at a time
        checked = (
            check_rows(self._with_ids(copy), group[0], self.source, labelled=False)
            for copy, group in zip(copies, self.groups, strict=True)
        )
        try:
            for (number, cells), *rows in zip(plain, *checked, strict=True):
                known = cells if isinstance(cells, dict) else None
                yield InputRow(number, self._identity(known), known, tuple(rows))
        except OSError as error:
            raise SwissbertError(f"{self.source}: cannot be read ({error.strerror or error})") from error

    def _with_ids(self, raw: Iterator[NumberedCells]) -> Iterator[NumberedCells]:
        """Give rows whose id is empty or missing their number instead, so that their texts are answered all the same."""
        for number, cells in raw:
            if self._id is not None and isinstance(cells, dict) and is_missing(cells.get(self._id)):
                yield number, {**cells, self._id: str(number)}
            else:
                yield number, cells

    def _identity(self, cells: Cells | None) -> str | None:
        """Return the id of a row, which a row that is bad for another reason has too."""
        cell = None if cells is None or self._id is None else cells.get(self._id)
        try:
            text = "" if is_missing(cell) else str(cell).strip()
        except (ValueError, RecursionError):  # a number of thousands of digits, or deeply nested
            return None
        return text if text and not unreadable(text) else None
