"""The columns of a table of answers: their names, types and cells, wherever the table is written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swissbert.inference.stream import Answered
from swissbert.kinds import Answer
from swissbert.kinds.label_lists import SEPARATORS
from swissbert.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa


class AnswerTable:
    """The columns of a table of answers: those of the input, those of each task, ``cut`` and ``error``.

    A task has ``label`` and ``probability`` (of that label), ``labels`` if it assigns several, or ``score``, with its name
    before them if there are several tasks or the input has such a column.

    Args:
        columns: Names of the columns of the input.
        tasks: The tasks.
        probabilities: Whether to add a column with the probability of each label.

    Attributes:
        names: Names of all columns.
        dropped: Columns of rows that the first row lacks, which are left out.
    """

    def __init__(self, columns: Sequence[str], tasks: Sequence[Task], probabilities: bool) -> None:
        self.columns, self.tasks, self.probabilities = list(columns), tasks, probabilities
        self.names, self._known = list(columns), set(columns)
        self.dropped: set[str] = set()
        for task in tasks:
            own = _columns_of(task, probabilities)
            if len(tasks) > 1 or any(name in self.names for name in own):
                own = [f"{task.name}_{name}" for name in own]
            self.names += _free(own, self.names)
        for name in ("cut", "error"):
            self.names += _free([name if name not in self.names else f"answer_{name}"], self.names)

    @property
    def answer_names(self) -> list[str]:
        """Names of the columns of answers, ``cut`` and ``error`` included."""
        return self.names[len(self.columns) :]

    def answer_fields(self) -> "list[pa.Field]":
        """Return the columns of answers with their types in Arrow."""
        import pyarrow as pa

        own = [name for task in self.tasks for name in _columns_of(task, self.probabilities)]
        types = [pa.string() if name in ("label", "labels") else pa.float64() for name in own]
        return [*map(pa.field, self.answer_names, [*types, pa.bool_(), pa.string()])]

    def input_cells(self, answered: Answered) -> list[Any]:
        """Return the cells of the input, None for those that a row lacks."""
        cells = answered.row.cells or {}
        self.dropped |= cells.keys() - self._known
        return [cells.get(name) for name in self.columns]

    def answer_cells(self, answered: Answered) -> list[Any]:
        """Return the cells of the answers, None where a task cannot use the row."""
        cells: list[Any] = []
        for task in self.tasks:
            answer = answered.answers.get(task.name)
            width = len(_columns_of(task, self.probabilities))
            cells += [None] * width if answer is None else _cells_of(task, answer, self.probabilities)
        error = answered.error
        if error and answered.row.cells is None:  # nothing else in the table says which row it is
            error = f"row {answered.row.number}: {error}"
        return [*cells, answered.is_cut if answered.answers else None, error or None]


def _columns_of(task: Task, probabilities: bool) -> list[str]:
    if not task.kind.has_labels:
        return ["score"]
    names = ["labels"] if task.kind.label_shape(task) else ["label", "probability"]
    return names + [f"probability_{label}" for label in task.labels] if probabilities else names


def _cells_of(task: Task, answer: Answer, probabilities: bool) -> list[Any]:
    """Return the cells of one answer under `_columns_of`."""
    if answer.probabilities is None:
        return [answer.score]
    if answer.label is None:
        used = [separator for separator in SEPARATORS if not any(separator in label for label in task.labels)]
        cells: list[Any] = [(task.separator or (used or SEPARATORS)[0]).join(answer.label_names or ())]
    else:
        cells = [answer.label_name, answer.probabilities[answer.label]]
    return cells + answer.probabilities if probabilities else cells


def _free(names: list[str], taken: list[str]) -> list[str]:
    """Return names with a number behind those that are taken."""
    free: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in taken or candidate in free:
            number, candidate = number + 1, f"{name}_{number}"
        free.append(candidate)
    return free
