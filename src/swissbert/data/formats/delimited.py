"""Delimited text: cells separated by tabs, commas, semicolons or any other character."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import TextIO

from swissbert.data.formats.base import Cells, NumberedCells, ReadOptions, TextFormat, check_columns
from swissbert.data.formats.limits import (
    BLANK_LINES,
    COLUMNS,
    LINE,
    blank_start,
    long_line,
    many_columns,
)
from swissbert.data.formats.quoted_cells import QuotedCells
from swissbert.data.formats.records import Replayed, records, split_line
from swissbert.errors import SwissbertError

DELIMITERS = ("\t", ",", ";", "|")
"""Delimiters that are tried if the header does not have the expected columns otherwise."""
NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars", " ": "spaces", ":": "colons"}
"""Names of delimiters in messages."""
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The line by which spreadsheet programs are told the delimiter."""
LINES_BEFORE = 10
"""Lines below the first one in which a header is looked for, to explain why it has not the expected columns."""
LONG_NAME = 60
"""Characters above which a cell of the first line looks like a text rather than the name of a column."""
MOST_WORDS = 4
"""Words above which it does."""
LONG_HEADER = 4096
"""Characters of a header of one cell above which an unknown delimiter is not looked for in it."""


class Delimited(TextFormat):
    """Text with a delimiter between cells. Columns are found by name, so an unnamed index column does no harm.

    Args:
        name: Name of the format.
        endings: Its file endings.
        delimiter: The delimiter, one character; `ReadOptions` may say otherwise.
        quotes: Whether quotes are syntax, as CSV has it, or plain text; `ReadOptions` may say otherwise. With another
            delimiter than its own they are syntax.
    """

    newline = ""  # quoted cells keep their line ends

    def __init__(self, name: str, endings: tuple[str, ...], delimiter: str, quotes: bool) -> None:
        self.name, self.endings, self.delimiter, self.quotes = name, endings, delimiter, quotes

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield cells under the names of the header, the first line that is not blank. Numbers are lines.

        Without a header, cells are under their numbers. Empty cells at the end of a row, and columns without a name
        that a row leaves out there, do no harm.
        """
        start = [_line(file, where, 1)]
        while start[-1] and not start[-1].strip(" \r\n"):
            if len(start) > BLANK_LINES:
                raise blank_start(where)
            start[-1:] = ["\n", _line(file, where, len(start) + 1)]
        if separator := SEPARATOR_LINE.fullmatch(start[-1]):  # the first line of files for a spreadsheet program
            if separator[1] != (options.delimiter or self.delimiter):
                name = PurePath(where).name
                options.on_note(f"{name}: the cells are separated by {called(separator[1])}, as its first line says")
            options = replace(options, delimiter=separator[1])
            start = [*["\n"] * len(start), _line(file, where, len(start) + 1)]
        delimiter, has_header = self._layout(start[-1], where, options)
        if (columns := start[-1].count(delimiter) + 1) > COLUMNS:
            raise many_columns(where, columns)
        quotes = self._quotes(delimiter, options)
        if not quotes and options.quotes is None and has_header and self._is_quoted(start[-1], delimiter, options):
            quotes = True
            options.on_note(f"{PurePath(where).name}: quotes are read as syntax, since the header is in quotes")
        if has_header:
            start += _refuse_later_header(start[-1], file, where, delimiter, options, len(start) + 1)
        names: list[str] = []
        quoted = None if quotes or options.quotes is not None else QuotedCells(options.columns)
        named = beyond = 0  # columns up to the last one with a name; rows with more text after them
        for number, cells, hint in records(Replayed(start, file), delimiter, quotes, where):
            if not names and has_header:
                names = [_name(cell) for cell in cells]
                check_columns(names, where, options.columns)
                _check_header(names, where, options)
                named = max((column for column, name in enumerate(names, 1) if name), default=0)
                continue
            if not names:
                if len(cells) > COLUMNS:
                    raise many_columns(where, len(cells))
                names = [str(column) for column in range(1, len(cells) + 1)]
                _check_numbers(len(cells), where, options)
            beyond += named < len(cells) <= len(names) and any(cells[named:])
            if has_header and _name(cells[0]) == names[0] and [_name(cell) for cell in cells] == names:
                yield number, "the header occurs again"
            elif len(cells) == len(names):
                row: Cells = dict(zip(names, cells, strict=True))
                if quoted is not None:
                    quoted.count(row)
                yield number, row
            else:
                is_ragged = not has_header and delimiter == "\t" and len(cells) >= _needed(options)
                hint = hint or self._hint(cells, names, delimiter, quotes)
                yield number, _uneven(cells, names, hint, has_header=has_header, is_ragged=is_ragged)
        if beyond and has_header:
            name = PurePath(where).name
            options.on_note(f"{name}: {beyond:,} rows hold text in columns without a name, which is not read")
        for note in quoted.notes() if quoted is not None else ():
            options.on_note(f"{PurePath(where).name}: {note}")

    def fits(self, start: str, options: ReadOptions) -> bool:
        """Whether the first line has the expected columns, split by the format's delimiter or the one that is set."""
        delimiter = options.delimiter or self.delimiter
        line = next((line for line in start.splitlines() if line), "")
        names = split_line(line, delimiter, self._quotes(delimiter, options))
        highest = max((int(name) for name in options.columns if name.isdecimal()), default=_needed(options))
        return _has_columns(names, options.texts) or (not options.header and 1 < highest <= len(names))

    def _quotes(self, delimiter: str, options: ReadOptions) -> bool:
        """Whether quotes are syntax."""
        return options.quotes if options.quotes is not None else self.quotes or delimiter != self.delimiter

    @staticmethod
    def _is_quoted(line: str, delimiter: str, options: ReadOptions) -> bool:
        """Whether the header has the expected columns only if its quotes are syntax."""
        plain, quoted = (split_line(line, delimiter, quotes) for quotes in (False, True))
        return plain != quoted and not _has_columns(plain, options.texts) and _has_columns(quoted, options.texts)

    @staticmethod
    def _hint(cells: list[str], names: list[str], delimiter: str, quotes: bool) -> str:
        """Return what helps with a row of too many or too few cells, as the end of a sentence."""
        if not quotes and any(cell.startswith('"') != cell.endswith('"') for cell in cells):
            return "; quotes = true in the task reads quotes as syntax, also around texts of several lines"
        if len(cells) > len(names) and delimiter != "\t":
            return f"; a text that holds {called(delimiter)} has to be in double quotes"
        return ""

    def _layout(self, line: str, where: str, options: ReadOptions) -> tuple[str, bool]:
        """Return the delimiter of a file and whether it has a header; report what was not declared so.

        Args:
            line: The first line that is not blank.
            where: Name of the file.
            options: How it is read.
        """
        declared = options.delimiter or self.delimiter
        names = {
            delimiter: split_line(line, delimiter, self._quotes(delimiter, options))
            for delimiter in dict.fromkeys((declared, *DELIMITERS))
            if delimiter == declared or line.count(delimiter) < COLUMNS
        }
        having = [delimiter for delimiter, cells in names.items() if _has_columns(cells, options.texts)]
        has_header = options.header or bool(having)
        if not having and len(names[declared]) == 1 and options.texts:  # one cell: most likely of another delimiter
            several = [delimiter for delimiter, cells in names.items() if len(cells) >= max(2, _needed(options))]
            having = several if len(several) == 1 else []
        delimiter = declared if declared in having or not having else having[0]
        name = PurePath(where).name
        if delimiter != declared:
            options.on_note(f"{name}: the cells are separated by {called(delimiter)}, not by {called(declared)}")
        if has_header and not options.header:
            options.on_note(f"{name}: the first line names the columns, although header is false")
        return delimiter, has_header


