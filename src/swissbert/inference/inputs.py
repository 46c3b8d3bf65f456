"""Inputs to answer: texts given in Python, and rows of files without labels."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from swissbert.data.reader import ENDINGS, Cells, Opened, check_rows, read_cells, unreadable
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.tasks import Columns, Task

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""
HEAD_ROWS = 1024
"""Rows of a file that are searched for column names."""


def rows_of(texts: Iterable[Any], task: Task) -> Iterator[Row]:
    """Checked rows of texts, or of pairs of texts. Raises SwissbertError that names the input by its number from 1."""
    for number, item in enumerate(texts, 1):
        parts = item if isinstance(item, tuple | list) else (item,)
        expected = 2 if task.is_pair else 1
        if len(parts) != expected or not all(isinstance(part, str) for part in parts):
            raise SwissbertError(
                f"input {number}: task '{task.name}' takes {'a pair of texts' if task.is_pair else 'one text'}, not {item!r}"[
                    :300
                ]
            )
        if not all(part.strip() for part in parts):
            raise SwissbertError(f"input {number}: the text is empty")
        if why := unreadable("".join(parts)):
            raise SwissbertError(f"input {number}: the text has {why}")
        yield Row(number, str(number), parts[0].strip(), parts[1].strip() if task.is_pair else None, None)


def read_inputs(
    source: str, task: Task, format: str = "auto", stdin: TextIO | None = None, opened: Opened | None = None
) -> Iterator[Row | BadRow]:
    """Rows to answer, from a file or standard input (``-``).

    Text (``-`` and files ending in .txt) is a sentence a line, of a pair task two with a tab between. Other formats
    go by ending or `format`, delimited text by the task's own format; they have the task's own columns, or ``text`` and
    ``text_pair``, and perhaps ``id``. A text file is shown to `opened` once it is open.
    """
    path, where = (Path("/dev/stdin"), "standard input") if source == "-" else (Path(source), source)
    if source == "-" and stdin is None and sys.stdin is None:
        raise SwissbertError("standard input: it is closed, so there is nothing to read")
    try:
        if format == "auto":
            format = "text" if source == "-" else _format(path, task)
        if format != "text":
            yield from _rows_in(path, where, format, task, opened)
        elif source == "-":  # whatever the locale says, bytes that are not UTF-8 are a bad row and no traceback
            utf8 = stdin or io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape")
            yield from _lines(utf8, where, task)
        else:
            with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
                if opened:
                    opened(file)
                yield from _lines(file, where, task)
    except OSError as error:
        raise SwissbertError(f"{where}: cannot be read ({error.strerror or error})") from error


def _format(path: Path, task: Task) -> str:
    """How a file is read: by its ending, but delimited as the task's files are if its header is, to see the same text."""
    known = {**ENDINGS, ".txt": "text"}
    ending = path.suffix.lower()
    path.stat()  # a file that is not there is the first thing to say
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if ending not in known:
        raise SwissbertError(f"{path}: the ending says no known format ({', '.join(known)}); --format can")
    if ending in (".csv", ".tsv") and task.format in ("cs224n", "csv", "tsv") and path.is_file():
        with path.open("rb") as file:
            header = file.readline(2**16)
        tabs = b"\t" in header or (ending == ".tsv" and b"," not in header)
        if tabs == (task.format != "csv"):
            return task.format
    return known[ending]


def _rows_in(path: Path, where: str, format: str, task: Task, opened: Opened | None) -> Iterator[Row | BadRow]:
    """Rows of a file with columns, which the first row that has them names; JSON lines may have others before it."""
    cells = read_cells(path, format, task.quotes, opened)
    before: list[tuple[int, Cells | str]] = []
    for number, found in islice(cells, HEAD_ROWS):
        if isinstance(found, dict):
            columns = _columns(task, found)
            if columns.text in found and (columns.text_pair is None or columns.text_pair in found):
                task = task.model_copy(update={"columns": columns})
                for early, reason in before:
                    yield BadRow(where, early, reason if isinstance(reason, str) else f"no column '{columns.text}'")
                before = [(number, found)]
                break
        before.append((number, found))
    yield from check_rows(chain(before, cells), task, where, labelled=False)


def _columns(task: Task, cells: Cells) -> Columns:
    """The task's own columns if they are there, else ``text`` and ``text_pair``; labels are not looked at."""
    own = task.columns
    names = {"text": own.text, "text_pair": own.text_pair, "id": own.id}
    if own.text not in cells and "text" in cells:
        names |= {"text": "text", "text_pair": "text_pair" if own.text_pair else None}
    if names["id"] not in cells:
        names["id"] = "id" if "id" in cells else None
    return Columns(text=names["text"] or "text", text_pair=names["text_pair"], id=names["id"], label="\0")


def _lines(file: Iterable[str], source: str, task: Task) -> Iterator[Row | BadRow]:
    for number, line in enumerate(file, 1):
        parts = [part.strip() for part in line.rstrip("\r\n").split("\t")] if task.is_pair else [line.strip()]
        if len(parts) != (2 if task.is_pair else 1):
            yield BadRow(source, number, f"{len(parts)} texts where task '{task.name}' takes a pair with a tab between")
        elif not all(parts):
            yield BadRow(source, number, "the text is empty")
        elif why := unreadable("".join(parts)):
            yield BadRow(source, number, f"the text has {why}")
        else:
            yield Row(number, str(number), parts[0], parts[1] if task.is_pair else None, None)
