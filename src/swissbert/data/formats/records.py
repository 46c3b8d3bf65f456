"""Records of delimited text: lines and cells, with quotes that are syntax, plain text or stray."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from swissbert.data.formats.limits import CELL_LINES, LINE, long_line
from swissbert.forking import ForkLock

_FIELD_LIMIT_LOCK = ForkLock()


class Lines(Protocol):
    """Source of records: an open text file that keeps line ends (``newline=""``), or the like."""

    def readline(self, size: int, /) -> str:
        """Return the next line with its end, or `size` characters of it; an empty string after the last one."""


class Replayed:
    """Lines of which the first ones were read already.

    Args:
        start: The lines that were read.
        rest: What has the others.
    """

    def __init__(self, start: list[str], rest: Lines) -> None:
        self._start, self._rest = start[::-1], rest

    def readline(self, size: int, /) -> str:
        """Return the next line, or `size` characters of it."""
        return self._start.pop() if self._start else self._rest.readline(size)


def split_line(line: str, delimiter: str, quotes: bool) -> list[str]:
    """Split one line into cells; quotes that are never closed are text."""
    text = line.rstrip("\r\n")
    return _lenient(text, delimiter) if quotes and '"' in text else text.split(delimiter)


def records(file: Lines, delimiter: str, quotes: bool, where: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield the records of delimited text that are not blank.

    A quoted cell may span lines if its quotes are balanced and, in tab-separated text, it holds no tab. Otherwise the
    quote is a stray one: only its own line is affected, and the lines after it are read as records of their own.

    Args:
        file: The lines.
        delimiter: The delimiter, one character.
        quotes: Whether quotes are syntax.
        where: Name of the file in messages.

    Yields:
        Number of the first line, cells, and a clause about a stray quote for the message if the record is bad.

    Raises:
        SwissbertError: If a line is longer than `LINE`.
    """
    pending: list[str] = []  # lines to read again, the next one last

    def next_line() -> str:
        return pending.pop() if pending else file.readline(LINE + 1)

    number, stray = 1, 0
    while line := next_line():
        if len(line) > LINE:
            raise long_line(where, number)
        hint, count = "", 1
        if not quotes or '"' not in line:
            text = line.rstrip("\r\n")
            cells = text.split(delimiter) if text.strip(" ") else []
        else:
            lines = [line]
            try:
                cells = _quoted(lines, next_line, delimiter, stray - number)
            except csv.Error:
                # A line up to the last one of these at whose start a quote is open goes the same way, whichever quote
                # it is. So each line is read twice at most, however many quotes are stray.
                stray = max(stray, number + len(lines) - 1)
                pending.extend(reversed(lines[1:]))
                del lines[1:]
                cells, hint = _escaped(line, delimiter), ""
                if not cells:
                    cells = _lenient(line, delimiter)
                    hint = "; a quote on this line is not closed as it should be"
            count = len(lines)
        if cells:
            yield number, cells, hint
        number += count


def _quoted(lines: list[str], next_line: Callable[[], str], delimiter: str, stray: int) -> list[str]:
    """Parse a record with quotes.

    Args:
        lines: Its first line; further lines of the record are appended.
        next_line: Returns the next line, empty at the end.
        delimiter: The delimiter.
        stray: Number of lines after the first one at whose start an open quote is known to be a stray one.

    Raises:
        csv.Error: If a quote is a stray one.
    """

    def taken() -> Iterator[str]:
        """Yield the lines; the parser asks for another one if a quote is open at the end of the last."""
        yield from list(lines)
        size = sum(map(len, lines))
        while True:
            if len(lines) <= stray or len(lines) >= CELL_LINES or size > LINE:
                raise csv.Error("the quote is not closed")
            line = next_line()
            if not line:
                return
            lines.append(line)
            size += len(line)
            yield line if len(line) <= LINE else ""  # whose end was not read

    try:
        cells = next(csv.reader(taken(), delimiter=delimiter, strict=True))
    except csv.Error:
        if sum(map(len, lines)) <= csv.field_size_limit():
            raise
        with _any_field_size():  # the error may be the size of a cell alone
            cells = next(csv.reader(taken(), delimiter=delimiter, strict=True))
    if delimiter == "\t" and len(lines) > 1 and any("\t" in cell for cell in cells):
        raise csv.Error("a quoted cell holds rows")
    return cells


def _escaped(line: str, delimiter: str) -> list[str]:
    """Parse one line whose quotes inside cells have a backslash in front; empty if it is not written so."""
    if '\\"' not in line:
        return []
    try:
        return next(csv.reader([line], delimiter=delimiter, escapechar="\\", strict=True))
    except csv.Error:
        return []


def _lenient(line: str, delimiter: str) -> list[str]:
    """Parse one line as the csv module does without its strict mode."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        with _any_field_size():
            return next(csv.reader([line], delimiter=delimiter))


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Lift the size limit of cells, which the csv module keeps for the whole process, and restore it afterwards."""
    with _FIELD_LIMIT_LOCK:
        before = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(before)
