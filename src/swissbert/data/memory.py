"""Rows that are given in memory: lists, dictionaries, pandas, datasets and pyarrow tables.

Those libraries are recognised by their methods and not imported.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from swissbert.data.class_labels import class_names, with_names
from swissbert.data.formats import Cells, NumberedCells
from swissbert.data.formats.base import repeated
from swissbert.data.formats.parquet import decoded_rows, text_of
from swissbert.errors import SwissbertError
from swissbert.kinds import is_missing
from swissbert.settings import shown
from swissbert.tasks import Split, Task

ACCEPTED = (
    "a list of dictionaries or of tuples, a dictionary of columns, a pandas DataFrame, a datasets.Dataset "
    "or a pyarrow Table"
)
"""Accepted forms of rows, in words."""
BATCH_ROWS = 1024
"""Rows of a table that are converted at a time."""


class MemoryRows:
    """Train rows, and perhaps dev rows, of one task.

    Each of the two may be

    - an iterable of dictionaries with the task's column names,
    - an iterable of tuples or lists in the order text, second text of a pair, label,
    - a dictionary of columns of equal length,
    - a pandas DataFrame, a ``datasets.Dataset`` or a pyarrow Table.

    Cells are checked as those of files are. None, NaN and the missing values of pandas count as empty. Labels of a task
    with several labels per row are lists of names or numbers. A row without the id column of its task has its number
    as id, counted from 1.

    Args:
        train: Train rows. Iterators are read at once, other objects whenever rows are needed.
        dev: Dev rows; None holds a share of the train rows out.

    Raises:
        SwissbertError: If the rows have none of these forms.

    Example::

        rows = MemoryRows([("What a film!", "positive"), ("Dull.", "negative")])
        read_split(task, "train", rows)
    """

    def __init__(self, train: object, dev: object | None = None) -> None:
        self.train = _reusable(train, "train")
        self.dev = None if dev is None else _reusable(dev, "dev")

    def __repr__(self) -> str:
        """Name the types of both."""
        return f"<MemoryRows of {type(self.train).__name__} and {type(self.dev).__name__}>"

    def name(self, task: Task, split: Split) -> str:
        """Return the name of a split's rows in messages."""
        return f"{split} rows of task '{task.name}'"

    def cells(self, task: Task, split: Split) -> Iterator[NumberedCells]:
        """Open the rows of a split, numbered from 1.

        Args:
            task: Gives the columns of tuples their names.
            split: ``train`` or ``dev``.

        Returns:
            An iterator over numbers with cells by column name, or with the reason why a row cannot be used.

        Raises:
            SwissbertError: If there are no rows for the split; while iterating if two columns have the same name or
                different lengths.
        """
        rows = {"train": self.train, "dev": self.dev}.get(split)
        if rows is None:
            raise SwissbertError(f"task '{task.name}' has rows in memory, but none for its {split} split")
        return enumerate(_records(rows, task, self.name(task, split)), 1)


def _reusable(rows: object, split: str) -> Any:
    """Return rows that can be iterated more than once."""
    if isinstance(rows, str | bytes) or not (
        isinstance(rows, Iterable) or hasattr(rows, "to_batches") or hasattr(rows, "__arrow_c_array__")
    ):
        raise SwissbertError(f"{split} rows are {_one_line(rows)}, but they must be {ACCEPTED}")
    if isinstance(rows, Mapping):
        if splits := [str(name) for name, part in rows.items() if hasattr(part, "with_format")]:
            raise SwissbertError(
                f"{split} rows are a data set with the splits {', '.join(splits)}; pass one of the splits"
            )
        return {name: list(column) if isinstance(column, Iterator) else column for name, column in rows.items()}
    if any(hasattr(rows, f"__arrow_c_{name}__") for name in ("stream", "array")) and not hasattr(rows, "iloc"):
        import pyarrow as pa  # polars, record batches and other tables that Arrow reads

        return rows if isinstance(rows, pa.Table) else pa.table(rows)
    return list(rows) if isinstance(rows, Iterator) else rows


