"""Answer a stream of rows, in input order and constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from swissbert.data.formats.limits import chunks, size_of
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.inference.input_rows import InputRow
from swissbert.inference.model import CHUNK, Model
from swissbert.inference.texts import check_threshold
from swissbert.kinds import Answer
from swissbert.tasks import Task

ROW, ID, ERROR = "row", "id", "error"
"""Keys of JSON records beside answers."""


class Answered(NamedTuple):
    """One row with its answers.

    Attributes:
        row: The row.
        answers: Answers by task name, without the tasks that cannot use the row.
        errors: Why a task cannot use the row, by task name.
    """

    row: InputRow
    answers: dict[str, Answer]
    errors: dict[str, str]

    @property
    def is_cut(self) -> bool:
        """Whether a text was longer than the model takes."""
        return any(answer.cut for answer in self.answers.values())

    @property
    def error(self) -> str:
        """Why the row, or a part of it, cannot be used; empty if it can."""
        reasons = dict.fromkeys(self.errors.values())
        if self.answers:
            return "; ".join(f"{name}: {reason}" for name, reason in self.errors.items())
        return "; ".join(reasons)


@dataclass
class Tally:
    """Counts of a stream, complete once it has ended.

    Attributes:
        rows: All rows.
        bad: Rows without any answer.
        partly_bad: Rows that some of the tasks cannot use.
        cut: Rows with a text that was longer than the model takes.
    """

    rows: int = 0
    bad: int = 0
    partly_bad: int = 0
    cut: int = 0

    def count(self, answered: Answered) -> None:
        """Count one row."""
        self.rows += 1
        self.bad += not answered.answers
        self.partly_bad += bool(answered.answers and answered.errors)
        self.cut += answered.is_cut

    def add(self, other: "Tally") -> None:
        """Add the counts of other rows."""
        self.rows += other.rows
        self.bad += other.bad
        self.partly_bad += other.partly_bad
        self.cut += other.cut


def stream(
    model: Model,
    groups: Sequence[Sequence[Task]],
    rows: Iterable[InputRow],
    threshold: float | None = None,
    tally: Tally | None = None,
) -> Iterator[Answered]:
    """Yield rows with their answers, in order. Rows are read and answered `CHUNK` at a time, fewer
    where they are large.

    Args:
        model: The model.
        groups: Tasks of the model; those of one group read rows alike, and share one encoder pass.
        rows: The rows, with one reading for each group.
        threshold: As in `Model.predict`.
        tally: Counts the rows.

    Raises:
        SwissbertError: If a task does not take a threshold.
    """
    check_threshold([task for group in groups for task in group], threshold)
    for chunk in row_chunks(rows):
        results = [Answered(row, {}, {}) for row in chunk]
        for number, group in enumerate(groups):
            readings = [row.rows[number] for row in chunk]
            answers = iter(model.answers(group, [row for row in readings if isinstance(row, Row)], threshold))
            for result, reading in zip(results, readings, strict=True):
                if isinstance(reading, BadRow):
                    result.errors.update(dict.fromkeys((task.name for task in group), reading.reason))
                else:
                    result.answers.update(next(answers))
        for result in results:
            if tally is not None:
                tally.count(result)
            yield result


def row_chunks(rows: Iterable[InputRow]) -> Iterator[list[InputRow]]:
    """Yield rows in the chunks that are answered together: `CHUNK` at a time, fewer where they are large."""
    return chunks(rows, CHUNK, lambda row: size_of(row.cells))


def record(answered: Answered, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return a row's answers as a JSON object.

    Args:
        answered: The row.
        tasks: All tasks that were asked for.

    Returns:
        ``id``, or ``row`` where the input has no ids; then the answer of the only task, or of several each under the
        task's name; or ``error``.
    """
    row = answered.row
    head: dict[str, Any] = {ROW: row.number} if row.id is None else {ID: row.id}
    return head | body(answered, tasks)


def body(answered: Answered, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return `record` without ``id`` and ``row``."""
    if not answered.answers:
        return {ERROR: answered.error}
    if len(tasks) == 1:
        return answered.answers[tasks[0].name].as_json()
    return {
        task.name: answered.answers[task.name].as_json()
        if task.name in answered.answers
        else {ERROR: answered.errors[task.name]}
        for task in tasks
    }


def check_names(tasks: Sequence[Task]) -> None:
    """Raise SwissbertError for a task whose name is a key of JSON records, if it is answered beside others."""
    for task in tasks:
        if len(tasks) > 1 and task.name in (ROW, ID, ERROR):
            raise SwissbertError(
                f"task '{task.name}' cannot be answered beside others, whose records have a key of that name; answer it alone",
                argument="task",
            )
