"""Choice of the columns of an input that each task reads, and of the tasks that answer it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from swissbert.data.formats import Cells, NumberedCells, column_names, columns_here
from swissbert.data.formats.limits import TOGETHER, size_of
from swissbert.data.row_checks import no_column
from swissbert.errors import SwissbertError
from swissbert.task_files import Columns
from swissbert.tasks import Task
from swissbert.wording import joined

HEAD_ROWS = 1024
"""Rows of a file that are searched for column names."""
TEXT, TEXT_PAIR, ID = "text", "text_pair", "id"
"""Columns that are read where an input lacks those that a task declares."""
Name = TypeVar("Name", bound=str | None)
UNREAD = "\0"
"""Name of a label column that no file has."""


class InputColumns(NamedTuple):
    """Names of columns that take the place of those that tasks declare; None for theirs.

    Attributes:
        text: The text, or the first text of a pair.
        text_pair: The second text of a pair.
        id: The id.
    """

    text: str | None = None
    text_pair: str | None = None
    id: str | None = None


NO_COLUMNS = InputColumns()


@dataclass
class Plan:
    """Columns to read of an input, and tasks to answer.

    Attributes:
        tasks: The tasks to answer, in order, with the columns that they read.
        columns: Names of all columns of the input.
        id: Name of the id column; None if there is none.
        choice_note: A sentence on which tasks were chosen, if there was a choice.
        id_note: A sentence on the id column that is missing, if one was declared.
    """

    tasks: list[Task]
    columns: list[str] = field(default_factory=list)
    id: str | None = None
    choice_note: str = ""
    id_note: str = ""

    @property
    def groups(self) -> list[list[Task]]:
        """The tasks, those that read the same columns together."""
        groups: dict[tuple[str, str | None], list[Task]] = {}
        for task in self.tasks:
            groups.setdefault((task.columns.text, task.columns.text_pair), []).append(task)
        return list(groups.values())


def plan_lines(
    raw: Iterator[NumberedCells], tasks: Sequence[Task], where: str, *, is_choice: bool, columns: InputColumns
) -> tuple[Plan, Iterator[NumberedCells]]:
    """Choose the tasks that answer an input without columns: single texts, or pairs if all tasks are of pairs.

    Args:
        raw: Its rows, of pairs if all tasks are of pairs.
        tasks: The tasks.
        where: Name of the input in messages.
        is_choice: Whether to answer those tasks only that read such input.
        columns: Must be empty.

    Raises:
        SwissbertError: If tasks of single texts and of pairs are asked for, or the first line may be a pair.
    """
    for name, value in zip(("text_column", "text_pair_column", "id_column"), columns, strict=True):
        if value is not None:
            raise SwissbertError(f"{name} is '{value}', but {where} is plain text, which has no columns", argument=name)
    singles = [task for task in tasks if not task.is_pair]
    has_both = bool(singles) and len(singles) < len(tasks)
    if has_both and not is_choice:
        raise SwissbertError(
            f"{where}: {_names(singles)} and {_names([task for task in tasks if task.is_pair])} read different inputs, "
            "single texts and pairs; answer one after the other, or use a file with columns",
            argument="task",
        )
    if has_both:
        head = list(islice(raw, 1))
        raw = chain(head, raw)
        if any(isinstance(cells, dict) and "\t" in str(cells[TEXT]) for _, cells in head):
            raise SwissbertError(
                f"{where}: the first line has a tab, so it may be a pair; name the task to answer", argument="task"
            )
    chosen = [_with_columns(task, TEXT, TEXT_PAIR if task.is_pair else None, None) for task in singles or tasks]
    names = [TEXT_PAIR] if not singles else []
    plan = Plan(chosen, [TEXT, *names])
    if is_choice and len(tasks) > 1:
        plan.choice_note = f"{where}: answered by {_names(chosen)}"
    return plan, raw


def plan_columns(
    raw: Iterator[NumberedCells], tasks: Sequence[Task], where: str, *, is_choice: bool, columns: InputColumns
) -> tuple[Plan, Iterator[NumberedCells]]:
    """Choose the columns that each task reads, by the first row that has them.

    Args:
        raw: The rows of the input.
        tasks: The tasks.
        where: Name of the input in messages.
        is_choice: Whether to answer those tasks only whose columns are there. Of them, tasks of single texts that would
            read ``text`` for want of a column of their own are left out where a task of pairs is answered. A column of
            second texts that is named chooses tasks of pairs.
        columns: Names that take the place of those that tasks declare.

    Returns:
        The plan, and all rows, where those before the first row with the columns are bad ones.

    Raises:
        SwissbertError: If no row among the first `HEAD_ROWS` has the columns of the tasks, which names those that are there,
            or both texts of a pair would be of one column.
    """
    if columns.text_pair is not None and not any(task.is_pair for task in tasks):
        raise SwissbertError(
            f"text_pair_column is '{columns.text_pair}', but {_names(tasks)} takes one text",
            argument="text_pair_column",
        )
    several = len(tasks) > 1
    if columns.text_pair is not None and is_choice:
        tasks = [task for task in tasks if task.is_pair]
    _refuse_one_column(tasks, columns, is_choice)
    before: list[NumberedCells] = []
    first: Cells | None = None
    room = TOGETHER
    for number, cells in islice(raw, HEAD_ROWS):
        room -= size_of(cells)
        if isinstance(cells, dict):
            first = cells if first is None else first
            readable = {task.name: texts for task in tasks if (texts := _texts(task, cells, columns)) is not None}
            if readable if is_choice else len(readable) == len(tasks):
                chosen = _chosen(tasks, readable) if is_choice else list(tasks)
                plan = _plan(chosen, readable, cells, where, columns)
                if is_choice and several:
                    reads = "reads" if len(chosen) == 1 else "read"
                    plan.choice_note = f"{where}: answered by {_names(chosen)}, which {reads} such rows"
                text = plan.tasks[0].columns.text
                bad = [(n, c if isinstance(c, str) else f"no column '{text}'") for n, c in before]
                return plan, chain(bad, [(number, cells)], raw)
        before.append((number, cells))
        if room < 0:
            break
    if first is not None:
        raise _missing(first, tasks, where, is_choice, columns)
    own = [_with_columns(task, task.columns.text, task.columns.text_pair, None) for task in tasks]
    return Plan(own), chain(before, raw)


def _refuse_one_column(tasks: Sequence[Task], columns: InputColumns, is_choice: bool) -> None:
    """Raise SwissbertError if a pair would have one column for both of its texts."""
    named = [name for name in (columns.text, columns.text_pair) if name is not None]
    for task in tasks if named and (len(named) > 1 or not is_choice) else []:
        text = first_of(columns.text, task.columns.text)
        if task.is_pair and text == first_of(columns.text_pair, task.columns.text_pair):
            raise SwissbertError(
                f"column '{text}' is named for the first text of task '{task.name}' and for the second; name another for one",
                argument="text_pair_column" if columns.text_pair is not None else "text_column",
            )


def _texts(task: Task, cells: Cells, columns: InputColumns) -> tuple[str, str | None] | None:
    """Return the text columns that a task reads: those of the caller, its own, or `TEXT` and `TEXT_PAIR`; else None."""
    own = task.columns
    for text, pair in ((own.text, own.text_pair), (TEXT, TEXT_PAIR if task.is_pair else None)):
        names = first_of(columns.text, text), first_of(columns.text_pair, pair) if task.is_pair else None
        if names[0] != names[1] and all(name is None or name in cells for name in names):
            return names
    return None


def first_of(given: str | None, declared: Name) -> str | Name:
    """Return the name of a column that was given, else the declared one."""
    return declared if given is None else given


def _chosen(tasks: Sequence[Task], readable: dict[str, tuple[str, str | None]]) -> list[Task]:
    """Return the tasks whose columns are there; see `plan_columns` for those that are left out."""
    fitting = [task for task in tasks if task.name in readable]
    if not any(task.is_pair for task in fitting):
        return fitting
    return [task for task in fitting if task.is_pair or readable[task.name][0] == task.columns.text]


def _plan(
    tasks: Sequence[Task],
    readable: dict[str, tuple[str, str | None]],
    cells: Cells,
    where: str,
    columns: InputColumns,
) -> Plan:
    """Return the plan for tasks whose columns are known."""
    if columns.id is not None and columns.id not in cells:
        raise SwissbertError(f"{where}: {no_column(columns.id, cells, 'id_column names')}", argument="id_column")
    declared = [task.columns.id for task in tasks if task.columns.id]
    identity = next((name for name in (columns.id, *declared, ID) if name in cells), None)
    plan = Plan([_with_columns(task, *readable[task.name], identity) for task in tasks], list(cells), identity)
    if declared and identity is None:
        plan.id_note = (
            f"{where}: no column '{declared[0]}', so answers have the number of their row, under the name 'row'"
        )
    return plan


def _with_columns(task: Task, text: str, text_pair: str | None, identity: str | None) -> Task:
    columns = Columns(text=text, text_pair=text_pair, id=identity, label=UNREAD)
    return task.model_copy(update={"columns": columns})


def _missing(cells: Cells, tasks: Sequence[Task], where: str, is_choice: bool, columns: InputColumns) -> SwissbertError:
    """Word the error for an input that lacks columns."""
    for argument, name in (("text_column", columns.text), ("text_pair_column", columns.text_pair)):
        if name is not None and name not in cells:
            return SwissbertError(f"{where}: {no_column(name, cells, f'{argument} names')}", argument=argument)
    if is_choice and len(tasks) > 1:
        reads = "; ".join(f"{task.name} reads {_reads(task)}" for task in tasks)
        return SwissbertError(
            f"{where}: no columns that a task of this model reads: {reads}, or '{TEXT}' and '{TEXT_PAIR}'"
            f"{_other_case(tasks, cells)} ({columns_here(cells)}); text_column names another",
            argument="text_column",
        )
    task = next(task for task in tasks if _texts(task, cells, columns) is None)
    own, argument = first_of(columns.text, task.columns.text), "text_column"
    if own in cells or (columns.text is None and TEXT in cells and own not in cells):
        own, argument = first_of(columns.text_pair, task.columns.text_pair or TEXT_PAIR), "text_pair_column"
    return SwissbertError(f"{where}: {no_column(own, cells, task)}; {argument} names another", argument=argument)


def _other_case(tasks: Sequence[Task], cells: Cells) -> str:
    """Word which columns that tasks read are there in other case, as the end of a clause; empty for none."""
    names = [name for task in tasks for name in (task.columns.text, task.columns.text_pair) if name]
    names = [name for name in dict.fromkeys([*names, TEXT, TEXT_PAIR]) if name not in cells]
    return "".join(
        f"; '{column}' differs from '{name}' in case alone"
        for name in names
        for column in column_names(cells)
        if column.strip().casefold() == name.casefold()
    )


def _reads(task: Task) -> str:
    return " and ".join(f"'{name}'" for name in (task.columns.text, task.columns.text_pair) if name)


def _names(tasks: Sequence[Task]) -> str:
    names = joined([f"'{task.name}'" for task in tasks])
    return f"task {names}" if len(tasks) == 1 else f"tasks {names}"
