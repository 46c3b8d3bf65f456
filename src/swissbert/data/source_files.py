"""The files of a split: from names and patterns to paths, and reading their rows one file after the other."""

import glob
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from swissbert.data.formats import (
    FORMATS,
    NumberedCells,
    OnNote,
    ReadOptions,
    find_format,
    read_cells,
)
from swissbert.data.formats.limits import LINE, lines_of, long_line
from swissbert.data.formats.text import PlainText
from swissbert.data.row_checks import no_column, with_ids
from swissbert.data.row_ids import other_ids
from swissbert.errors import SwissbertError, nearest_file
from swissbert.task_files import Files, FirstOf
from swissbert.tasks import Split, Task
from swissbert.wording import shortened

SHOWN = 3
"""Names of files that a message lists."""


def split_files(task: Task, split: Split, directory: Path | None) -> list[Path]:
    """Find the files with the rows of a split, in the order in which they are read.

    Args:
        task: The task.
        split: The split.
        directory: Where its files are; None for the current directory.

    Raises:
        SwissbertError: If none is declared, or one is missing.
    """
    stored = task.source(split)
    if not task.files:
        raise SwissbertError(
            f"task '{task.name}' has no data: declare its 'files' or its 'hub' data set, or pass rows from Python"
        )
    if stored not in task.files:
        raise SwissbertError(f"task '{task.name}': no file is declared for its {stored} split")
    return _without_other_splits(_paths_of(task.files[stored], task, directory), task, stored, directory)


def _without_other_splits(paths: list[Path], task: Task, split: Split, directory: Path | None) -> list[Path]:
    """Leave out files that only a pattern matches and that another split names, unless none would be left.

    With ``train = "train*.csv"`` and ``dev = "train-dev.csv"`` the dev rows are not trained on.
    """
    base = directory or Path()
    own = {base / name for name in task.candidates(split)}
    others = {base / name for other in task.files if other != split for name in task.candidates(other)}
    kept = [path for path in paths if path in own or path not in others]
    return kept or paths


def label_files(task: Task, split: Split, directory: Path | None) -> list[Path]:
    """Find the files with the labels of a split whose files have texts only; empty if the labels are with the texts.

    Raises:
        SwissbertError: If one is missing.
    """
    stored = task.source(split)
    return _paths_of(task.label_files[stored], task, directory) if stored in task.label_files else []


def has_split_files(task: Task, split: Split, directory: Path | None) -> bool:
    """Return whether at least one of the files that are declared for a split exists."""
    return any(_matches(name, directory) for name in task.candidates(split))


def source_name(paths: list[Path], directory: Path | None) -> str:
    """Return the name of files in messages."""
    names = [file_name(path, directory) for path in paths]
    return f"{shortened(names, SHOWN - 1)} files" if len(names) > SHOWN else ", ".join(names)


def file_name(path: Path, directory: Path | None) -> str:
    """Return the name of a file in messages: its path below the data directory, or its own name elsewhere."""
    base = directory or Path()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name


def read_files(
    task: Task, split: Split, directory: Path | None, on_note: OnNote, *, only_columns: bool = False
) -> list[tuple[str, Iterator[NumberedCells]]]:
    """Open the files of a split.

    Args:
        task: The task.
        split: The split.
        directory: Where its files are.
        on_note: Called with a sentence about anything that was detected rather than declared.
        only_columns: Whether the columns of the task are enough, which saves reading others.

    Returns:
        Name and rows of each file, in order.

    Raises:
        SwissbertError: If a file is missing; while iterating if it cannot be read.
    """
    texts, labels = split_files(task, split, directory), label_files(task, split, directory)
    if labels and len(labels) != len(texts):
        raise SwissbertError(
            f"task '{task.name}': label_files.{task.source(split)} are {len(labels)} files, but there are {len(texts)} "
            "files with texts; give one for each, in the same order"
        )
    stored = task.source(split)
    for path in _paths_of(task.files[stored], task, directory):
        if path not in texts:
            name = file_name(path, directory)
            on_note(f"{name}: matches a pattern of the {stored} files, but is left out, since another split names it")
    is_part = only_columns and not labels  # ids that are not declared are compared with those of the labels
    options = replace(task.read_options, on_note=on_note, only_columns=is_part)
    opened = []
    for path, label_path in zip_longest(texts, labels):
        format = find_format(path, task.format, options)
        raw = read_cells(path, format, options)
        if label_path is not None:
            raw = _with_labels(raw, label_path, task, file_name(path, directory))
        opened.append((file_name(path, directory), raw if format.has_columns else with_ids(raw, task)))
    return opened


