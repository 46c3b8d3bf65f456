"""Splits of tasks: where their rows are (files, a hub data set, or rows in memory), and reading them."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

from swissbert.data.bad_rows import (
    is_hopeless,
    most_frequent_in_words,
    refuse_bad,
    refuse_counting_from_one,
    refuse_many_bad,
)
from swissbert.data.formats import NumberedCells, OnNote, ignore_note, with_nested
from swissbert.data.holdout import rows_of_side
from swissbert.data.hub import read_hub
from swissbert.data.memory import MemoryRows
from swissbert.data.row_checks import check_rows, with_ids
from swissbert.data.rows import BadRow, BadRows, LabelNotes, Row, Rows
from swissbert.data.source_files import read_files, source_name, split_files
from swissbert.errors import SwissbertError
from swissbert.tasks import Split, Task

OnRow = Callable[[], object]
"""Called after each row that is read."""
Source = Path | MemoryRows | None
"""Origin of the rows of a task: a directory with its files (None: the current one), or rows in memory.

Rows in memory take precedence over files and hub data sets that a task declares.
"""


class Chooses(Protocol):
    """A choice of rows: see `swissbert.data.row_filter.RowFilter`."""

    @property
    def fingerprint(self) -> str:
        """A checksum that changes with anything on which the choice depends."""

    def begin(self) -> None:
        """Forget what was counted: a reading of the rows begins."""

    def __call__(self, row: Row) -> Row | None:
        """Return a row as it is used; None if it is left out."""

    def notes(self, source: str) -> list[str]:
        """Word how many rows were left out so far, and why."""


class Reading:
    """One split of one task. Iterating, once, yields checked rows in order; memory does not grow with their number.

    Args:
        task: The task.
        split: Which split.
        source: Where its rows come from.
        refuse: Whether the first bad row is an error.
        limit: Highest number of rows.
        max_bad: Largest share of bad rows among all rows that have a label, 0 to 1; None for any.
        labelled: Whether rows without a label are left out and counted; if not given, in ``train`` and ``dev``. False:
            labels are not read either, as in `open_split`.
        choose: Which of the usable rows are taken; what it leaves out is in `source_notes`. All of them if left out.
        on_row: Called after each row of the files, also one that belongs to another split or cannot be used.

    Attributes:
        source: Name of the file, data set or rows.
        bad: Rows that cannot be used; filled while iterating.
        is_weighted: Whether rows have weights of their own.
        label_notes: Rows without a label, and labels in other spellings; filled while iterating.
        source_notes: Sentences about what was detected rather than declared; filled while iterating.
        left_out: Number of usable rows that `choose` left out; filled while iterating.

    Raises:
        SwissbertError: At once if there is no such file; while iterating if the rows are unreadable, lack a column,
            have no usable row, or too many bad ones.
    """

    def __init__(
        self,
        task: Task,
        split: Split,
        source: Source,
        *,
        refuse: bool = False,
        limit: int | None = None,
        max_bad: float | None = None,
        labelled: bool | None = None,
        choose: Chooses | None = None,
        on_row: OnRow | None = None,
    ) -> None:
        self.choose = choose
        self.task, self.split, self.refuse, self.limit, self.max_bad = task, split, refuse, limit, max_bad
        self.labelled = split != "test" if labelled is None else labelled
        self.source_notes: list[str] = []
        self.source, self._checked = open_split(
            task, split, source, self.source_notes.append, labelled=labelled, on_row=on_row
        )
        self._holds_out, self._is_dev = holds_out(task, source), split == "dev"
        self.is_weighted = split == "train" and task.columns.weight is not None
        self.bad = BadRows()
        self.label_notes = LabelNotes()
        self.left_out = 0

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        count, has_first = 0, False
        if self.choose is not None:
            self.choose.begin()
        for row in self._checked:
            if isinstance(row, BadRow):
                self.bad.append(row)
                if self.refuse:
                    refuse_bad(self.bad)
                if is_hopeless(len(self.bad), count + self.left_out):
                    refuse_many_bad(self.bad, count + self.left_out, self.max_bad, self.task.name)
                continue
            self.label_notes.count(row)
            if self.labelled and row.label is None:
                self.label_notes.unlabelled += 1
                continue
            has_first = has_first or row.label == 0 or (isinstance(row.label, tuple) and row.label[0] == 1)
            chosen = row if self.choose is None else self.choose(row)
            if chosen is None:
                self.left_out += 1
                continue
            yield chosen
            count += 1
            if count == self.limit:
                break
        if self.choose is not None:
            self.source_notes += self.choose.notes(self.source)
        if not count:
            raise SwissbertError(self._no_rows())
        if self.max_bad is not None and not has_first:
            refuse_counting_from_one(self.bad, self.task)
        refuse_many_bad(self.bad, count + self.left_out, self.max_bad, self.task.name)

    def _no_rows(self) -> str:
        task = self.task
        if self.choose is not None and (notes := self.choose.notes(self.source)):
            return f"{self.source}: no row is left for task '{task.name}': {'; '.join(notes)}"
        if self._holds_out and self._is_dev:
            return (
                f"{self.source}: holding out {task.holdout:g} of the train rows of task '{task.name}' left none for dev: "
                "there are too few different texts; more rows, a larger holdout, or dev rows of its own help"
            )
        if self.label_notes.unlabelled and not self.bad:
            return (
                f"{self.source}: no row has a label for task '{task.name}' "
                f"({self.label_notes.without_label()}); its labels are read from column '{task.columns.label}'"
            )
        if not self.bad and not self.label_notes.unlabelled:
            held_out = f", or all of them are held out for dev (holdout is {task.holdout:g})" if self._holds_out else ""
            return f"{self.source}: there are no rows for task '{task.name}'{held_out}"
        no_label = f", {self.label_notes.without_label()}" if self.label_notes.unlabelled else ""
        message = f"{self.source}: no usable row for task '{task.name}' ({len(self.bad):,} bad rows{no_label})"
        return f"{message}; {most_frequent_in_words(self.bad)}" if self.bad else message


def read_split(
    task: Task,
    split: Split,
    source: Source,
    *,
    refuse: bool = False,
    limit: int | None = None,
    labelled: bool | None = None,
    on_row: OnRow | None = None,
) -> Rows:
    """Read all rows of a split at once; arguments and errors as for `Reading`."""
    reading = Reading(task, split, source, refuse=refuse, limit=limit, labelled=labelled, on_row=on_row)
    return Rows(reading.source, list(reading), reading.bad, reading.label_notes, reading.source_notes)


def open_split(
    task: Task,
    split: Split,
    source: Source,
    on_note: OnNote = ignore_note,
    *,
    labelled: bool | None = None,
    on_row: OnRow | None = None,
) -> tuple[str, Iterator[Row | BadRow]]:
    """Open a split.

    Args:
        task: The task.
        split: Which split.
        source: Where its rows come from.
        on_note: Called with a sentence about anything that was detected rather than declared.
        labelled: Whether the label column has to be there; if not given, in ``train`` and ``dev``. Rows without a label
            come with the label None in every case. False: labels are not read, so that every row comes with the label
            None and no label makes a row bad, except where the dev rows are a share of the train rows.
        on_row: Called after each row of the files, also one of the other side where the dev rows are a share of the train
            rows.

    Returns:
        Name of the files, data set or rows, and an iterator over checked rows.

    Raises:
        SwissbertError: If there is no such file; while iterating if the rows are unreadable or lack a column.
    """
    held_out = split != "test" and holds_out(task, source)
    stored: Split = "train" if held_out else split
    needs_labels = split != "test" if labelled is None else labelled
    if not held_out:
        name, rows = _open_stored(task, stored, source, needs_labels, on_note, read_labels=labelled is not False)
        return name, _counted(rows, on_row)
    name, rows = _open_stored(task, stored, source, needs_labels, on_note)
    return name, rows_of_side(
        _counted(rows, on_row), split, task, lambda: _open_stored(task, stored, source, needs_labels)[1]
    )


def _counted(rows: Iterator[Row | BadRow], on_row: OnRow | None) -> Iterator[Row | BadRow]:
    """Call `on_row` after each row."""
    for row in rows:
        yield row
        if on_row is not None:
            on_row()


def _open_stored(
    task: Task,
    stored: Split,
    source: Source,
    labelled: bool,
    on_note: OnNote = ignore_note,
    *,
    read_labels: bool = True,
) -> tuple[str, Iterator[Row | BadRow]]:
    """Open and check the rows that are stored as a split; see `open_split`."""
    name, parts = _open_parts(task, stored, source, on_note, only_columns=True)
    weighted = stored == "train"
    return name, chain.from_iterable(
        check_rows(raw, task, part, labelled=labelled, weighted=weighted, read_labels=read_labels)
        for part, raw in parts
    )


def open_cells(task: Task, split: Split, source: Source) -> tuple[str, list[tuple[str, Iterator[NumberedCells]]]]:
    """Open the rows of a split before they are checked.

    Args:
        task: The task.
        split: Which split; held-out dev rows are among those of ``train``.
        source: Where its rows come from.

    Returns:
        Name of the files, data set or rows; and name and numbered cells of each file, in order.

    Raises:
        SwissbertError: If there is no such file; while iterating if the rows are unreadable.
    """
    return _open_parts(task, split, source, ignore_note)


def _open_parts(
    task: Task, split: Split, source: Source, on_note: OnNote, *, only_columns: bool = False
) -> tuple[str, list[tuple[str, Iterator[NumberedCells]]]]:
    """Open the rows of a split: their name in messages, and name and rows of each file."""
    columns = task.read_options.columns
    if isinstance(source, MemoryRows):
        name = source.name(task, split)
        return name, [(name, with_nested(with_ids(source.cells(task, split), task), columns))]
    if task.hub is not None:
        hub_split = task.hub.splits.get(split, split)
        name = f"{task.hub.dataset}[{hub_split}]"
        return name, [(name, with_nested(read_hub(task.hub, hub_split, task), columns))]
    return source_name(split_files(task, split, source), source), read_files(
        task, split, source, on_note, only_columns=only_columns
    )


def holds_out(task: Task, source: Source) -> bool:
    """Return whether dev rows are a share of the train rows, because no dev rows are given."""
    return source.dev is None if isinstance(source, MemoryRows) else task.holds_out
