"""From cells to checked rows: columns get their roles, and every row that cannot be used is reported with a reason."""

import math
from collections.abc import Iterator

import numpy as np

from swissbert.data.formats import Cells, NumberedCells, unreadable
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Task

SHOWN = 40
"""Characters of a bad cell that a message shows."""


def check_rows(
    raw: Iterator[NumberedCells], task: Task, source: str, *, labelled: bool, weighted: bool = False
) -> Iterator[Row | BadRow]:
    """Map cells to the roles of a task and check them.

    Args:
        raw: Numbered cells, or reasons why there are none.
        task: Says which columns to read and what a label may be.
        source: Name of the file or other source in messages.
        labelled: Whether a row needs a label. Labels of other rows are checked where there are some.
        weighted: Whether weights are read, if the task has a column of them.

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
            _check_columns(cells, task, source, labelled, weighted)
            columns_checked = True
        try:
            row = _row(number, cells, task, labelled)
            if weighted and task.columns.weight:
                row = row._replace(weight=_weight(cells.get(task.columns.weight), task.columns.weight))
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


def _check_columns(cells: Cells, task: Task, source: str, labelled: bool, weighted: bool) -> None:
    columns = task.columns
    needed = [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]
    for name in [*needed, columns.weight if weighted else None]:
        if name and name not in cells:
            available = ", ".join(repr(column) for column in cells)
            raise SwissbertError(
                f"{source}: no column '{name}', which task '{task.name}' reads{nearest(name, cells)} "
                f"(columns here: {available})"
            )


def _row(number: int, cells: Cells, task: Task, labelled: bool) -> Row:
    """Check the cells of one row.

    Raises:
        ValueError: Names the first problem.
    """
    columns = task.columns
    text = _text(cells.get(columns.text), columns.text)
    pair = _text(cells.get(columns.text_pair), columns.text_pair) if columns.text_pair else None
    label, cell = None, cells.get(columns.label)
    if cell is not None and (not isinstance(cell, str) or cell.strip()):
        label = task.parse_label(_label_cell(cell, task))
    elif labelled:
        raise ValueError(f"column '{columns.label}' is empty")
    identity = str(number)
    if columns.id:
        cell = cells.get(columns.id)
        identity = _text(None if cell is None else str(cell), columns.id)
    return Row(number, identity, text, pair, label)


def _weight(cell: object, column: str) -> float:
    """Turn a cell into a weight.

    Raises:
        ValueError: If it is not a finite number from 0.
    """
    text = "" if cell is None else str(cell).strip()
    if not text:
        raise ValueError(f"column '{column}' is empty")
    try:
        weight = math.nan if isinstance(cell, bool) else float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"column '{column}' is {_shown(cell)}, but a weight is a number from 0")
    return weight


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


def _text(value: object, column: str) -> str:
    """Strip the text of a cell.

    Raises:
        ValueError: If it is not text, empty or unreadable.
    """
    if value is not None and not isinstance(value, str):
        raise ValueError(f"column '{column}' is {_shown(value)}, not text")
    text = (value or "").strip()
    if not text:
        raise ValueError(f"column '{column}' is empty")
    if why := unreadable(text):
        raise ValueError(f"column '{column}' has {why}")
    return text


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
