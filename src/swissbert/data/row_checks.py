"""From cells to checked rows: columns get their roles, and every row that cannot be used is reported with a reason."""

from collections.abc import Iterator

import numpy as np

from swissbert.data.formats import Cells, NumberedCells, column_names, unreadable
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Task

SHOWN = 40
"""Characters of a bad cell that a message shows."""
COLUMNS_SHOWN = 30
"""Columns of a file that a message lists."""


def check_rows(raw: Iterator[NumberedCells], task: Task, source: str, *, labelled: bool) -> Iterator[Row | BadRow]:
    """Map cells to the roles of a task and check them.

    Args:
        raw: Numbered cells, or reasons why there are none.
        task: Says which columns to read and what a label may be.
        source: Name of the file or other source in messages.
        labelled: Whether a row needs a label. Labels of other rows are checked where there are some.

    Yields:
        A `Row` for every row that can be used and a `BadRow` for every other one, in order.

    Raises:
        SwissbertError: If a column is missing; names it and those that are there.
    """
    columns_checked = False
    for number, cells in raw:
        if isinstance(cells, str):
            yield BadRow(source, number, cells)
            continue
        if not columns_checked:
            _check_columns(cells, task, source, labelled)
            columns_checked = True
        try:
            row = _row(number, cells, task, labelled)
        except ValueError as error:
            yield BadRow(source, number, str(error))
        else:
            yield row


def with_ids(raw: Iterator[NumberedCells], task: Task) -> Iterator[NumberedCells]:
    """Give rows that lack the id column of a task their number as id, for sources that have no such column."""
    column = task.columns.id
    for number, cells in raw:
        if column and isinstance(cells, dict) and column not in cells:
            yield number, {**cells, column: str(number)}
        else:
            yield number, cells


def _check_columns(cells: Cells, task: Task, source: str, labelled: bool) -> None:
    columns = task.columns
    for name in [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]:
        if name and name not in cells:
            here = column_names(cells)
            available = ", ".join(repr(column) for column in here[:COLUMNS_SHOWN])
            more = f" and {len(here) - COLUMNS_SHOWN} more" if len(here) > COLUMNS_SHOWN else ""
            raise SwissbertError(
                f"{source}: no column '{name}', which task '{task.name}' reads{nearest(name, here)} "
                f"(columns here: {available}{more})"
            )


def _row(number: int, cells: Cells, task: Task, labelled: bool) -> Row:
    """Check the cells of one row.

    Raises:
        ValueError: Names the first problem.
    """
    columns = task.columns
    text = _text(cells.get(columns.text), columns.text, task.encoding)
    pair = _text(cells.get(columns.text_pair), columns.text_pair, task.encoding) if columns.text_pair else None
    label, cell = None, cells.get(columns.label)
    if cell is not None and (not isinstance(cell, str) or cell.strip()):
        label = task.parse_label(_label_cell(cell, task))
    elif labelled:
        raise ValueError(f"column '{columns.label}' is empty")
    identity = str(number)
    if columns.id:
        cell = cells.get(columns.id)
        identity = _text(None if cell is None else str(cell), columns.id, task.encoding)
    return Row(number, identity, text, pair, label)


def _label_cell(cell: object, task: Task) -> object:
    """Prepare a label cell that is not text for the kind of task.

    Raises:
        ValueError: If it is a list or an object, but the task takes one label per row.
    """
    if isinstance(cell, bool):  # true stands for the label named True, true or 1, whichever there is
        names = [str(cell), str(cell).lower(), str(int(cell))]
        return next((name for name in names if name in task.labels), names[1])
    if isinstance(cell, dict) or (
        isinstance(cell, list | tuple | set | frozenset | np.ndarray) and not task.kind.label_shape(task)
    ):
        wanted = "a list of labels" if task.kind.label_shape(task) else "one label"
        raise ValueError(f"column '{task.columns.label}' is {_shown(cell)}, but a {task.kind.name} task takes {wanted}")
    return cell


def _text(value: object, column: str, encoding: str | None) -> str:
    """Strip the text of a cell.

    Raises:
        ValueError: If it is not text, empty or unreadable.
    """
    if value is not None and not isinstance(value, str):
        raise ValueError(f"column '{column}' is {_shown(value)}, not text")
    text = (value or "").strip()
    if not text:
        raise ValueError(f"column '{column}' is empty")
    if why := unreadable(text, encoding):
        raise ValueError(f"column '{column}' has {why}")
    return text


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