def _paths_of(files: Files, task: Task, directory: Path | None) -> list[Path]:
    """Return the paths that a declaration stands for."""
    if isinstance(files, FirstOf):
        paths = next((paths for name in files.first_of if (paths := _matches(name, directory))), [])
        if not paths:
            raise _missing(" or ".join(files.first_of), task, directory)
        return paths
    paths = []
    for name in [files] if isinstance(files, str) else files:
        if not (matches := _matches(name, directory)):
            raise _missing(name, task, directory)
        paths += matches
    return list(dict.fromkeys(paths))


def _matches(name: str, directory: Path | None) -> list[Path]:
    """Return the file of a name, or the files of a pattern sorted by name; a file of that very name takes precedence."""
    base = directory or Path()
    path = base / name
    if path.is_file():
        return [path]
    if not glob.has_magic(name):
        return []
    matches = sorted(glob.glob(name, root_dir=base, recursive=True))
    return [base / match for match in matches if (base / match).is_file()]


def _missing(names: str, task: Task, directory: Path | None) -> SwissbertError:
    if directory is not None and directory.is_file():
        return SwissbertError(f"{directory}: is a file; data.dir names the directory with the files", argument="data")
    if directory is not None and not directory.is_dir():
        return SwissbertError(f"{directory}: there is no such data directory; data.dir names it", argument="data")
    is_pattern = glob.has_magic(names) and " or " not in names
    what = f"no file matches {names} in" if is_pattern else f"{names} is not in"
    base = directory or Path()
    if (base / names).is_dir():
        return SwissbertError(
            f"task '{task.name}': {base / names} is a directory; name its files, or a pattern such as '{names}/*.csv'"
        )
    near = "" if is_pattern else nearest_file(names, sorted(path.name for path in base.iterdir() if path.is_file()))
    return SwissbertError(
        f"task '{task.name}': {what} {directory or Path.cwd()}; data.dir names the directory{near}", argument="data"
    )


class _LabelLines(PlainText):
    """A label on each line; a blank line is a row without one."""

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        for number, line in enumerate(lines_of(file), 1):
            if len(line) > LINE:
                raise long_line(where, number)
            yield number, {options.text: line.strip()}


def _with_labels(raw: Iterator[NumberedCells], path: Path, task: Task, texts: str) -> Iterator[NumberedCells]:
    """Put the labels of one file beside the texts of another: row n of the one belongs to row n of the other.

    Args:
        raw: Rows with the texts.
        path: The file with the labels: one a line, or a table with the task's label column.
        task: The task.
        texts: Name of the file with the texts.

    Raises:
        SwissbertError: While iterating, if one of the two has more rows, the table lacks the column, or both have ids and
            those of a row differ.
    """
    column = task.columns.label
    options = replace(task.read_options, text=column, text_pair=None, texts=((column,),), columns=(column,))
    format = find_format(path, "auto", options)
    labels = read_cells(path, _LabelLines() if format == FORMATS["text"] else format, options)
    counts = [0, 0]
    for row, label in zip_longest(raw, labels):
        counts = [counts[0] + (row is not None), counts[1] + (label is not None)]
        if row is None or label is None:
            continue  # only to count the rows of the longer file
        number, cells = row
        if isinstance(cells, str) or isinstance(label[1], str):
            reason = cells if isinstance(cells, str) else f"{path.name}:{label[0]}: {label[1]}"
            yield number, reason
        elif column not in label[1]:
            raise SwissbertError(f"{path}: {no_column(column, label[1], task)}")
        elif (ids := other_ids(cells, label[1], task.columns.id)) is not None:
            raise SwissbertError(
                f"row {counts[0]:,}: id {ids[0]!r} in {texts}, {ids[1]!r} in {path.name}; row n of one belongs to row n of "
                "the other, so sort both files alike, or put both columns into one file"
            )
        else:
            yield number, {**cells, column: label[1][column]}
    if counts[0] != counts[1]:
        raise SwissbertError(
            f"{texts} has {counts[0]:,} rows, but {path.name} has {counts[1]:,}; row n of one belongs to row n of the "
            "other, so the numbers must be equal"
        )