def one_character(delimiter: str) -> str:
    """Return a delimiter as it is set: one character, or ``tab``.

    Raises:
        ValueError: If it is neither.
    """
    character = "\t" if delimiter in ("tab", "\\t") else delimiter
    if len(character) != 1 or character in '\r\n"':
        raise ValueError(f"delimiter is {delimiter!r}, but it is one character, for instance ';', or 'tab'")
    return character


def called(delimiter: str) -> str:
    """Return the name of a delimiter in messages."""
    return NAMES.get(delimiter, repr(delimiter))


def _has_columns(names: list[str], expected: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a first line names the expected columns. Numbers name none: a header cannot be told from data by them."""
    here = {_name(name) for name in names}
    return any(here.issuperset(texts) and not all(text.isdigit() for text in texts) for texts in expected)


def _name(cell: str) -> str:
    """Return the column name in a cell of the header, without space and byte order marks."""
    return cell.strip().strip("\ufeff").strip()


def _needed(options: ReadOptions) -> int:
    """Return the highest number among the columns of a file without a header; 0 if there is none."""
    numbers = [int(text) for texts in options.texts for text in texts if text.isdecimal()]
    return 0 if options.header else max(numbers, default=0)


def _check_header(names: list[str], where: str, options: ReadOptions) -> None:
    """Raise SwissbertError if the expected columns are missing because the first line is not a header."""
    if not options.texts or _has_columns(names, options.texts):
        return
    if len(names) == 1 and (mark := _unknown_delimiter(names[0], options)):
        way = f"delimiter = {json.dumps(mark)} reads it" if len(mark) == 1 else "one character is expected, as a tab"
        raise SwissbertError(
            f"{where}: the header is {names[0][:60]!r}, with {mark!r} between columns; {way}", argument="delimiter"
        )
    data = next((name for name in names if _looks_like_data(name)), None)
    missing = [text for text in options.texts[0] if text not in names]
    if data is not None and missing:
        shown = ", ".join(repr(name if len(name) <= 30 else f"{name[:30]}...") for name in names[:4])
        raise SwissbertError(
            f"{where}: the first line is taken as the header, has no column {missing[0]!r} and looks like data "
            f"({shown}); for a file without a header write header = false and give the columns by their numbers from 1, "
            "for instance columns = { text = 2, label = 1 }",
            argument="header",
        )


def _unknown_delimiter(name: str, options: ReadOptions) -> str | None:
    """Return what stands between the columns in a header of one cell; None if the columns are not in it."""
    is_short = len(name) <= LONG_HEADER and len(options.columns) > 1
    marks = dict.fromkeys(re.findall(r"[^\w\s]+", name)) if is_short else {}
    return next(
        (mark for mark in marks if {part.strip() for part in name.split(mark)}.issuperset(options.columns)), None
    )


def _line(file: TextIO, where: str, number: int) -> str:
    """Read the next line, which is not longer than `LINE`; empty at the end."""
    line = file.readline(LINE + 1)
    if len(line) > LINE:
        raise long_line(where, number)
    return line


def _refuse_later_header(
    line: str, file: TextIO, where: str, delimiter: str, options: ReadOptions, next_number: int
) -> list[str]:
    """Raise SwissbertError if the expected columns are missing in the first line and there in one of the next ones.

    Returns:
        The lines that were read to see this.
    """
    if not options.texts or _has_columns(split_line(line, delimiter, True), options.texts):
        return []
    lines = [line for line in (_line(file, where, next_number + i) for i in range(LINES_BEFORE)) if line]
    for number, later in enumerate(lines, 1):
        if not any(all(text in later for text in texts) for texts in options.texts):
            continue  # saves splitting long lines
        for mark in dict.fromkeys((delimiter, *DELIMITERS)):
            if _has_columns(split_line(later, mark, True), options.texts) and mark in later:
                raise SwissbertError(
                    f"{where}: the first line is taken as the header, but the columns are named {number} line(s) below "
                    "it; remove the lines above"
                )
    return lines


def _check_numbers(count: int, where: str, options: ReadOptions) -> None:
    """Raise SwissbertError if a file without a header has fewer columns than are read."""
    highest = max((int(name) for name in options.columns if name.isdecimal()), default=0)
    if _needed(options) > count:
        raise SwissbertError(
            f"{where}: column {highest} is read, but the first line has {count} cells; the first column is number 1"
        )


def _looks_like_data(cell: str) -> bool:
    """Whether a cell of the first line is a text or a number rather than the name of a column, which may be a year."""
    if len(cell) > LONG_NAME or len(cell.split()) > MOST_WORDS:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return not (len(cell) == 4 and cell.isdigit() and cell[:2] in ("19", "20"))


def _uneven(cells: list[str], names: list[str], hint: str, *, has_header: bool, is_ragged: bool) -> Cells | str:
    """Return the cells of a row with more or fewer cells than columns, or the reason why it cannot be used.

    Rows of tab-separated tables without a header may be of different lengths, as in some data sets they are: a tab is
    rarely part of a text. In other tables the delimiter may be, and the rest of a text would be lost.
    """
    extra, missing = cells[len(names) :], names[len(cells) :]
    if is_ragged or not (any(cell.strip() for cell in extra) or any(missing)):
        return dict(zip(names, cells, strict=False))
    return f"{len(cells)} cells where {'the header' if has_header else 'the first line'} has {len(names)}{hint}"
