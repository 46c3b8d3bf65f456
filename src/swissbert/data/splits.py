"""Splits of tasks: where their rows are (files, a hub data set, or rows in memory), and reading them."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from swissbert.data.formats import NumberedCells, OnNote, with_nested
from swissbert.data.holdout import rows_of_side
from swissbert.data.hub import read_hub
from swissbert.data.memory import MemoryRows
from swissbert.data.row_checks import check_rows, with_ids
from swissbert.data.rows import BadRow, Row, Rows
from swissbert.data.source_files import read_files, source_name, split_files
from swissbert.errors import SwissbertError
from swissbert.tasks import Split, Task

Source = Path | MemoryRows | None
"""Where the rows of a task come from: a directory with its files (None: the current one), or rows in memory.

Rows in memory take precedence over files and hub data sets that a task declares.
"""


class Reading:
    """One split of one task. Iterating, once, yields checked rows in order; memory does not grow with their number.

    Args:
        task: The task.
        split: Which split. Labels are required in ``train`` and ``dev``, and optional in ``test``.
        source: Where its rows come from.
        refuse: Whether the first bad row is an error.
        limit: Highest number of rows.

    Attributes:
        source: Name of the file, data set or rows.
        bad: Rows that cannot be used; filled while iterating.
        notes: Sentences about what was detected rather than declared; filled while iterating.

    Raises:
        SwissbertError: At once if there is no such file; while iterating if the rows are unreadable, lack a column or
            have no usable row.
    """

    def __init__(
        self, task: Task, split: Split, source: Source, *, refuse: bool = False, limit: int | None = None
    ) -> None:
        self.task, self.split, self.refuse, self.limit = task, split, refuse, limit
        self.notes: list[str] = []
        self.source, self._checked = open_split(task, split, source, self.notes.append)
        self._held_out = split == "dev" and holds_out(task, source)
        self.bad: list[BadRow] = []

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        count = 0
        for row in self._checked:
            if isinstance(row, BadRow):
                self.bad.append(row)
                if self.refuse:
                    refuse_bad(self.bad)
                continue
            yield row
            count += 1
            if count == self.limit:
                return
        if not count:
            raise SwissbertError(self._no_rows())

    def _no_rows(self) -> str:
        task = self.task
        if self._held_out:
            return (
                f"{self.source}: holding out {task.holdout:g} of the train rows of task '{task.name}' left none for dev; "
                "a larger holdout, or dev rows of its own, helps"
            )
        first = f"; the first: {self.bad[0].reason}" if self.bad else ""
        return f"{self.source}: no usable row for task '{task.name}' ({len(self.bad)} bad rows{first})"


def refuse_bad(bad: list[BadRow]) -> None:
    """Raise SwissbertError for the first bad row, if there is one."""
    if bad:
        raise SwissbertError(f"{bad[0]} (data.bad_rows is 'refuse'; 'skip' leaves such rows out and counts them)")


def read_split(task: Task, split: Split, source: Source, *, refuse: bool = False, limit: int | None = None) -> Rows:
    """Read all rows of a split at once; arguments and errors as for `Reading`."""
    reading = Reading(task, split, source, refuse=refuse, limit=limit)
    return Rows(reading.source, list(reading), reading.bad, reading.notes)


def open_split(
    task: Task, split: Split, source: Source, on_note: OnNote = lambda note: None
) -> tuple[str, Iterator[Row | BadRow]]:
    """Open a split.

    Args:
        task: The task.
        split: Which split; labels are optional in ``test``.
        source: Where its rows come from.
        on_note: Called with a sentence about anything that was detected rather than declared.

    Returns:
        Name of the files, data set or rows, and an iterator over checked rows.

    Raises:
        SwissbertError: If there is no such file; while iterating if the rows are unreadable or lack a column.
    """
    held_out = split != "test" and holds_out(task, source)
    name, parts = _open_parts(task, "train" if held_out else split, source, on_note)
    labelled = split != "test"
    rows = chain.from_iterable(check_rows(raw, task, part, labelled=labelled) for part, raw in parts)
    return name, rows_of_side(rows, split, task.holdout) if held_out else rows


def open_cells(task: Task, split: Split, source: Source) -> tuple[str, Iterator[NumberedCells]]:
    """Open the rows of a split before they are checked.

    Args:
        task: The task.
        split: Which split; held-out dev rows are among those of ``train``.
        source: Where its rows come from.

    Returns:
        Name of the file, data set or rows, and an iterator over numbered cells.

    Raises:
        SwissbertError: If there is no such file; while iterating if the rows are unreadable.
    """
    name, parts = _open_parts(task, split, source, lambda note: None)
    return name, chain.from_iterable(raw for _, raw in parts)


def _open_parts(
    task: Task, split: Split, source: Source, on_note: OnNote
) -> tuple[str, list[tuple[str, Iterator[NumberedCells]]]]:
    """Open the rows of a split: their name in messages, and name and rows of each file."""
    columns = task.read_options.columns
    if isinstance(source, MemoryRows):
        name = source.name(task, split)
        return name, [(name, with_nested(with_ids(source.cells(task, split), task), columns))]
    if task.hub is not None:
        hub_split = task.hub.splits.get(split, split)
        name = f"{task.hub.dataset}[{hub_split}]"
        return name, [(name, with_nested(read_hub(task.hub, hub_split, task.name), columns))]
    return source_name(split_files(task, split, source), source), read_files(task, split, source, on_note)


def holds_out(task: Task, source: Source) -> bool:
    """Return whether dev rows are a share of the train rows, because no dev rows are given."""
    return source.dev is None if isinstance(source, MemoryRows) else task.holds_out
