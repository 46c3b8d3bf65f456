"""Ids of rows in two files that belong together by position: what shows that they do not."""

from decimal import Decimal, InvalidOperation

from swissbert.data.formats import Cells
from swissbert.kinds.cells import cell_text, is_missing

ID = "id"
"""Name of a column, in small letters, that holds ids though no task declares it."""
SHOWN = 40
"""Characters of an id that a message shows."""


def other_ids(first: Cells, second: Cells, declared: str | None) -> tuple[str, str] | None:
    """Return the ids of two rows if both have one and the ids differ; else None.

    Args:
        first: Cells of a row of the one file.
        second: Cells of the row of the other file in the same place.
        declared: The id column that is declared; without it, or where a file lacks it, columns called `ID` are compared.
    """
    columns = (
        (declared, declared) if declared in first and declared in second else (_called_id(first), _called_id(second))
    )
    cells = [row[column] for row, column in zip((first, second), columns, strict=True) if column is not None]
    if len(cells) < 2 or any(map(is_missing, cells)):
        return None  # a row without an id contradicts nothing
    one, other = map(cell_text, cells)
    return None if _are_same(one, other) else (one[:SHOWN], other[:SHOWN])


def _called_id(row: Cells) -> str | None:
    return next((name for name in row if name.strip().casefold() == ID), None)


def _are_same(one: str, other: str) -> bool:
    """Whether two ids are the same text or the same number, as 7 is 7.0 where a column has empty cells."""
    if one == other:
        return True
    try:
        return Decimal(one) == Decimal(other)  # exact, unlike floats
    except InvalidOperation:
        return False
