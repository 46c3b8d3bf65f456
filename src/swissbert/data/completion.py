"""Labels and ranges that a declaration leaves out, taken from the train rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from swissbert.data.first_lines import FirstLines
from swissbert.data.formats import NumberedCells, unreadable
from swissbert.data.memory import plain
from swissbert.data.row_checks import check_columns, one_label, stands_for_nothing, with_late_columns
from swissbert.data.rows import BadRow, bad_row
from swissbert.data.splits import Source, open_cells
from swissbert.errors import SwissbertError
from swissbert.kinds.odd_numbers import OddNumbersError
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
    name, parts = open_cells(task, "train", source)
    column = task.columns.label
    counts: Counter[str] = Counter()
    bad: list[BadRow] = []
    lines = FirstLines()
    try:
        inferred = task.kind.infer(task, _labels(parts, task, counts, bad, lines))
        completed = Task.model_validate({**{key: getattr(task, key) for key in task.model_fields_set}, **inferred})
    except OddNumbersError as error:
        message = error.located(lines.by_name)
        raise SwissbertError(f"{name}: column '{column}' of task '{task.name}': {message}") from error
    except ValueError as error:
        if not counts.total() and not bad:
            raise SwissbertError(f"{name}: there are no rows for task '{task.name}'") from error
        if counts["labelled"] == 0 and bad:
            raise SwissbertError(f"{bad[0]}; no row can be used for task '{task.name}'") from error
        empty = f" ({counts['unlabelled']:,} rows have none)" if counts["unlabelled"] else ""
        raise SwissbertError(f"{name}: column '{column}' of task '{task.name}': {_reason(error)}{empty}") from error
    log(f"{task.name}: {completed.kind.declared_in_words(completed)} (taken from {name})")
    return completed


def _labels(
    parts: Iterable[tuple[str, Iterable[NumberedCells]]],
    task: Task,
    counts: Counter[str],
    bad: list[BadRow],
    lines: FirstLines,
) -> Iterator[object]:
    """Yield the label cells that hold a value.

    Args:
        parts: Name and rows of each file.
        task: The task.
        counts: The numbers of rows with a label and without one are added here.
        bad: The first row that cannot be split into cells is added here; all of them are reported when rows are checked.
        lines: The labels are added here with their rows.

    Raises:
        SwissbertError: If a file has no label column.
    """
    column = task.columns.label
    for name, raw in parts:
        is_checked = False
        for number, cells in with_late_columns(raw, [column]):
            if isinstance(cells, str):
                bad.extend([bad_row(name, number, cells)] if not bad else [])
                continue
            if not is_checked:  # rows of JSON may leave out what has no value
                check_columns(cells, [column], task, name)
                is_checked = True
            cell = plain(cells[column]) if column in cells else None
            if isinstance(cell, str) and unreadable(cell, task.encoding):
                continue
            is_empty = stands_for_nothing(cell, task)
            counts["unlabelled" if is_empty else "labelled"] += 1
            if not is_empty:
                lines.count(cell, number, name)
                yield one_label(cell, task)


def _reason(error: ValueError) -> str:
    """Return the reason of an error of `Kind.infer`, or of the validation of the completed declaration."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return str(error)
