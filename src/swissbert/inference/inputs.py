"""Inputs to predict: texts given in Python, and rows of files without labels."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from swissbert.data.formats import (
    FORMATS,
    Format,
    NumberedCells,
    OnOpen,
    ReadOptions,
    TextFormat,
    find_format,
    read_cells,
    unreadable,
)
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.inference.input_columns import NO_COLUMNS, InputColumns, plan_columns, plan_lines
from swissbert.inference.input_rows import Inputs
from swissbert.tasks import Task

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""
STDIN = "-"
"""Name that stands for standard input."""


def rows_of(texts: Iterable[Any], task: Task) -> Iterator[Row]:
    """Check texts, or pairs of texts, and yield them as rows numbered from 1.

    Raises:
        SwissbertError: If an input is empty, unreadable or not what the task reads; names it by its number.
    """
    for number, item in enumerate(texts, 1):
        parts = item if isinstance(item, tuple | list) else (item,)
        expected = 2 if task.is_pair else 1
        if len(parts) != expected or not all(isinstance(part, str) for part in parts):
            takes = "a pair of texts" if task.is_pair else "one text"
            raise SwissbertError(f"input {number}: task '{task.name}' takes {takes}, not {item!r}"[:300])
        if not all(part.strip() for part in parts):
            raise SwissbertError(f"input {number}: the text is empty")
        if why := unreadable("".join(parts)):
            raise SwissbertError(f"input {number}: the text has {why}")
        yield Row(number, str(number), parts[0].strip(), parts[1].strip() if task.is_pair else None, None)


def read_inputs(
    source: str,
    task: Task,
    format: Format | str = "auto",
    stdin: TextIO | None = None,
    on_open: OnOpen | None = None,
) -> Iterator[Row | BadRow]:
    """Yield the rows of a file or of standard input for one task; see `open_inputs`.

    Args:
        source: Path of a file, or ``-`` for standard input.
        task: The task that the rows are for.
        format: A format or its name; ``auto`` is plain text for standard input, else see `input_format`.
        stdin: What to read instead of the process's standard input.
        on_open: Called with the open file, if the format is text.

    Yields:
        A row, or a bad row in its place.

    Raises:
        SwissbertError: If the input cannot be read or lacks a column.
    """
    for given in open_inputs(source, [task], format, stdin=stdin, on_open=on_open):
        yield given.rows[0]


def open_inputs(
    source: str,
    tasks: Sequence[Task],
    format: Format | str = "auto",
    *,
    is_choice: bool = False,
    columns: InputColumns = NO_COLUMNS,
    stdin: TextIO | None = None,
    on_open: OnOpen | None = None,
) -> Inputs:
    """Open a file or standard input for one task or several; labels are not looked at.

    A file with columns has those of a task, or ``text`` and ``text_pair``, and perhaps its id column, or ``id``.

    Args:
        source: Path of a file, or ``-`` for standard input.
        tasks: The tasks.
        format: A format or its name; ``auto`` is plain text for standard input, else see `input_format`. Options of
            reading are those that the first task declares.
        is_choice: Whether to answer only those of the tasks that read such input, instead of all.
        columns: Names of columns that take the place of those that tasks declare.
        stdin: What to read instead of the process's standard input.
        on_open: Called with the open file, if the format is text.

    Raises:
        SwissbertError: If the input cannot be read, lacks a column, or is of no use to a task.
    """
    where = "standard input" if source == STDIN else source
    first = tasks[0]
    try:
        if source == STDIN:
            chosen = find_format(Path("/dev/stdin"), FORMATS["text"] if format == "auto" else format)
        else:
            chosen = input_format(Path(source), first, format)
        has_pairs = all(task.is_pair for task in tasks)
        options = first.read_options
        if not chosen.has_columns:
            options = replace(options, text="text", text_pair="text_pair" if has_pairs else None)
        if source == STDIN:
            raw = _read_stdin(chosen, options, stdin)
        else:
            raw = read_cells(Path(source), chosen, options, on_open)
        if chosen.has_columns:
            plan, raw = plan_columns(raw, tasks, where, is_choice=is_choice, columns=columns)
        else:
            plan, raw = plan_lines(raw, tasks, where, is_choice=is_choice, columns=columns)
    except OSError as error:
        raise SwissbertError(f"{where}: cannot be read ({error.strerror or error})") from error
    return Inputs(where, chosen, plan, raw)


def _read_stdin(format: Format, options: ReadOptions, stdin: TextIO | None) -> Iterator[NumberedCells]:
    """Open standard input as UTF-8, whatever the locale, so that other bytes are bad rows and not an error."""
    if stdin is None and sys.stdin is None:
        raise SwissbertError("standard input: it is closed, so there is nothing to read")
    if not isinstance(format, TextFormat):
        return read_cells(Path("/dev/stdin"), format, options)
    file = stdin or io.TextIOWrapper(
        sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape", newline=format.newline
    )
    return format.parse(file, "standard input", options)


def input_format(path: Path, task: Task, format: Format | str = "auto") -> Format:
    """Return the format to read a file of inputs with.

    Args:
        path: The file.
        task: Its own format takes precedence over the ending if the file is laid out that way (the course's ``.csv``
            files have tabs), so that a text is read as it was in training.
        format: A format or its name; ``auto`` chooses.

    Raises:
        OSError: If there is no such file.
        SwissbertError: If no format is known by the name or the ending.
    """
    if format != "auto":
        return find_format(path, format)
    path.stat()  # that a file is missing is reported before its ending
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    by_ending = find_format(path)
    own = task.format
    return own if isinstance(own, Format) and own.fits(path) else by_ending
