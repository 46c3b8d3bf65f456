"""Inputs to predict: texts given in Python, and rows of files without labels."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from swissbert.data.formats import (
    FORMATS,
    Cells,
    Format,
    NumberedCells,
    OnOpen,
    TextFormat,
    find_format,
    read_cells,
    unreadable,
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
) -> Iterator[Row | BadRow]:
    """Yield the rows of a file or of standard input; labels are not looked at.

    A file with columns has those of the task, or ``text`` and ``text_pair``, and perhaps ``id``.

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
    where = "standard input" if source == STDIN else source
    try:
        if source == STDIN:
            raw, chosen = _read_stdin(task, FORMATS["text"] if format == "auto" else format, stdin)
        else:
            chosen = input_format(Path(source), task, format)
            raw = read_cells(Path(source), chosen, task.read_options, on_open)
        if chosen.has_columns:
            raw, task = _named_columns(raw, task)
        else:
            raw = with_ids(raw, task)
        yield from check_rows(raw, task, where, labelled=False)
    except OSError as error:
        raise SwissbertError(f"{where}: cannot be read ({error.strerror or error})") from error


def _read_stdin(task: Task, format: Format | str, stdin: TextIO | None) -> tuple[Iterator[NumberedCells], Format]:
    """Open standard input as UTF-8, whatever the locale, so that other bytes are bad rows and not an error."""
    path = Path("/dev/stdin")
    chosen = find_format(path, format)
    if stdin is None and sys.stdin is None:
        raise SwissbertError("standard input: it is closed, so there is nothing to read")
    if not isinstance(chosen, TextFormat):
        return read_cells(path, chosen, task.read_options), chosen
    file = stdin or io.TextIOWrapper(
        sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape", newline=chosen.newline
    )
    return chosen.parse(file, "standard input", task.read_options), chosen


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
