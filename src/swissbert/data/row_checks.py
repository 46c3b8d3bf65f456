"""From cells to checked rows: columns get their roles, and every row that cannot be used is reported with a reason."""

import reprlib
from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from swissbert.data.formats import Cells, NumberedCells, column_names, columns_here, unreadable
from swissbert.data.formats.limits import size_of, taken
from swissbert.data.rows import BadRow, Row, bad_row
from swissbert.errors import SwissbertError, nearest
from swissbert.kinds import Label, is_missing
from swissbert.kinds.cells import MISSING_WORDS, cell_text, is_no_label, number_of
from swissbert.kinds.class_names import UnknownLabelError
from swissbert.kinds.label_lists import is_list
from swissbert.kinds.label_names import is_none
from swissbert.tasks import Task

SHOWN = 40
"""Characters of a bad cell that a message shows."""
LONGEST_LABEL = 100_000
"""Characters of a label cell, which may hold several labels."""
HINTED = 100
"""Unknown labels of a source whose reasons may end with a hint that is searched for among all labels."""
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = SHOWN


class _Absent(str):
    """The cell of a column that a row does not have: empty, and told apart from an empty one by identity."""


ABSENT = _Absent()
AHEAD = 1000
"""Rows in which a column may be that the first one lacks: JSON objects leave out what has no value."""


def check_rows(
    raw: Iterator[NumberedCells],
    task: Task,
    source: str,
    *,
    labelled: bool,
    weighted: bool = False,
    read_labels: bool = True,
) -> Iterator[Row | BadRow]:
    """Map cells to the roles of a task and check them.

    Args:
        raw: Numbered cells, or reasons why there are none.
        task: Says which columns to read and what a label may be.
        source: Name of the file or other source in messages.
        labelled: Whether the label column has to be there. Cells without a label make rows whose label is None.
        weighted: Whether weights are read, if the task has a column of them.
        read_labels: Whether label cells are read. Without it the label of every row is None, whatever its cell holds.

    Yields:
        A `Row` for every row that can be used and a `BadRow` for every other one, in order. Of unknown labels only the
        first `HINTED` different ones get a hint at what may be meant, so that a bad row costs little more than a good one.

    Raises:
        SwissbertError: If a column is missing; names it and those that are there.
    """
    columns, columns_checked = task.columns, False
    hinted: dict[str, str] = {}  # reasons by unknown label
    roles = [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]
    needed = [name for name in (*roles, columns.weight if weighted else None) if name]
    for number, cells in with_late_columns(raw, needed):
        if isinstance(cells, str):
            yield bad_row(source, number, cells)
            continue
        if not columns_checked:
            check_columns(cells, needed, task, source)
            columns_checked = True
        try:
            row = _row(number, cells, task, read_labels)
            if weighted and task.columns.weight and row.label is not None:
                row = row._replace(weight=_weight(cells.get(task.columns.weight), task.columns.weight))
        except UnknownLabelError as error:
            if error.text not in hinted and len(hinted) < HINTED:
                hinted[error.text] = str(error)
            yield bad_row(source, number, hinted.get(error.text) or error.brief())
        except ValueError as error:
            yield bad_row(source, number, str(error))
        except RecursionError:
            yield bad_row(source, number, "a cell is nested too deeply")
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
    rows = iter(raw)
    return chain(_up_to_first(rows, names), rows)


def _up_to_first(rows: Iterator[NumberedCells], names: Collection[str]) -> Iterator[NumberedCells]:
    """Yield rows up to the first one with cells, which gets the columns that it lacks, and those that are read ahead."""
    for number, cells in rows:
        if isinstance(cells, str):
            yield number, cells
            continue
        read: list[NumberedCells] = [(number, cells)]
        if late := [name for name in names if name not in cells]:
            read += taken(rows, AHEAD, lambda row: size_of(row[1]))
            there = {name: ABSENT for name in late if any(name in row for _, row in read if isinstance(row, dict))}
            read = [(n, {**there, **row} if isinstance(row, dict) else row) for n, row in read]
        yield from read
        return


