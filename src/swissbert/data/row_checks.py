"""From cells to checked rows: columns get their roles, and every row that cannot be used is reported with a reason."""

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice

from swissbert.data.formats import Cells, NumberedCells, column_names, unreadable
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError, nearest
from swissbert.kinds import Label, is_missing
from swissbert.kinds.cells import MISSING_WORDS, cell_text, is_no_label, number_of
from swissbert.kinds.label_lists import is_list
from swissbert.kinds.label_names import is_none
from swissbert.tasks import Task

SHOWN = 40
"""Characters of a bad cell that a message shows."""
AHEAD = 100
"""Rows after the first one that may have a column that it lacks."""
COLUMNS_SHOWN = 30
"""Columns of a file that a message lists."""


def check_rows(
    raw: Iterator[NumberedCells], task: Task, source: str, *, labelled: bool, weighted: bool = False
) -> Iterator[Row | BadRow]:
    """Map cells to the roles of a task and check them.

    Args:
        raw: Numbered cells, or reasons why there are none.
        task: Says which columns to read and what a label may be.
        source: Name of the file or other source in messages.
        labelled: Whether the label column has to be there. Cells without a label make rows whose label is None.
        weighted: Whether weights are read, if the task has a column of them.

    Yields:
        A `Row` for every row that can be used and a `BadRow` for every other one, in order.

    Raises:
        SwissbertError: If a column is missing; names it and those that are there.
    """
    columns, columns_checked = task.columns, False
    roles = [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]
    needed = [name for name in (*roles, columns.weight if weighted else None) if name]
    for number, cells in with_late_columns(raw, needed):
        if isinstance(cells, str):
            yield BadRow(source, number, cells)
            continue
        if not columns_checked:
            check_columns(cells, needed, task, source)
            columns_checked = True
        try:
            row = _row(number, cells, task)
            if weighted and task.columns.weight and row.label is not None:
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


def with_late_columns(raw: Iterable[NumberedCells], names: Collection[str]) -> Iterator[NumberedCells]:
    """Give the first row the columns that it lacks and one of the rows after it has, as rows of JSON may have them.

    Args:
        raw: Numbered cells.
        names: Columns that are needed. If the first row has them all, nothing is read ahead.
    """
    rows, read = iter(raw), []
    for number, cells in rows:
        read.append((number, cells))
        if isinstance(cells, dict):
            late = [name for name in names if name not in cells]
            read += islice(rows, AHEAD) if late else []
            there = {name: None for name in late if any(name in row for _, row in read if isinstance(row, dict))}
            read = [(n, {**there, **row} if isinstance(row, dict) else row) for n, row in read] if there else read
            break
    return chain(read, rows)


def check_columns(cells: Cells, names: Iterable[str], task: Task, source: str) -> None:
    """Raise SwissbertError if a row lacks a column; call it for the first row."""
    for name in names:
        if name not in cells:
            here = column_names(cells)
            available = ", ".join(repr(column) for column in here[:COLUMNS_SHOWN])
            more = f" and {len(here) - COLUMNS_SHOWN} more" if len(here) > COLUMNS_SHOWN else ""
            raise SwissbertError(
                f"{source}: no column '{name}', which task '{task.name}' reads{nearest(name, here)} "
                f"(columns here: {available}{more})"
            )


def _row(number: int, cells: Cells, task: Task) -> Row:
    """Check the cells of one row.

    Raises:
        ValueError: Names the first problem.
    """
    columns = task.columns
    text = _text(cells.get(columns.text), columns.text, task)
    pair = _text(cells.get(columns.text_pair), columns.text_pair, task) if columns.text_pair else None
    label, spellings = _label(cells.get(columns.label), task)
    identity = str(number)
    if columns.id:
        cell = cells.get(columns.id)
        identity = _text(None if is_missing(cell) else str(cell), columns.id, task, ())
    return Row(number, identity, text, pair, label, spellings)


def _weight(cell: object, column: str) -> float:
    """Turn a cell into a weight.

    Raises:
        ValueError: If it is not a finite number from 0.
    """
    if is_missing(cell):
        raise ValueError(f"column '{column}' is empty")
    try:
        weight = math.nan if isinstance(cell, bool) else float(str(cell))
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"column '{column}' is {_shown(cell)}, but a weight is a number from 0")
    return weight


def _label(cell: object, task: Task) -> tuple[Label | None, tuple[tuple[str, str], ...]]:
    """Parse a label cell.

    Returns:
        The label, None for no label; and what the cell spells otherwise (see `Row.spellings`).

    Raises:
        ValueError: If the cell is neither a label of the task nor a word for no label.
    """
    if is_missing(cell):
        return None, ()
    if _is_declared_missing(cell, task):
        return None, ((cell_text(cell), ""),)
    if isinstance(cell, str) and (why := unreadable(cell, task.encoding)):
        raise ValueError(f"column '{task.columns.label}' has {why}")
    try:
        label = task.parse_label(one_label(cell, task))
    except ValueError:
        if not is_list(cell) and is_no_label(cell):
            return None, ((cell_text(cell), ""),)
        raise
    return label, task.kind.spellings(task, cell)


def stands_for_nothing(cell: object, task: Task) -> bool:
    """Return whether a label cell is no label of a task that declares none: missing, or a word for it."""
    is_word = isinstance(cell, str) and cell.strip().casefold() in MISSING_WORDS
    if is_none(cell) and task.kind.has_labels and not task.kind.label_shape(task):
        is_word = False  # `names_in` decides, which knows the other names
    return is_missing(cell) or is_word or _is_declared_missing(cell, task)


def _is_declared_missing(cell: object, task: Task) -> bool:
    """Return whether a cell is one of the task's ``missing`` ones, as text or as the same number."""
    if not task.missing or is_list(cell):
        return False
    text, words = cell_text(cell), [word.strip() for word in task.missing]
    number = number_of(text)
    return text in words or (number is not None and number in map(number_of, words))


def one_label(cell: object, task: Task) -> object:
    """Return a label cell as it is.

    Raises:
        ValueError: If it is an object, or a list and the task takes one label per row.
    """
    if not isinstance(cell, dict) and (task.kind.label_shape(task) or not is_list(cell)):
        return cell
    if task.kind.label_shape(task):
        wanted = "a list of labels"
    elif task.kind.has_labels and not isinstance(cell, dict):
        wanted = 'one label; kind = "multilabel" takes lists of labels'
    else:
        wanted = "one label"
    raise ValueError(f"column '{task.columns.label}' is {_shown(cell)}, but a {task.kind.name} task takes {wanted}")


def _text(value: object, column: str, task: Task, missing: Collection[str] | None = None) -> str:
    """Strip the text of a cell.

    Args:
        value: The cell.
        column: Name of its column, for messages.
        task: Says which texts stand for no value, and the encoding.
        missing: Texts that stand for no value instead of the task's.

    Raises:
        ValueError: If it is not text, empty or unreadable.
    """
    if is_missing(value):
        raise ValueError(f"column '{column}' is empty")
    if not isinstance(value, str):
        raise ValueError(f"column '{column}' is {_shown(value)}, not text")
    text = value.strip()
    if text in (task.missing if missing is None else missing):
        raise ValueError(f"column '{column}' is {text!r}, which the task's missing has")
    if why := unreadable(text, task.encoding):
        raise ValueError(f"column '{column}' has {why}")
    return text


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
