"""Inputs to predict: texts given in Python, and rows of files and streams without labels."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from swissbert.data.formats import (
    ENDINGS,
    Format,
    NumberedCells,
    OnNote,
    OnOpen,
    ReadOptions,
    TextFormat,
    ending_of,
    find_format,
    ignore_note,
    member_name,
    read_cells,
    start_of_text,
    unreadable,
    with_nested,
)
from swissbert.data.formats.compression import decompressed
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.inference.input_columns import NO_COLUMNS, InputColumns, first_of, plan_columns, plan_lines
from swissbert.inference.input_options import AS_DECLARED, InputOptions
from swissbert.inference.input_rows import Inputs
from swissbert.inference.input_stream import STDIN, by_first_line, read_stream, stream_bytes, stream_format
from swissbert.reading import file_near
from swissbert.tasks import Task

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""


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
        check_input(parts, number)
        yield Row(number, str(number), parts[0].strip(), parts[1].strip() if task.is_pair else None, None)


def check_input(texts: Sequence[str], number: int) -> None:
    """Raise SwissbertError if a text of an input is empty or unreadable; names the input by its number."""
    if not all(text.strip() for text in texts):
        raise SwissbertError(f"input {number}: the text is empty")
    if why := unreadable("".join(texts)):
        raise SwissbertError(f"input {number}: the text has {why}")


def read_inputs(
    source: str,
    task: Task,
    format: Format | str = "auto",
    stdin: TextIO | None = None,
    on_open: OnOpen | None = None,
    on_note: OnNote = ignore_note,
) -> Iterator[Row | BadRow]:
    """Yield the rows of a file or of standard input for one task; see `open_inputs`.

    Args:
        source: Path of a file, or ``-`` for standard input.
        task: The task that the rows are for.
        format: A format or its name; ``auto`` is plain text for standard input, else see `input_format`.
        stdin: What to read instead of the process's standard input.
        on_open: Called with the open file, if the format is text.
        on_note: Called with a sentence about anything in the file that is not as the task declares it.

    Yields:
        A row, or a bad row in its place.

    Raises:
        SwissbertError: If the input cannot be read or lacks a column.
    """
    for given in open_inputs(source, [task], format, stdin=stdin, on_open=on_open, on_note=on_note):
        yield given.rows[0]


def open_inputs(
    source: str,
    tasks: Sequence[Task],
    format: Format | str = "auto",
    *,
    is_choice: bool = False,
    options: InputOptions = AS_DECLARED,
    stdin: TextIO | None = None,
    on_open: OnOpen | None = None,
    on_note: OnNote = ignore_note,
) -> Inputs:
    """Open a file or standard input for one task or several; labels are not looked at.

    A file with columns has those of a task, or ``text`` and ``text_pair``, and perhaps its id column, or ``id``.

    Args:
        source: Path of a file, or ``-`` for standard input. A pipe of the shell, ``/dev/fd/N``, is read as standard input.
        tasks: The tasks.
        format: A format or its name; ``auto`` is plain text for standard input, unless its first line has the columns of
            a task, else see `input_format`.
        is_choice: Whether to answer only those of the tasks that read such input, instead of all.
        options: What takes the place of what tasks declare.
        stdin: What to read instead of the process's standard input.
        on_open: Called with the open file, if the format is text.
        on_note: Called with a sentence about anything in the file that is not as the task declares it.

    Raises:
        SwissbertError: If the input cannot be read, lacks a column, is of no use to a task, or has none of what an option sets.
    """
    where = "standard input" if source == STDIN else source
    if not source:
        raise SwissbertError("the name of the input is empty")
    header: list[str] = []
    reading = replace(options.over(read_options(tasks, options.columns, on_note)), on_columns=header.extend)
    try:
        with ExitStack() as stack:
            data = stream_bytes(source) if stdin is None else None
            streams = source == STDIN or data is not None
            if data is not None:
                data, compression = stack.enter_context(decompressed(data, where))
                if compression:
                    on_note(f"{where}: decompressed ({compression})")
            if not streams:
                chosen = input_format(Path(source), tasks[0], format, on_note, reading)
            elif format == "auto" and options.delimiter is None:
                is_table = any(name is not None for name in options.columns) and options.header is not False
                chosen = stream_format(where, tasks[0], reading, data, is_table=is_table)
            else:
                chosen = find_format(Path("/dev/stdin"), format, replace(reading, texts=()))
            options.check(chosen, where)
            if not chosen.has_columns:
                has_pairs = all(task.is_pair for task in tasks)
                reading = replace(reading, text="text", text_pair="text_pair" if has_pairs else None)
            if streams:
                raw = _within(stack.pop_all(), read_stream(where, reading, chosen, data or stdin))
            else:
                raw = read_cells(Path(source), chosen, reading, on_open)
        if options.encoding is not None:  # which messages about a row name
            tasks = [task.model_copy(update={"encoding": options.encoding}) for task in tasks]
        choose = plan_columns if chosen.has_columns else plan_lines
        plan, raw = choose(raw, tasks, where, is_choice=is_choice, columns=options.columns)
        if header and not plan.columns:  # without a row that has cells, as for an empty part of a table
            row = with_nested(iter([(1, dict.fromkeys(header))]), reading.columns)
            try:
                plan, _ = choose(row, tasks, where, is_choice=is_choice, columns=options.columns)
            except SwissbertError:
                if isinstance(chosen, TextFormat):
                    raise
                plan = replace(plan, columns=header)  # a text may be inside of a column, which rows alone show
    except OSError as error:
        near = file_near(Path(source)) if isinstance(error, FileNotFoundError) else ""
        raise SwissbertError(f"{where}: cannot be read ({error.strerror or error}){near}") from error
    return Inputs(where, chosen, plan, raw)


def _within(stack: ExitStack, rows: Iterator[NumberedCells]) -> Iterator[NumberedCells]:
    """Yield rows inside the contexts that they are read in."""
    with stack:
        yield from rows


def read_options(tasks: Sequence[Task], columns: InputColumns, on_note: OnNote = ignore_note) -> ReadOptions:
    """Return how inputs are read: as the first task's files, with the columns that any of the tasks may read."""
    texts: list[tuple[str, ...]] = []
    for task in tasks:
        for text, pair in ((task.columns.text, task.columns.text_pair), ("text", "text_pair")):
            names = (first_of(columns.text, text), first_of(columns.text_pair, pair) if task.is_pair else None)
            texts.append(tuple(name for name in names if name is not None))
    ids = [columns.id, *(task.columns.id for task in tasks)]
    expected = dict.fromkeys(name for group in (*texts, ids) for name in group if name is not None)
    declared = replace(tasks[0].read_options, is_input=True, on_note=on_note)
    return replace(declared, texts=tuple(dict.fromkeys(texts)), columns=tuple(expected))


