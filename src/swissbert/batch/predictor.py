"""A callable that adds answers to a table of rows, for engines that send it to many processes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast, get_args

import torch

from swissbert.batch.tables import Table, table_of
from swissbert.data.formats import FORMATS
from swissbert.errors import SwissbertError
from swissbert.forking import ForkLock
from swissbert.inference.answer_table import AnswerTable
from swissbert.inference.input_columns import InputColumns, Plan, plan_columns
from swissbert.inference.input_rows import Inputs
from swissbert.inference.inputs import read_options
from swissbert.inference.loading import Precision, load
from swissbert.inference.model import Model
from swissbert.inference.stream import stream
from swissbert.inference.texts import check_threshold
from swissbert.model_folder.load import read_identity
from swissbert.settings import shown
from swissbert.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

Rows = TypeVar("Rows")
"""A pyarrow Table or RecordBatch, or a pandas DataFrame."""
TABLE = "the table"
"""Name of the rows in messages."""


class Predictor:
    """Adds the columns of answers to tables: a callable for Ray Data, Spark, Dask, or a loop of your own.

    The columns are those of ``swissbert predict --output answers.parquet``: for each task ``label`` and ``probability``,
    ``labels``, or ``score``, and then ``cut`` and ``error``, which says why a row could not be used. Rows keep their order.

    It is pickled as its arguments alone. The model is loaded by the first table, once in each process, and shared there by
    all predictors with the same model; the process keeps it, also if the folder is replaced meanwhile.

    Args:
        model: ``mini``, a model folder, a run folder or a hub id. A local folder must exist wherever tables are answered.
        tasks: Names of the tasks; None for all that read such rows.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``int8`` or ``auto``, as for `swissbert.load`.
        threads: Threads of torch while a table is answered: the cores that an engine counts for the process. None for
            those that torch has.
        text_column: Column with the text, instead of the task's own.
        text_pair_column: Column with the second text of pairs.
        threshold: Probability, 0 to 1, from which the positive label of a binary task, or a label of a multilabel task,
            is assigned.
        probabilities: Whether to add a column with the probability of each label.

    Raises:
        SwissbertError: If an argument is not one of these; if the model, a task or a column is missing (at the first call).

    Example::

        import pyarrow as pa
        from swissbert.batch import Predictor

        predictor = Predictor(tasks=["sst"], text_column="body")
        answers = predictor(pa.table({"body": ["A gripping story.", "Dull."]}))
        answers.column_names  # ["body", "label", "probability", "cut", "error"]
    """

    def __init__(
        self,
        model: str | Path = "mini",
        tasks: Sequence[str] | None = None,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        threads: int | None = 1,
        text_column: str | None = None,
        text_pair_column: str | None = None,
        threshold: float | None = None,
        probabilities: bool = False,
    ) -> None:
        if not isinstance(model, str | Path):
            raise SwissbertError(
                f"model is {shown(model)}, but it must be a text or a path: each process loads its own"
            )
        if isinstance(tasks, str) or not (tasks is None or (tasks and all(isinstance(name, str) for name in tasks))):
            raise SwissbertError(f"tasks is {shown(tasks)}, but it must be a list of names, or None for all that fit")
        if precision not in get_args(Precision):
            raise SwissbertError(
                f"precision is {shown(precision)}, but it must be one of {', '.join(get_args(Precision))}"
            )
        if threads is not None and not (type(threads) is int and threads >= 1):
            raise SwissbertError(f"threads is {shown(threads)}, but it must be a whole number from 1, or None")
        # a relative path would lead elsewhere in a process with another folder
        self.model = str(Path(model).resolve() if Path(model).is_dir() else model)
        self.tasks = None if tasks is None else list(dict.fromkeys(tasks))
        self.device, self.precision, self.threads = device, precision, threads
        self.text_column, self.text_pair_column = text_column, text_pair_column
        self.threshold, self.probabilities = threshold, probabilities

    def __repr__(self) -> str:
        """Name the model and the tasks."""
        return f"<swissbert.batch.Predictor of {', '.join(self.tasks or ['all tasks'])} with {self.model}>"

    def __call__(self, rows: Rows) -> Rows:
        """Add the columns of answers.

        Args:
            rows: A pyarrow Table or RecordBatch, or a pandas DataFrame; also one without rows.

        Returns:
            A new table of the same type, in the same order; a DataFrame with the same index.

        Raises:
            SwissbertError: If the model cannot be loaded, has no such task, or a column is missing.
        """
        table = table_of(rows)
        if not len(table):  # no model is loaded for the empty parts that engines send
            return cast(Rows, table.extended(self._plan(table, _declared(self.model)).added, []))
        model = _model(self.model, self.device, self.precision)
        plan = self._plan(table, model.tasks)
        inputs = Inputs(TABLE, FORMATS["parquet"], plan.read, table.cells(plan.read, plan.names))
        with _threads(self.threads):
            answered = stream(model, inputs.groups, inputs, self.threshold)
            # the table still has the cells of a row that cannot be decoded, so its number is not needed
            cells = [plan.added.answer_cells(row._replace(row=row.row._replace(cells={}))) for row in answered]
        return cast(Rows, table.extended(plan.added, cells))

    def batches(self, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """Add the columns of answers to each of a series of batches, as ``mapInArrow`` of Spark calls it."""
        yield from map(self, batches)

    def schema(self, schema: "pa.Schema") -> "pa.Schema":
        """Return the schema of answered tables; reads the description of the model, not its weights.

        Args:
            schema: Schema of the rows.

        Raises:
            SwissbertError: As a call.
        """
        return self(schema.empty_table()).schema

    def _chosen(self, declared: dict[str, Task]) -> list[Task]:
        """Return the tasks that may answer."""
        for name in self.tasks or ():
            if name not in declared:
                raise SwissbertError(
                    f"{self.model}: this model has no task {shown(name)}; its tasks are {', '.join(declared)}"
                )
        return [declared[name] for name in self.tasks or declared]

    def _plan(self, table: Table, declared: dict[str, Task]) -> "_Plan":
        """Choose the columns to read by the names and types of a table, so that all its parts are read alike."""
        tasks, columns = self._chosen(declared), InputColumns(self.text_column, self.text_pair_column)
        names = read_options(tasks, columns).columns
        first = iter([(1, table.blank(names))])
        plan, _ = plan_columns(first, tasks, TABLE, is_choice=self.tasks is None, columns=columns)
        check_threshold(plan.tasks, self.threshold)
        return _Plan(plan, AnswerTable(table.names, plan.tasks, self.probabilities), names)


class _Plan(NamedTuple):
    """What to read of a table, the columns to add, and names of columns that may lead to keys inside cells."""

    read: Plan
    added: AnswerTable
    names: Sequence[str]


_lock = ForkLock()
_calls: list[int] = []
"""The number of threads before the first of the calls that run at the moment, once for each of them."""


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Let torch have a number of threads in the block; None for those that it has.

    With OpenMP each thread has a number of its own, and a new thread begins with the last one that any thread has set, which may
    be that of another call. So a call sets it back to what it was before the first of the calls that run at the same time.
    """
    with _lock:
        _calls.append(_calls[0] if _calls else torch.get_num_threads())
        if number is not None:
            torch.set_num_threads(number)
    try:
        yield
    finally:
        with _lock:
            torch.set_num_threads(_calls.pop())


def _model(name: str, device: str, precision: Precision) -> Model:
    """Return a model of this process; the first call loads it, and threads that need it meanwhile wait."""
    with _lock:
        return _loaded(name, device, precision)


@cache
def _loaded(name: str, device: str, precision: Precision) -> Model:
    return load(name, device, precision)


def _declared(name: str) -> dict[str, Task]:
    """Return the tasks of a model by name, without reading its weights."""
    return {task.name: task for task in read_identity(name)[0].tasks}
