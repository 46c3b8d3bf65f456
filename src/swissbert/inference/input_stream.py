"""Standard input and pipes of the shell, which can be read once only."""

import io
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

from swissbert.data.formats import (
    FORMATS,
    Format,
    NumberedCells,
    ReadOptions,
    TextFormat,
    read_cells,
    table_format,
    with_nested,
)
from swissbert.data.formats.encoding import detect
from swissbert.errors import SwissbertError, clipped
from swissbert.tasks import Task

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


def stream_bytes(source: str) -> io.BufferedReader | None:
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


def stream_format(
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
        options.on_note(by_first_line(where, table))
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


def by_first_line(where: str, table: Format) -> str:
    """Word that an input is read as a table, which its name does not say."""
    return f"{where}: read as {table.name}, by its first line; format text reads a text on each line"


def _looks_like_columns(first: str, second: str) -> bool:
    """Whether two lines look like a header and a row, or like JSON objects, rather than like texts."""
    if first.lstrip().startswith("{"):
        return '":' in first
    return any(
        mark in first and first.count(mark) == second.count(mark) and all(map(COLUMN.fullmatch, first.split(mark)))
        for mark in ("\t", *",;|")  # a comma in a sentence has a space after it
    )


def read_stream(
    where: str, options: ReadOptions, chosen: Format, stream: TextIO | io.BufferedReader | None
) -> Iterator[NumberedCells]:
    """Read standard input, what stands for it, or a pipe."""
    options = replace(options, is_stream=True)
    if not isinstance(chosen, TextFormat) or stream is None:
        return read_cells(Path("/dev/stdin") if where == "standard input" else Path(where), chosen, options)
    if isinstance(stream, io.BufferedReader):
        rows = chosen.read(stream, where, options)
    else:
        rows = chosen.parse(stream, where, options)
    return with_nested(rows, options.columns)