def input_format(
    path: Path,
    task: Task,
    format: Format | str = "auto",
    on_note: OnNote = ignore_note,
    options: ReadOptions | None = None,
) -> Format:
    """Return the format to read a file of inputs with, so that a text is read as it was in training.

    A format that is named is taken. Otherwise it is the one that the task declares, if the file has its ending
    or a first line with the task's columns in that format. Otherwise it is found by the ending as for a
    task that declares none (see `find_format`).

    Args:
        path: The file.
        task: Declares the format of its files.
        format: A format or its name; ``auto`` chooses.
        on_note: Called with a sentence if the file might be meant to be read otherwise: as plain text though its first line
            looks like cells, as a table though its ending is that of plain text, or with other quotes than by its ending.
        options: How it is read, with the columns to expect; None for what the task declares.

    Raises:
        OSError: If there is no such file.
        SwissbertError: If no format is known by the name or the ending.
    """
    if format != "auto":
        return find_format(path, format)
    path.stat()  # that a file is missing is reported before its ending
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not path.is_file():
        raise SwissbertError(f"{path}: not a regular file; a pipe is read as standard input, '{STDIN}'")
    options = replace(options or read_options([task], NO_COLUMNS), on_note=ignore_note)
    declared = task.format
    ending = ending_of(member_name(path))
    if isinstance(declared, Format):
        is_text = isinstance(declared, TextFormat) and isinstance(ENDINGS.get(ending, declared), TextFormat)
        start = start_of_text(path, options) if is_text and ending not in declared.endings else ""
        if ending in declared.endings or (start and declared.fits(start, options)):
            own = ENDINGS.get(ending, declared)
            if own is not declared and options.quotes is None and '"' in start and own.fits(start, options):
                on_note(
                    f"{path}: read as {declared.name}, as the files of task '{task.name}', where quotes may be syntax; "
                    f"format {own.name} reads it by its ending"
                )
            return declared
    chosen = find_format(path, "auto", options)
    by_ending = ENDINGS.get(ending)
    is_usual = options.delimiter is not None or any(name.endswith(ending) for name in task.candidates("train"))
    if chosen.has_columns and by_ending is not None and not by_ending.has_columns and not is_usual:
        on_note(by_first_line(str(path), chosen))
    if not chosen.has_columns and not task.is_pair:
        _note_cells(path, task, options, on_note)
    return chosen


def _note_cells(path: Path, task: Task, options: ReadOptions, on_note: OnNote) -> None:
    """Report that a file is read as plain text if its first line looks like cells."""
    delimiter = task.delimiter or str(getattr(task.format, "delimiter", "\t"))
    if delimiter in start_of_text(path, options).split("\n", 1)[0]:
        on_note(
            f"{path}: read as plain text, a text on each line, by its ending; its first line has cells, but no column "
            f"'{task.columns.text}', which task '{task.name}' reads"
        )
