"""Answers to rows, streamed in input order in constant memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from swissbert.data.rows import BadRow, Row
from swissbert.inference.model import CHUNK, Model
from swissbert.kinds import Answer, Array
from swissbert.tasks import Task


def stream(model: Model, task: Task, rows: Iterable[Row | BadRow]) -> Iterator[tuple[Row | BadRow, Answer | None]]:
    """Yield rows with their answers, in order; a bad row comes back in its place with None.

    Rows are read `CHUNK` at a time, so memory does not grow with their number.
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
