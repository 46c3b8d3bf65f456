"""Labels and ranges that a declaration leaves out, taken from the train rows."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from swissbert.data.memory import plain
from swissbert.data.row_checks import AHEAD, columns_of, no_column, one_label, stands_for_nothing
from swissbert.data.splits import Source, open_cells
from swissbert.errors import SwissbertError
from swissbert.tasks import Task


def complete_tasks(
    tasks: Iterable[Task], source_of: Callable[[Task], Source], log: Callable[[str], object]
) -> list[Task]:
    """Add labels or ranges to the declarations that leave them out.

    Args:
        tasks: Declarations.
        source_of: Returns where the rows of a task come from.
        log: Called with a line about each declaration that is completed.

    Returns:
        The tasks in their order; those that are complete are the same objects.

    Raises:
        SwissbertError: If train rows cannot be read, or do not determine labels or range.
    """
    return [task if task.is_complete else complete_task(task, source_of(task), log) for task in tasks]


def complete_task(task: Task, source: Source, log: Callable[[str], object]) -> Task:
    """Add labels or range to one declaration; arguments and errors as for `complete_tasks`."""
    name, raw = open_cells(task, "train", source)
    column = task.columns.label
    try:
        inferred = task.kind.infer(task, _labels(raw, column, name, task))
        completed = Task.model_validate({**{key: getattr(task, key) for key in task.model_fields_set}, **inferred})
    except ValueError as error:
        raise SwissbertError(f"{name}: column '{column}' of task '{task.name}': {_reason(error)}") from error
    log(f"{task.name}: {completed.kind.declared_in_words(completed)} (taken from {name})")
    return completed


def _labels(raw: Iterable[tuple[int, Any]], column: str, name: str, task: Task) -> Iterator[object]:
    """Yield the label cells that hold a value."""
    rows = iter(raw)
    start = list(islice(rows, AHEAD))
    columns = columns_of(start)
    if columns and column not in columns:
        raise SwissbertError(f"{name}: {no_column(column, columns, task)}")
    for _, cells in chain(start, rows):
        if isinstance(cells, str):
            continue  # reported when the rows are checked
        cell = plain(cells.get(column))
        if not stands_for_nothing(cell, task):
            yield one_label(cell, task)


def _reason(error: ValueError) -> str:
    """Return the reason of an error of `Kind.infer`, or of the validation of the completed declaration."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return str(error)
