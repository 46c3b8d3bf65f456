"""The tables that engines hand out, seen alike: their column names, their cells, and the table with answers added."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from swissbert.data.formats import Cells, NumberedCells, with_nested
from swissbert.data.formats.parquet import decoded_rows
from swissbert.errors import SwissbertError
from swissbert.inference.answer_table import AnswerTable
from swissbert.inference.input_columns import Plan
from swissbert.inference.model import CHUNK


class Table(ABC):
    """A table to answer.

    Attributes:
        names: Names of its columns.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise SwissbertError(f"the table has two columns '{repeated}'; give one of them another name")

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def _empty_cells(self) -> Cells:
        """Return a row without values, which has the names of columns and of keys inside them."""

    @abstractmethod
    def _rows(self, columns: list[str]) -> Iterator[Cells | str]:
        """Yield the cells of some columns, or the reason why a row cannot be decoded."""

    @abstractmethod
    def extended(self, answers: AnswerTable, cells: Sequence[Sequence[Any]]) -> object:
        """Return the table with the columns of answers.

        Args:
            answers: Names and types of the columns.
            cells: The cells of each row.
        """

    def blank(self, names: Sequence[str]) -> Cells:
        """Return a row without values; `names` are those that may lead to keys inside cells."""
        ((_, cells),) = with_nested(iter([(1, self._empty_cells())]), names)
        assert isinstance(cells, dict)
        return cells

    def cells(self, plan: Plan, names: Sequence[str]) -> Iterator[NumberedCells]:
        """Yield the cells of the columns that tasks read, numbered from 1; names as for `blank`."""
        texts = [name for task in plan.tasks for name in (task.columns.text, task.columns.text_pair) if name]
        columns = self._holding([*texts, *([plan.id] if plan.id else [])])
        return with_nested(iter(enumerate(self._rows(columns), 1)), names)

    def _holding(self, read: list[str]) -> list[str]:
        """Return the columns that hold what is read, by their own names: all of them if one is written otherwise."""
        here = set(self.names)
        columns = [name if name in here else name.partition(".")[0] for name in read]
        return list(dict.fromkeys(columns)) if here.issuperset(columns) else self.names


class ArrowRows(Table):
    """A pyarrow Table or RecordBatch."""

    def __init__(self, data: pa.Table | pa.RecordBatch) -> None:
        self._data = data
        super().__init__(data.schema.names)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._data.num_rows)

    def _empty_cells(self) -> Cells:
        return {field.name: _blank(field.type) for field in self._data.schema}

    def _rows(self, columns: list[str]) -> Iterator[Cells | str]:
        data = self._data
        table = data if isinstance(data, pa.Table) else pa.Table.from_batches([data])
        for batch in table.select(columns).to_batches(max_chunksize=CHUNK):
            yield from decoded_rows(batch)

    def extended(self, answers: AnswerTable, cells: Sequence[Sequence[Any]]) -> pa.Table | pa.RecordBatch:
        """Return the table with the columns of answers."""
        data = self._data
        for field, column in zip(answers.answer_fields(), _columns(answers, cells), strict=True):
            data = data.append_column(field, pa.array(column, field.type))
        return data


class FrameRows(Table):
    """A pandas DataFrame. Columns whose names are no texts are kept, but not read."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        super().__init__([str(name) for name in frame.columns])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._frame)

    def _empty_cells(self) -> Cells:
        return dict.fromkeys(name for name in self._frame.columns if isinstance(name, str))

    def _rows(self, columns: list[str]) -> Iterator[Cells | str]:
        frame = self._frame[[name for name in self._frame.columns if name in columns]]
        for start in range(0, len(frame), CHUNK):
            yield from frame.iloc[start : start + CHUNK].to_dict("records")

    def extended(self, answers: AnswerTable, cells: Sequence[Sequence[Any]]) -> object:
        """Return the frame with the columns of answers, whose types are the same with and without missing values."""
        pd = sys.modules["pandas"]  # an optional dependency, which is imported where a frame exists
        types = {pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype()}
        added = {}
        for field, column in zip(answers.answer_fields(), _columns(answers, cells), strict=True):
            series = pa.array(column, field.type).to_pandas(types_mapper=types.get)
            added[field.name] = series.set_axis(self._frame.index)
        return self._frame.assign(**added)


def table_of(rows: object) -> Table:
    """Return a table of any type that an engine hands out.

    Raises:
        SwissbertError: If it is of another type, or two columns have one name.
    """
    if isinstance(rows, pa.Table | pa.RecordBatch):
        return ArrowRows(rows)
    kind = type(rows)
    if any(base.__name__ == "DataFrame" and base.__module__.partition(".")[0] == "pandas" for base in kind.__mro__):
        return FrameRows(rows)
    raise SwissbertError(
        f"the rows are of type {kind.__name__}, but a Predictor takes a pyarrow Table or RecordBatch, or a pandas DataFrame"
    )


def _columns(answers: AnswerTable, cells: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the cells of rows as columns, also of no rows."""
    return [list(column) for column in zip(*cells, strict=True)] if cells else [[] for _ in answers.answer_names]


def _blank(kind: pa.DataType) -> object:
    """Return a cell without a value: None, or an object with the keys of a struct."""
    if not pa.types.is_struct(kind):
        return None
    return {kind.field(i).name: _blank(kind.field(i).type) for i in range(kind.num_fields)}
