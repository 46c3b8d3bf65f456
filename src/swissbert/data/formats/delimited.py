"""Delimited text: cells separated by tabs, commas, semicolons or any other character."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TextIO

from swissbert.data.formats.base import Cells, NumberedCells, ReadOptions, TextFormat, check_columns
from swissbert.data.formats.header import (
    DELIMITERS,
    check_header,
    check_names,
    check_numbers,
    column_keys,
    column_name,
    has_columns,
    header_line,
    highest_number,
    next_lines,
    refuse_later_header,
    told_apart,
)
from swissbert.data.formats.limits import (
    BLANK_LINES,
    COLUMNS,
    blank_start,
    many_columns,
)
from swissbert.data.formats.quoted_cells import QuotedCells
from swissbert.data.formats.records import Replayed, records, split_line
from swissbert.wording import counted

NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars", " ": "spaces", ":": "colons"}
"""Names of delimiters in messages."""
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The line by which spreadsheet programs are told the delimiter."""


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
        start = [header_line(file, where, 1)]
        while start[-1] and not start[-1].strip(" \r\n"):
            if len(start) > BLANK_LINES:
                raise blank_start(where)
            start[-1:] = ["\n", header_line(file, where, len(start) + 1)]
        if separator := SEPARATOR_LINE.fullmatch(start[-1]):  # the first line of files for a spreadsheet program
            if separator[1] != (options.delimiter or self.delimiter):
                name = PurePath(where).name
                options.on_note(f"{name}: the cells are separated by {called(separator[1])}, as its first line says")
            options = replace(options, delimiter=separator[1])
            start = [*["\n"] * len(start), header_line(file, where, len(start) + 1)]
        first = start[-1]
        ahead: list[str] = []

        def lines_ahead() -> list[str]:
            if not ahead:
                ahead.extend(next_lines(file, where, len(start) + 1))
                start.extend(ahead)  # which are read as rows after this
            return ahead

        delimiter, has_header = self._layout(first, lines_ahead, where, options)
        if (columns := first.count(delimiter) + 1) > COLUMNS:
            raise many_columns(where, columns)
        quotes = self._quotes(delimiter, options)
        if not quotes and options.quotes is None and has_header and self._is_quoted(first, delimiter, options):
            quotes = True
            options.on_note(f"{PurePath(where).name}: quotes are read as syntax, since the header is in quotes")
        if has_header and options.texts and not has_columns(split_line(first, delimiter, True), options.texts):
            refuse_later_header(lines_ahead(), where, delimiter, options)
        names: list[str] = []
        keys: list[str] = []  # the names, of which none occurs twice
        is_empty = True
        quoted = None if quotes or options.quotes is not None else QuotedCells(options.columns)
        named = beyond = 0  # columns up to the last one with a name; rows with more text after them
        for number, cells, hint in records(Replayed(start, file), delimiter, quotes, where):
            if not names and has_header:
                names = [column_name(cell) for cell in cells]
                check_columns(names, where, options.columns)
                check_header(names, where, options)
                named = max((column for column, name in enumerate(names, 1) if name), default=0)
                keys = column_keys(names, named)
                options.on_columns(keys)
                if options.is_input and (renamed := [key for key in keys if key not in names]):
                    options.on_note(told_apart(renamed, where))
                continue
            if not names:
                if len(cells) > COLUMNS:
                    raise many_columns(where, len(cells))
                keys = names = [str(column) for column in range(1, len(cells) + 1)]
                check_numbers(len(cells), where, options)
            is_empty = False
            beyond += named < len(cells) <= len(names) and any(cells[named:])
            if has_header and column_name(cells[0]) == names[0] and [column_name(cell) for cell in cells] == names:
                yield number, "the header occurs again"
            elif len(cells) == len(names):
                row: Cells = dict(zip(keys, cells, strict=False))
                if quoted is not None:
                    quoted.count(row)
                yield number, row
            else:
                is_ragged = not has_header and delimiter == "\t" and len(cells) >= highest_number(options)
                hint = hint or self._hint(cells, names, delimiter, quotes)
                yield number, _uneven(cells, names, keys, hint, has_header=has_header, is_ragged=is_ragged)
        if is_empty and has_header and names and options.is_input:
            check_names(names, where, options)
        if beyond and has_header:
            name = PurePath(where).name
            hold = "row holds" if beyond == 1 else "rows hold"
            options.on_note(f"{name}: {beyond:,} {hold} text in columns without a name, which is not read")
        for note in quoted.notes() if quoted is not None else ():
            options.on_note(f"{PurePath(where).name}: {note}")

    def fits(self, start: str, options: ReadOptions) -> bool:
        """Whether the first line has the expected columns, split by the format's delimiter or the one that is set."""
        delimiter = options.delimiter or self.delimiter
        line = next((line for line in start.splitlines() if line), "")
        names = split_line(line, delimiter, self._quotes(delimiter, options))
        highest = max((int(name) for name in options.columns if name.isdecimal()), default=highest_number(options))
        return has_columns(names, options.texts) or (not options.header and 1 < highest <= len(names))

    def _quotes(self, delimiter: str, options: ReadOptions) -> bool:
        """Whether quotes are syntax."""
        return options.quotes if options.quotes is not None else self.quotes or delimiter != self.delimiter

    @staticmethod
    def _is_quoted(line: str, delimiter: str, options: ReadOptions) -> bool:
        """Whether the header has the expected columns only if its quotes are syntax."""
        plain, quoted = (split_line(line, delimiter, quotes) for quotes in (False, True))
        return plain != quoted and not has_columns(plain, options.texts) and has_columns(quoted, options.texts)

    @staticmethod
    def _hint(cells: list[str], names: list[str], delimiter: str, quotes: bool) -> str:
        """Return what helps with a row of too many or too few cells, as the end of a sentence."""
        if not quotes and any(cell.startswith('"') != cell.endswith('"') for cell in cells):
            return "; quotes = true in the task reads quotes as syntax, also around texts of several lines"
        if len(cells) > len(names) and delimiter != "\t":
            return f"; a text that holds {called(delimiter)} has to be in double quotes"
        return ""

    def _layout(
        self, line: str, lines_ahead: Callable[[], list[str]], where: str, options: ReadOptions
    ) -> tuple[str, bool]:
        """Return the delimiter of a file and whether it has a header; report what was not declared so.

        Args:
            line: The first line that is not blank.
            lines_ahead: Reads the next lines.
            where: Name of the file.
            options: How it is read.
        """
        declared = options.delimiter or self.delimiter
        cells = {
            delimiter: split_line(line, delimiter, self._quotes(delimiter, options))
            for delimiter in dict.fromkeys((declared, *DELIMITERS))
            if delimiter == declared or line.count(delimiter) < COLUMNS
        }
        having = [delimiter for delimiter, names in cells.items() if has_columns(names, options.texts)]
        has_header = options.header or bool(having)
        delimiter = declared if declared in having else having[0] if having else None
        if delimiter is None and (options.texts or not options.header):
            delimiter = self._guessed({mark: len(parts) for mark, parts in cells.items()}, lines_ahead, options)
        name = PurePath(where).name
        if delimiter not in (None, declared):
            options.on_note(f"{name}: the cells are separated by {called(delimiter)}, not by {called(declared)}")
        if has_header and not options.header:
            options.on_note(f"{name}: the first line names the columns, although header is false")
        return delimiter or declared, has_header

    def _guessed(
        self, counts: Mapping[str, int], lines_ahead: Callable[[], list[str]], options: ReadOptions
    ) -> str | None:
        """Return the delimiter where the first line does not name the expected columns; None for the declared one.

        If the first line has several, it is the one that splits the next lines into as many cells. A declared tab stays,
        since a tab is rarely part of a text, and so does a delimiter that people set.

        Args:
            counts: Number of cells in the first line, by delimiter.
            lines_ahead: Reads the next lines.
            options: How the file is read.
        """
        declared = options.delimiter or self.delimiter
        counts = {mark: count for mark, count in counts.items() if count >= max(2, highest_number(options))}
        if declared in counts and (declared == "\t" or options.delimiter is not None):
            return None
        if len(counts) < 2:
            return next(iter(counts), None)
        if options.is_stream:  # whose rows are answered one by one
            return None
        lines = [line for line in lines_ahead() if line.strip()]
        fitting = [
            mark
            for mark, count in counts.items()
            if all(self._splits_evenly(line, mark, count, options) for line in lines)
        ]
        return fitting[0] if lines and len(fitting) == 1 else None

    def _splits_evenly(self, line: str, delimiter: str, count: int, options: ReadOptions) -> bool:
        """Whether a line has a number of cells, not counting empty ones at its end."""
        cells = split_line(line, delimiter, self._quotes(delimiter, options))
        return count <= len(cells) and not any(cell.strip() for cell in cells[count:])


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


def _uneven(
    cells: list[str], names: list[str], keys: list[str], hint: str, *, has_header: bool, is_ragged: bool
) -> Cells | str:
    """Return the cells of a row with more or fewer cells than columns, or the reason why it cannot be used.

    Rows of tab-separated tables without a header may be of different lengths, as in some data sets they are: a tab is
    rarely part of a text. In other tables the delimiter may be, and the rest of a text would be lost.
    """
    extra, missing = cells[len(names) :], names[len(cells) :]
    if is_ragged or not (any(cell.strip() for cell in extra) or any(missing)):
        return dict(zip(keys, cells, strict=False))
    where = "the header" if has_header else "the first line"
    return f"{counted(len(cells), 'cell')} where {where} has {len(names)}{hint}"
