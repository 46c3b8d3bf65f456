"""Inspection of a data directory: files, rows, bad rows, label balance, lengths, and rows shared between splits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swissbert.data.completion import complete_task
from swissbert.data.dataset import tokenize
from swissbert.data.formats import ENDINGS, ReadOptions, column_names, ending_of, head
from swissbert.data.holdout import text_key
from swissbert.data.rows import BadRow, Row, Rows
from swissbert.data.source_files import has_split_files, label_files, split_files
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.kinds import Label
from swissbert.tasks import SPLITS, Split, Task


@dataclass(frozen=True)
class SplitReport:
    """One split of one task.

    Attributes:
        task: Name of the task.
        split: The split.
        file: Names of its files.
        rows: Number of usable rows.
        bad: Rows that cannot be used, the first of them if there are very many.
        unlabelled: Number of rows without a label: left out of train and dev, and among `rows` of test.
        spellings: Number of rows by a label that differs from its declared name, such as "'Good' as 'good'".
        balance: Share of rows with each label, or in each fifth of a range; empty if there are no labels. Shares of a
            task with several labels per row add up to more or less than 1.
        lengths: Tokens of a row at the median, at the 95th percentile, and of the longest row.
        repeated: Rows whose texts occur in an earlier row.
        source_notes: Sentences about what was detected in the files rather than declared.
        more_bad: Number of further rows that cannot be used.
    """

    task: str
    split: Split
    file: str
    rows: int
    bad: list[BadRow]
    unlabelled: int
    spellings: dict[str, int]
    balance: dict[str, float]
    lengths: tuple[int, int, int]
    repeated: int
    source_notes: list[str] = field(default_factory=list)
    more_bad: int = 0


@dataclass(frozen=True)
class Shared:
    """Rows of a split whose texts occur in the train split too.

    Attributes:
        task: Name of the task.
        split: The split.
        rows: Their number.
        other_label: How many of them have another label in the train split.
        first: Text of the first of them.
    """

    task: str
    split: Split
    rows: int
    other_label: int
    first: str


@dataclass(frozen=True)
class Problem:
    """A split that cannot be used, and a sentence that says why."""

    task: str
    split: Split
    sentence: str


@dataclass(frozen=True)
class Report:
    """The result of `check_directory`.

    Attributes:
        splits: The splits whose files are there.
        shared: Rows that splits share with the train split of their task.
        other: Columns of data files that none of the tasks reads, by file name; empty if they are unreadable.
        problems: Splits that cannot be used.
    """

    splits: list[SplitReport]
    shared: list[Shared]
    other: dict[str, list[str]]
    problems: list[Problem] = field(default_factory=list)


def check_directory(directory: Path, tasks: list[Task], tokenizer: Tokenizer) -> Report:
    """Inspect every file of a directory that a task declares, and list the others.

    Args:
        directory: The directory.
        tasks: The tasks.
        tokenizer: Counts lengths.

    Raises:
        SwissbertError: If there is no such directory.
    """
    if not directory.is_dir():
        raise SwissbertError(f"{directory}: there is no such directory")
    report = Report([], [], {})
    used: set[Path] = set()
    for declared in tasks:
        try:
            task = _completed(declared, directory)
        except SwissbertError as error:
            report.problems.append(Problem(declared.name, "train", str(error)))
            continue
        train: dict[tuple[str, str], Label | None] = {}
        for split in SPLITS:
            if not has_split_files(task, split, directory):
                continue
            try:
                used.update(split_files(task, split, directory), label_files(task, split, directory))
                result = read_split(task, split, directory)
            except SwissbertError as error:
                report.problems.append(Problem(task.name, split, str(error)))
                continue
            rows = result.rows
            keys = [text_key(row) for row in rows]
            report.splits.append(_split_report(task, split, result, keys, tokenizer))
            if split == "train":
                used.update(_extra_files(task, directory, report))
                train = {key: row.label for key, row in zip(keys, rows, strict=True)}
            else:
                report.shared.extend(_shared(task, split, rows, keys, train))
    report.other.update({path.name: _columns_of(path) for path in _unread(directory, used)})
    return report


def _extra_files(task: Task, directory: Path, report: Report) -> list[Path]:
    """Return the extra files of a task; one that is missing is a problem of its train split."""
    paths: list[Path] = []
    for number in range(len(task.extra)):
        try:
            paths += split_files(task.of_extra(number), "train", directory)
        except SwissbertError as error:
            report.problems.append(Problem(task.name, "train", str(error)))
    return paths


def _completed(task: Task, directory: Path) -> Task:
    """Add labels or range if they are left out and there are train rows."""
    if task.is_complete or not has_split_files(task, "train", directory):
        return task
    return complete_task(task, directory, lambda line: None)


def _split_report(
    task: Task, split: Split, result: Rows, keys: list[tuple[str, str]], tokenizer: Tokenizer
) -> SplitReport:
    rows, notes = result.rows, result.label_notes
    lengths = tokenize(tokenizer, task, rows, separate=False, max_length=2**20).lengths
    median, most, longest = (int(value) for value in np.quantile(lengths, [0.5, 0.95, 1.0]))
    return SplitReport(
        task=task.name,
        split=split,
        file=result.source,
        rows=len(rows),
        bad=list(result.bad),
        more_bad=len(result.bad) - len(list(result.bad)),
        unlabelled=notes.unlabelled + sum(row.label is None for row in rows),
        spellings={
            f"{cell!r} as {name!r}" if name else f"{cell!r} as no label": n
            for (cell, name), n in notes.spellings.items()
        },
        balance=_balance(task, [row.label for row in rows if row.label is not None]),
        lengths=(median, most, longest),
        repeated=len(keys) - len(set(keys)),
        source_notes=result.source_notes,
    )


def _shared(
    task: Task,
    split: Split,
    rows: list[Row],
    keys: list[tuple[str, str]],
    train: dict[tuple[str, str], Label | None],
) -> Iterator[Shared]:
    """Yield the rows that a split shares with train, if there are some."""
    both = [(key, row) for key, row in zip(keys, rows, strict=True) if key in train]
    if both:
        other_label = sum(row.label is not None and row.label != train[key] for key, row in both)
        yield Shared(task.name, split, len(both), other_label, both[0][1].text)


def _balance(task: Task, labels: list[Label]) -> dict[str, float]:
    """Return the share of rows with each label, or in each fifth of a range."""
    if not labels:
        return {}
    counts = task.kind.group_counts(task, labels, bins=5)
    names = task.kind.groups(task, bins=5)
    return {name: int(count) / len(labels) for name, count in zip(names, counts, strict=True)}


def _unread(directory: Path, used: set[Path]) -> list[Path]:
    """Return the files with columns that are not `used`, sorted."""
    with_columns = {ending for ending, format in ENDINGS.items() if format.has_columns}
    return sorted(path for path in directory.iterdir() if ending_of(path) in with_columns and path not in used)


def _columns_of(path: Path) -> list[str]:
    """Return the names of a file's columns. Files named ``.csv`` may have tabs, as the course's do."""
    names: list[str] = []
    for delimiter in (None, "\t", ";", "|"):
        try:
            rows = head(path, 1, "auto", ReadOptions(delimiter=delimiter))
        except SwissbertError:
            return []
        columns = [name for name in column_names(rows[0]) if name] if rows else []
        if len(columns) > len(names):
            names = columns
        if ending_of(path) not in (".csv", ".tsv"):
            break
    return names