def _records(rows: Any, task: Task, source: str) -> Iterator[Cells | str]:
    """Yield the rows of any accepted object, each as a new dictionary of plain cells, or the reason why it is none."""
    columns = _column_names(rows)
    read = {name.partition(".")[0] for name in task.read_options.columns}.union(task.read_options.columns)
    if twice := repeated(name for name in columns or [] if name in read):
        raise SwissbertError(f"{source}: two columns are named '{twice}'")
    if isinstance(rows, Mapping):
        yield from _transposed(rows, source)
    elif columns is not None and hasattr(rows, "to_batches"):  # pyarrow
        for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
            yield from (row if isinstance(row, str) else _named(row) for row in decoded_rows(batch))
    elif columns is not None and hasattr(rows, "iloc"):  # pandas
        rows = rows.loc[:, ~rows.columns.duplicated()]
        for start in range(0, len(rows), BATCH_ROWS):
            yield from map(_named, rows.iloc[start : start + BATCH_ROWS].to_dict("records"))
    else:
        if columns is not None and hasattr(rows, "with_format"):  # datasets: plain values, whatever the format set
            rows = rows.with_format(None)
        names = [task.columns.text, *filter(None, [task.columns.text_pair]), task.columns.label]
        classes = class_names(getattr(rows, "features", None), task)
        yield from (_record(row, names) for row in with_names(iter(rows), classes, task.columns.label))


def _column_names(rows: Any) -> list[str] | None:
    """Return the column names of a table, or None for rows of other forms."""
    if isinstance(rows, Mapping):
        return [str(name) for name in rows]
    for attribute in ("column_names", "columns"):  # datasets and pyarrow, pandas
        names = getattr(rows, attribute, None)
        if isinstance(names, Iterable):
            return [str(name) for name in names]
    return None


def _transposed(columns: Mapping[Any, Any], source: str) -> Iterator[Cells]:
    """Yield the rows of a dictionary of columns."""
    for name, column in columns.items():
        if isinstance(column, str | bytes) or not isinstance(column, Iterable):
            raise SwissbertError(f"{source}: column '{name}' is {_one_line(column)}, but a list of cells is expected")
    names = [str(name) for name in columns]
    lists = [column if isinstance(column, Sequence) else list(column) for column in columns.values()]
    for name, cells in zip(names, lists, strict=True):
        if len(cells) != len(lists[0]):
            raise SwissbertError(
                f"{source}: column '{name}' has {len(cells)} cells, but column '{names[0]}' has {len(lists[0])}"
            )
    for row in zip(*lists, strict=True):
        yield {name: plain(cell) for name, cell in zip(names, row, strict=True)}


def _record(row: object, names: list[str]) -> Cells | str:
    """Return the cells of one row, a dictionary or a tuple."""
    if isinstance(row, Mapping):
        return _named(row)
    if row_names := getattr(getattr(row, "dtype", None), "names", None):  # of a structured array
        return {name: plain(cell) for name, cell in zip(row_names, row, strict=True)}  # type: ignore[call-overload]
    if isinstance(row, np.ndarray):
        row = row.tolist()
    if not isinstance(row, tuple | list):
        return f"a row is {_one_line(row)}, but a dictionary or a tuple ({', '.join(names)}) is expected"
    if len(row) != len(names):
        return f"{len(row)} cells where ({', '.join(names)}) is expected"
    return {name: plain(cell) for name, cell in zip(names, row, strict=True)}


def _named(row: Mapping[Any, object]) -> Cells:
    return {str(name): plain(cell) for name, cell in row.items()}


def _one_line(value: object) -> str:
    """Format a value for a message on one line, cut to 80 characters."""
    return " ".join(shown(value).split())[:80]


def plain(cell: Any) -> object:
    """Turn a cell into the plain Python value that a file would give.

    Args:
        cell: Any value. Arrays, tensors and scalars of numpy, pandas and torch become lists and numbers.

    Returns:
        The value; None if it is missing: None, NaN, or the NA or NaT of pandas.
    """
    if cell is None or type(cell) in (str, int, bool):
        return cell
    if not isinstance(cell, str) and is_missing(cell):
        return None
    if callable(getattr(cell, "tolist", None)):
        cell = cell.tolist()
    if isinstance(cell, bytes | list):
        cell = text_of(cell)
    elif isinstance(cell, Enum):
        cell = cell.value
    return None if not isinstance(cell, str) and is_missing(cell) else cell  # an array may hold a single NaN
