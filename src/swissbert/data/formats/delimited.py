"""Tab- and comma-separated text with a header line."""

import csv
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from swissbert.data.formats.base import NumberedCells, ReadOptions, TextFormat, check_columns

_FIELD_LIMIT_LOCK = threading.Lock()


class Delimited(TextFormat):
    """Text with a delimiter between cells. Columns are found by name, so an unnamed index column does no harm.

    Args:
        name: Name of the format.
        endings: Its file endings.
        delimiter: The delimiter, one character.
        quotes: Whether quotes are syntax, as CSV has it, or plain text; `ReadOptions` may say otherwise.
    """

    newline = ""  # quoted cells keep their line ends

    def __init__(self, name: str, endings: tuple[str, ...], delimiter: str, quotes: bool) -> None:
        self.name, self.endings, self.delimiter, self.quotes = name, endings, delimiter, quotes

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield cells under the names of the header, the first line that is not blank. Numbers are lines."""
        quotes = self.quotes if options.quotes is None else options.quotes
        header: list[str] = []
        for number, cells, hint in records(file, self.delimiter, quotes):
            if not header:
                header = [name.strip() for name in cells]
                check_columns(header, where)
            elif len(cells) != len(header):
                yield number, f"{len(cells)} cells where the header has {len(header)}{hint}"
            else:
                yield number, dict(zip(header, cells, strict=True))

    def fits(self, path: Path) -> bool:
        """Whether a ``.csv`` or ``.tsv`` file has this delimiter in its header; without any, whether the ending agrees."""
        ending = path.suffix.lower()
        if ending not in (".csv", ".tsv") or not path.is_file():
            return False
        with path.open("rb") as file:
            header = file.readline(2**16)
        has_tabs = b"\t" in header or (ending == ".tsv" and b"," not in header)
        return has_tabs == (self.delimiter == "\t")


def records(file: TextIO, delimiter: str, quotes: bool) -> Iterator[tuple[int, list[str], str]]:
    """Yield the records of delimited text that are not blank.

    A quoted cell may span lines if its quotes are balanced and, in tab-separated text, it holds no tab. Otherwise the
    quote is a stray one: only its own line is affected, and the lines after it are read as records of their own.

    Args:
        file: A text file that keeps line ends (``newline=""``).
        delimiter: The delimiter, one character.
        quotes: Whether quotes are syntax.

    Yields:
        Number of the first line, cells, and a clause about a stray quote for the message if the record is bad.
    """
    pending: list[str] = []  # lines to read again, the next one last

    def next_line() -> str:
        return pending.pop() if pending else file.readline()

    number = 1
    while line := next_line():
        hint, count = "", 1
        if not quotes or '"' not in line:
            text = line.rstrip("\r\n")
            cells = text.split(delimiter) if text else []
        else:
            lines = [line]
            try:
                cells = _quoted(lines, next_line, delimiter)
            except csv.Error:
                pending.extend(reversed(lines[1:]))
                del lines[1:]
                cells = _lenient(line, delimiter)
                hint = "; a quote on this line is not closed as it should be"
            count = len(lines)
        if cells:
            yield number, cells, hint
        number += count


def _quoted(lines: list[str], next_line: Callable[[], str], delimiter: str) -> list[str]:
    """Parse a record with quotes.

    Args:
        lines: Its first line; further lines of the record are appended.
        next_line: Returns the next line, empty at the end.
        delimiter: The delimiter.

    Raises:
        csv.Error: If a quote is a stray one.
    """

    def taken() -> Iterator[str]:
        yield from list(lines)
        while line := next_line():
            lines.append(line)
            yield line

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
