"""Inputs to predict: texts given in Python, and rows of files without labels."""

import errno
import io
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

from swissbert.data.formats import (
    ENDINGS,
    FORMATS,
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
    table_format,
    unreadable,
    with_nested,
)
from swissbert.data.formats.compression import decompressed
from swissbert.data.formats.encoding import detect
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError, clipped
from swissbert.inference.input_columns import NO_COLUMNS, InputColumns, first_of, plan_columns, plan_lines
from swissbert.inference.input_options import AS_DECLARED, InputOptions
from swissbert.inference.input_rows import Inputs
from swissbert.reading import file_near
from swissbert.tasks import Task

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""
STDIN = "-"
"""Name that stands for standard input."""
PIPE = re.compile(r"/dev/fd/([0-9]{1,9})|/proc/self/fd/([0-9]{1,9})")
"""Paths that a shell gives for process substitution, ``--input <(command)``."""
PARQUET = b"PAR1"
"""First bytes of a Parquet file."""
START_BYTES = 2**13
"""Bytes of a pipe that are looked at to recognise its format."""
COLUMN = re.compile(r"\"?\w[\w.-]*\"?\s*")
"""A cell of a first line that looks like the name of a column."""
LINE_SHOWN = 60
"""Characters of a first line that a message shows."""
CELL_MARKS = ',;|"'
"""If the second line has none of these, a first line that has one is a text, and no header."""


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


def is_stream(source: str) -> bool:
    """Whether an input is standard input or a pipe of the shell, which can be read once only."""
    return source == STDIN or _pipe(source) is not None


def _pipe(source: str) -> int | None:
    """Return the file descriptor of a pipe of the shell; None for any other path."""
    match = PIPE.fullmatch(source)
    number = int(match[1] or match[2]) if match else -1
    try:
        return number if match and stat.S_ISFIFO(os.fstat(number).st_mode) else None
    except (OSError, OverflowError):
        return None


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
    reading = options.over(read_options(tasks, options.columns, on_note))
    try:
        with ExitStack() as stack:
            data = _stream_bytes(source) if stdin is None else None
            streams = source == STDIN or data is not None
            if data is not None:
                data, compression = stack.enter_context(decompressed(data, where))
                if compression:
                    on_note(f"{where}: decompressed ({compression})")
            if not streams:
                chosen = input_format(Path(source), tasks[0], format, on_note, reading)
            elif format == "auto" and options.delimiter is None:
                is_table = any(name is not None for name in options.columns) and options.header is not False
                chosen = _stream_format(where, tasks[0], reading, data, is_table=is_table)
            else:
                chosen = find_format(Path("/dev/stdin"), format, replace(reading, texts=()))
            options.check(chosen, where)
            if not chosen.has_columns:
                has_pairs = all(task.is_pair for task in tasks)
                reading = replace(reading, text="text", text_pair="text_pair" if has_pairs else None)
            if streams:
                raw = _within(stack.pop_all(), _read_stream(where, reading, chosen, data or stdin))
            else:
                raw = read_cells(Path(source), chosen, reading, on_open)
        if options.encoding is not None:  # which messages about a row name
            tasks = [task.model_copy(update={"encoding": options.encoding}) for task in tasks]
        choose = plan_columns if chosen.has_columns else plan_lines
        plan, raw = choose(raw, tasks, where, is_choice=is_choice, columns=options.columns)
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


def _stream_format(
    where: str, task: Task, options: ReadOptions, data: io.BufferedReader | None, *, is_table: bool
) -> Format:
    """Return the format of standard input or a pipe: plain text, unless the first line names columns.

    What the other end of the pipe has written so far is looked at and stays there to be read.

    Args:
        where: Its name in messages.
        task: Declares the format that is tried first.
        options: How it is read, with the columns to expect.
        data: The stream; None for text that is given instead.
        is_table: Whether it is a table whatever its first line is, because a column was named.

    Raises:
        SwissbertError: If it holds Parquet, or its encoding has to be named.
    """
    start = b"" if data is None else data.peek(START_BYTES)
    if start.startswith(PARQUET):
        raise SwissbertError(f"{where}: holds Parquet, which is read from its end, so name the file")
    codec, _ = detect(start, where, options.encoding, is_whole=False)
    text = start.decode(codec, errors="replace")
    declared = task.format
    if isinstance(declared, TextFormat) and declared.has_columns and declared.fits(text, options):
        table: Format | None = declared
    else:
        table = table_format(text, replace(options, delimiter=None))
    first, second = [*text.splitlines(), "", ""][:2]
    has_cells, next_has = (any(mark in line for mark in CELL_MARKS) for line in (first, second))
    if table is not None and table.name == "csv" and second and has_cells and not next_has:
        table = None
    if table is not None:
        options.on_note(f"{where}: read as {table.name}, by its first line; format text reads a text on each line")
        return table
    if is_table:
        table = FORMATS["jsonl" if first.lstrip()[:1] in ("{", "[") else "tsv" if "\t" in first else "csv"]
        options.on_note(f"{where}: read as {table.name}, because its columns are named; format says otherwise")
        return table
    if _looks_like_columns(first, second):
        options.on_note(
            f"{where}: read as plain text, a text on each line, because no task reads a column of the first line, "
            f"{clipped(first, LINE_SHOWN)!r}; text_column names another column"
        )
    return FORMATS["text"]


def _looks_like_columns(first: str, second: str) -> bool:
    """Whether two lines look like a header and a row, or like JSON objects, rather than like texts."""
    if first.lstrip().startswith("{"):
        return '":' in first
    return any(
        mark in first and first.count(mark) == second.count(mark) and all(map(COLUMN.fullmatch, first.split(mark)))
        for mark in ("\t", *",;|")  # a comma in a sentence has a space after it
    )


def _stream_bytes(source: str) -> io.BufferedReader | None:
    """Return standard input or a pipe as bytes, whatever the locale, so that another encoding gives bad rows and no error.

    None for a file.
    """
    number = _pipe(source)
    if number is not None:
        return open(number, "rb", closefd=False)
    if source != STDIN:
        return None
    if sys.stdin is None:
        raise SwissbertError("standard input: it is closed, so there is nothing to read")
    raw = sys.stdin.buffer
    return raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(Any, raw))


def _read_stream(
    where: str, options: ReadOptions, chosen: Format, stream: TextIO | io.BufferedReader | None
) -> Iterator[NumberedCells]:
    """Read standard input, what stands for it, or a pipe."""
    if not isinstance(chosen, TextFormat) or stream is None:
        return read_cells(Path("/dev/stdin") if where == "standard input" else Path(where), chosen, options)
    if isinstance(stream, io.BufferedReader):
        rows = chosen.read(stream, where, options)
    else:
        rows = chosen.parse(stream, where, options)
    return with_nested(rows, options.columns)


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
        on_note: Called with a sentence if the file is read as plain text, but its first line looks like cells.
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
        if ending in declared.endings or (is_text and declared.fits(start_of_text(path, options), options)):
            return declared
    chosen = find_format(path, "auto", options)
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
