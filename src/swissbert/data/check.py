"""Inspection of a data directory: files, rows, bad rows, label balance, lengths, and rows shared between splits."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from swissbert.data.completion import complete_task
from swissbert.data.dataset import CHUNK, tokenize
from swissbert.data.extra_files import check_read_once, naming_labels, without_absent
from swissbert.data.formats import ENDINGS, ReadOptions, column_names, ending_of, head
from swissbert.data.guard import HeldTexts, held_texts
from swissbert.data.holdout import text_key
from swissbert.data.row_counts import share_read
from swissbert.data.row_filter import extra_filter
from swissbert.data.rows import BadRow, Row, Rows
from swissbert.data.source_files import has_split_files, label_files, split_files
from swissbert.data.splits import Reading, read_split
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.kinds import Label
from swissbert.tasks import SPLITS, Split, Task

Part = Split | Literal["extra"]
"""A split of a task, or train rows of one of its extra files."""


@dataclass(frozen=True)
class SplitReport:
    """One split of one task, or one extra file.

    Attributes:
        task: Name of the task.
        split: The split, or ``extra``.
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
        left_out: Of an extra file: usable rows that its declaration leaves out, for the reasons in `source_notes`: dev and
            test rows have their texts, they are short, or their label stands for nothing.
    """

    task: str
    split: Part
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
    left_out: int = 0


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
    """A split or an extra file that cannot be used, and a sentence that says why."""

    task: str
    split: Part
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


def check_directory(directory: Path, tasks: list[Task], tokenizer: Tokenizer, display: Display | None = None) -> Report:
    """Inspect every file of a directory that a task declares, and list the others.

    Rows of extra files are compared with the dev and test rows of all tasks whose rows are there.

    Args:
        directory: The directory.
        tasks: The tasks.
        tokenizer: Counts lengths.
        display: Shows progress; nothing is shown if left out.

    Raises:
        SwissbertError: If there is no such directory.
    """
    if not directory.is_dir():
        if directory.suffix == ".toml" and directory.is_file():
            raise SwissbertError(
                f"{directory} is a recipe or a declaration, not a directory; name the directory of its data files and add "
                f"--tasks {directory}"
            )
        raise SwissbertError(f"{directory}: there is no such directory")
    display = display or Display(quiet=True)
    report = Report([], [], {})
    used: set[Path] = set()
    completed: list[Task] = []
    for declared in tasks:
        present, absent = without_absent(declared, directory)
        try:
            task = _completed(present, directory)
        except SwissbertError as error:
            report.problems.append(Problem(declared.name, "train", str(error)))
            continue
        completed.append(task)
        train: dict[tuple[str, str], Label | None] = {}
        for split in SPLITS:
            if not has_split_files(task, split, directory):
                continue
            try:
                used.update(split_files(task, split, directory), label_files(task, split, directory))
                with display.rows(f"reading {task.name} {split}", share_read(task, split, directory)) as bar:
                    result = read_split(task, split, directory, on_row=bar.advance)
            except SwissbertError as error:
                report.problems.append(Problem(task.name, split, str(error)))
                continue
            rows = result.rows
            keys = [text_key(row) for row in rows]
            report.splits.append(_split_report(task, split, result, keys, tokenizer, display))
            if split == "train":
                report.splits[-1].source_notes.extend(absent)
                train = {key: row.label for key, row in zip(keys, rows, strict=True)}
            else:
                report.shared.extend(_shared(task, split, rows, keys, train))
    _add_extra(completed, directory, tokenizer, report, used, display)
    report.other.update({path.name: _columns_of(path) for path in _unread(directory, used)})
    return report


def _add_extra(
    tasks: list[Task], directory: Path, tokenizer: Tokenizer, report: Report, used: set[Path], display: Display
) -> None:
    """Report on the extra files of tasks with train rows, each after the splits of its task."""
    trained = {split.task for split in report.splits if split.split == "train"}
    extended = [task for task in tasks if task.extra and task.name in trained]
    if not extended:
        return
    held = _held(tasks, directory, report)
    for task in extended:
        try:
            check_read_once(task, directory)
        except SwissbertError as error:
            report.problems.append(Problem(task.name, "extra", str(error)))
        for number in range(len(task.extra)):
            try:
                used.update(split_files(task.of_extra(number), "train", directory))
                report.splits.append(_extra_report(task, number, directory, held, tokenizer, display))
            except SwissbertError as error:
                if all(problem.sentence != str(error) for problem in report.problems):
                    report.problems.append(Problem(task.name, "extra", str(error)))
    order = {task.name: number for number, task in enumerate(tasks)}
    report.splits.sort(key=lambda split: order[split.task])


def _held(tasks: list[Task], directory: Path, report: Report) -> HeldTexts:
    """Read the dev and test texts of the tasks whose dev rows can be read; why others cannot is reported already."""
    readable = {split.task for split in report.splits if split.split == "dev"}
    return held_texts([task for task in tasks if task.name in readable], lambda _: directory, lambda line: None)


def _extra_report(
    task: Task, number: int, directory: Path, held: HeldTexts, tokenizer: Tokenizer, display: Display
) -> SplitReport:
    """Read an extra file as a run would."""
    extra = task.extra[number]
    labelled = False if extra.unlabelled else None
    choose = extra_filter(task, extra, held)
    with naming_labels(extra):
        part = task.of_extra(number)
        with display.rows(f"reading {task.name} extra", share_read(part, "train", directory)) as bar:
            reading = Reading(part, "train", directory, labelled=labelled, choose=choose, on_row=bar.advance)
            rows = list(reading)
    result = Rows(reading.source, rows, reading.bad, reading.label_notes, reading.source_notes)
    report = _split_report(task, "extra", result, [text_key(row) for row in rows], tokenizer, display)
    return replace(report, left_out=reading.left_out)


def _completed(task: Task, directory: Path) -> Task:
    """Add labels or range if they are left out and there are train rows."""
    if task.is_complete or not has_split_files(task, "train", directory):
        return task
    return complete_task(task, directory, lambda line: None)


def _split_report(
    task: Task, split: Part, result: Rows, keys: list[tuple[str, str]], tokenizer: Tokenizer, display: Display
) -> SplitReport:
    rows, notes = result.rows, result.label_notes
    lengths = np.empty(len(rows), np.int64)
    with display.work(f"counting tokens of {task.name} {split}", len(rows), announce=False) as on_progress:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            table = tokenize(tokenizer, task, chunk, separate=False, max_length=2**20)
            lengths[start : start + CHUNK] = table.lengths
            on_progress(len(chunk))
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
