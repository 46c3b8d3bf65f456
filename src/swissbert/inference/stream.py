"""Answer a stream of rows, in input order and constant memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from swissbert.data.rows import BadRow, Row
from swissbert.inference.model import CHUNK, Model
from swissbert.kinds import Answer, Array
from swissbert.tasks import Task


def stream(model: Model, task: Task, rows: Iterable[Row | BadRow]) -> Iterator[tuple[Row | BadRow, Answer | None]]:
    """Yield rows with their answers, in order. Rows are read and answered `CHUNK` at a time.

    Args:
        model: The model.
        task: Which of its tasks.
        rows: The rows.

    Yields:
        Row and answer; None instead of an answer for a bad row.
    """
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        good = [row for row in chunk if isinstance(row, Row)]
        answers: Iterator[Array] = iter(model.answer_rows(task, good) if good else ())
        for row in chunk:
            yield row, None if isinstance(row, BadRow) else task.kind.answer(task, next(answers))


def records(model: Model, task: Task, rows: Iterable[Row | BadRow]) -> Iterator[dict[str, Any]]:
    """Yield `stream` as JSON objects: ``id`` and the answer, or ``row`` and ``error`` for a bad row."""
    for row, answer in stream(model, task, rows):
        if isinstance(row, BadRow):
            yield {"row": row.number, "error": row.reason}
        elif answer is not None:
            yield {"id": row.id, **answer.as_json()}
