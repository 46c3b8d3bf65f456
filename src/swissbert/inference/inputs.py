"""Inputs to predict: texts given in Python, and rows of files without labels."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO, cast

from swissbert.data.formats import (
    ENDINGS,
    FORMATS,
    Cells,
    Format,
    NumberedCells,
    OnNote,
    OnOpen,
    ReadOptions,
    TextFormat,
    ending_of,
    find_format,
    member_name,
    read_cells,
    start_of_text,
    unreadable,
    with_nested,
)
from swissbert.data.row_checks import check_rows, with_ids
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.tasks import Columns, Task

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""
HEAD_ROWS = 1024
"""Rows of a file that are searched for column names."""
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
    on_note: OnNote = lambda note: None,
) -> Iterator[Row | BadRow]:
    """Yield the rows of a file or of standard input; labels are not looked at.

    A file with columns has those of the task, or ``text`` and ``text_pair``, and perhaps ``id``.

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
    where = "standard input" if source == STDIN else source
    options = _options(task, on_note)
    try:
        if source == STDIN:
            raw, chosen = _read_stdin(options, FORMATS["text"] if format == "auto" else format, stdin)
        else:
            chosen = input_format(Path(source), task, format, on_note)
            raw = read_cells(Path(source), chosen, options, on_open)
        if chosen.has_columns:
            raw, task = _named_columns(raw, task)
        else:
            raw = with_ids(raw, task)
        yield from check_rows(raw, task, where, labelled=False)
    except OSError as error:
        raise SwissbertError(f"{where}: cannot be read ({error.strerror or error})") from error


def _options(task: Task, on_note: OnNote) -> ReadOptions:
    """Return how inputs are read: as the task's files, except that the columns may be ``text`` and ``text_pair``."""
    own = task.read_options
    usual = ("text", "text_pair") if task.is_pair else ("text",)
    columns = tuple(dict.fromkeys((*own.texts[0], *usual, *filter(None, [task.columns.id]))))
    return replace(own, texts=(*own.texts, usual), columns=columns, on_note=on_note)


def _read_stdin(
    options: ReadOptions, format: Format | str, stdin: TextIO | None
) -> tuple[Iterator[NumberedCells], Format]:
    """Open standard input as bytes, whatever the locale, so that bytes of another encoding are bad rows and no error."""
    path = Path("/dev/stdin")
    chosen = find_format(path, format, options)
    if stdin is None and sys.stdin is None:
        raise SwissbertError("standard input: it is closed, so there is nothing to read")
    if not isinstance(chosen, TextFormat):
        return read_cells(path, chosen, options), chosen
    if stdin is not None:
        rows = chosen.parse(stdin, "standard input", options)
    else:
        raw = sys.stdin.buffer
        data = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(Any, raw))
        rows = chosen.read(data, "standard input", options)
    return with_nested(rows, options.columns), chosen


def input_format(path: Path, task: Task, format: Format | str = "auto", on_note: OnNote = lambda note: None) -> Format:
    """Return the format to read a file of inputs with, so that a text is read as it was in training.

    A format that is named is taken. Otherwise it is the one that the task declares, if the file has its ending
    or a first line with the task's columns in that format. Otherwise it is found by the ending as for a
    task that declares none (see `find_format`).

    Args:
        path: The file.
        task: Declares the format of its files.
        format: A format or its name; ``auto`` chooses.
        on_note: Called with a sentence if the file is read as plain text, but its first line looks like cells.

    Raises:
        OSError: If there is no such file.
        SwissbertError: If no format is known by the name or the ending.
    """
    if format != "auto":
        return find_format(path, format)
    path.stat()  # that a file is missing is reported before its ending
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    options, declared = _options(task, lambda note: None), task.format
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
    """Say that a file is read as plain text if its first line looks like cells."""
    delimiter = task.delimiter or str(getattr(task.format, "delimiter", "\t"))
    if delimiter in start_of_text(path, options).split("\n", 1)[0]:
        on_note(
            f"{path}: read as plain text, a text on each line, by its ending; its first line has cells, but no column "
            f"'{task.columns.text}', which task '{task.name}' reads"
        )


def _named_columns(raw: Iterator[NumberedCells], task: Task) -> tuple[Iterator[NumberedCells], Task]:
    """Find the first row that has the columns of the task, or ``text`` and ``text_pair``.

    Returns:
        All rows, where those before it are bad ones, and the task with the columns of the file.
    """
    before: list[NumberedCells] = []
    for number, cells in islice(raw, HEAD_ROWS):
        if isinstance(cells, dict):
            columns = _columns(task, cells)
            if columns.text in cells and (columns.text_pair is None or columns.text_pair in cells):
                bad = [(n, c if isinstance(c, str) else f"no column '{columns.text}'") for n, c in before]
                return chain(bad, [(number, cells)], raw), task.model_copy(update={"columns": columns})
        before.append((number, cells))
    return chain(before, raw), task


def _columns(task: Task, cells: Cells) -> Columns:
    """Return the task's own columns if they are there, else ``text`` and ``text_pair``; the label column is left out."""
    own = task.columns
    names = {"text": own.text, "text_pair": own.text_pair, "id": own.id}
    if own.text not in cells and "text" in cells:
        names |= {"text": "text", "text_pair": "text_pair" if own.text_pair else None}
    if names["id"] not in cells:
        names["id"] = "id" if "id" in cells else None
    return Columns(text=names["text"] or "text", text_pair=names["text_pair"], id=names["id"], label="\0")