def check_columns(cells: Cells, names: Iterable[str], task: Task, source: str) -> None:
    """Raise SwissbertError if a row lacks a column; call it for the first row."""
    for name in names:
        if name not in cells:
            raise SwissbertError(f"{source}: {no_column(name, cells, task)}")


def no_column(name: str, cells: Cells, reader: Task | str = "") -> str:
    """Word that a row lacks a column, with the one that may be meant and those that are there.

    Args:
        name: Name of the column.
        cells: The cells of the row.
        reader: The task that reads the column, or ``text_column names`` and the like; empty where that is clear.
    """
    clause = f"task '{reader.name}' reads" if isinstance(reader, Task) else reader
    which = f", which {clause}" if clause else ""
    return f"no column '{name}'{which}{nearest(name, column_names(cells))} ({columns_here(cells)})"


def _row(number: int, cells: Cells, task: Task, read_labels: bool) -> Row:
    """Check the cells of one row.

    Raises:
        ValueError: Names the first problem.
    """
    columns = task.columns
    text = _text(cells.get(columns.text, ABSENT), columns.text, task)
    pair = _text(cells.get(columns.text_pair, ABSENT), columns.text_pair, task) if columns.text_pair else None
    label, spellings = _label(cells.get(columns.label) if read_labels else None, task)
    identity = str(number)
    if columns.id:
        cell = cells.get(columns.id, ABSENT)
        identity = _text(cell if is_missing(cell) else str(cell), columns.id, task, ())
    return Row(number, identity, text, pair, label, spellings)


def _weight(cell: object, column: str) -> float:
    """Turn a cell into a weight.

    Raises:
        ValueError: If it is not a finite number from 0.
    """
    if is_missing(cell):
        raise ValueError(f"column '{column}' is empty")
    weight = None if isinstance(cell, bool) else number_of(cell_text(cell))
    if weight is None or weight < 0:
        raise ValueError(f"column '{column}' is {_shown(cell)}, but a weight is a number from 0")
    return weight


def _label(cell: object, task: Task) -> tuple[Label | None, tuple[tuple[str, str], ...]]:
    """Parse a label cell.

    Returns:
        The label, None for no label; and its spellings (see `Row`).

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
        is_word = False  # `no_labels` decides, which knows the other names
    return is_missing(cell) or is_word or _is_declared_missing(cell, task)


def _is_declared_missing(cell: object, task: Task) -> bool:
    """Return whether a cell is one of the task's ``missing`` ones, as text or as the same number."""
    if not task.missing or is_list(cell):
        return False
    text = cell_text(cell)
    number = number_of(text)
    return text in task.missing or (number is not None and number in map(number_of, task.missing))


def one_label(cell: object, task: Task) -> object:
    """Return a label cell as it is.

    Raises:
        ValueError: If it is an object, or a list and the task takes one label per row, or far too long.
    """
    if isinstance(cell, str) and len(cell) > LONGEST_LABEL:
        raise ValueError(f"column '{task.columns.label}' has {len(cell):,} characters, so it is a text and not a label")
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
    if value is ABSENT:
        raise ValueError(f"there is no column '{column}' in this row")
    if is_missing(value):
        raise ValueError(f"column '{column}' is empty")
    if not isinstance(value, str):
        raise ValueError(f"column '{column}' is {_shown(value)}, not text")
    text = value.strip()
    if text in (task.missing if missing is None else missing):
        raise ValueError(f"column '{column}' is {text!r}, which the task declares as missing")
    if why := unreadable(text, task.encoding):
        raise ValueError(f"column '{column}' has {why}")
    return text


def _shown(value: object) -> str:
    """Return the beginning of a bad cell, which may be nested or long."""
    return _REPR.repr(value)[:SHOWN]
