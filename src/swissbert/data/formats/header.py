"""The header of delimited text: its columns, and what is wrong where the expected ones are missing."""

import json
import re
from collections import Counter
from pathlib import PurePath
from typing import TextIO

from swissbert.data.formats.base import ReadOptions
from swissbert.data.formats.limits import LINE, long_line
from swissbert.data.formats.nested import columns_here, columns_shown
from swissbert.data.formats.records import split_line
from swissbert.errors import SwissbertError

DELIMITERS = ("\t", ",", ";", "|")
"""Delimiters that are tried if the header does not have the expected columns otherwise."""
LINES_AHEAD = 10
"""Lines below the first one that are looked at where it does not name the expected columns."""
LONG_NAME = 60
"""Characters above which a cell of the first line looks like a text rather than the name of a column."""
MOST_WORDS = 4
"""Words above which it does."""
LONG_HEADER = 4096
"""Characters of a header of one cell above which an unknown delimiter is not looked for in it."""


def has_columns(names: list[str], expected: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a first line names the expected columns. Numbers name none: a header cannot be told from data by them."""
    here = {column_name(name) for name in names}
    return any(here.issuperset(texts) and not all(text.isdigit() for text in texts) for texts in expected)


def column_name(cell: str) -> str:
    """Return the column name in a cell of the header, without space and byte order marks."""
    return cell.strip().strip("\ufeff").strip()


def highest_number(options: ReadOptions) -> int:
    """Return the highest number among the columns of a file without a header; 0 if there is none."""
    numbers = [int(text) for texts in options.texts for text in texts if text.isdecimal()]
    return 0 if options.header else max(numbers, default=0)


def check_header(names: list[str], where: str, options: ReadOptions) -> None:
    """Raise SwissbertError if the expected columns are missing because the first line is not a header."""
    if not options.texts or has_columns(names, options.texts):
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


def check_names(names: list[str], where: str, options: ReadOptions) -> None:
    """Raise SwissbertError if a table without rows lacks the expected columns, so that it is none of the expected kind."""
    missing = next((text for texts in options.texts[:1] for text in texts if text not in names), None)
    if missing is not None and not has_columns(names, options.texts):
        raise SwissbertError(
            f"{where}: has a header and no rows, and no column {missing!r} ({columns_here(dict.fromkeys(names))})",
            argument="text_column",
        )


def column_keys(names: list[str], named: int) -> list[str]:
    """Return the names under which a header's columns are kept: a name that occurs again gets a number, as ``note.1``.

    Args:
        names: The names in the header.
        named: The number of columns up to the last one with a name; of several without a name, those after it are not kept.
    """
    if len(set(names)) == len(names):
        return names
    given, keys, counts = set(names), dict[str, None](), Counter[str]()
    for name in names[:named] if names.count("") > 1 else names:
        key = name
        while key in keys or (key in given and key != name):
            counts[name] += 1
            key = f"{name}.{counts[name]}"
        keys[key] = None
    return list(keys)


def told_apart(keys: list[str], where: str) -> str:
    """Word that columns got other names than in the header, where another column has the same name, or none either."""
    what = "columns of the same name, or without one, are told apart by numbers"
    return f"{PurePath(where).name}: {what}: {columns_shown(keys)}"


def _unknown_delimiter(name: str, options: ReadOptions) -> str | None:
    """Return what stands between the columns in a header of one cell; None if the columns are not in it."""
    is_short = len(name) <= LONG_HEADER and len(options.columns) > 1
    marks = dict.fromkeys(re.findall(r"[^\w\s]+", name)) if is_short else {}
    return next(
        (mark for mark in marks if {part.strip() for part in name.split(mark)}.issuperset(options.columns)), None
    )


def header_line(file: TextIO, where: str, number: int) -> str:
    """Read the next line, which is not longer than `LINE`; empty at the end."""
    line = file.readline(LINE + 1)
    if len(line) > LINE:
        raise long_line(where, number)
    return line


def next_lines(file: TextIO, where: str, number: int) -> list[str]:
    """Read up to `LINES_AHEAD` lines, the first of which has this number."""
    return [line for line in (header_line(file, where, number + i) for i in range(LINES_AHEAD)) if line]


def refuse_later_header(lines: list[str], where: str, delimiter: str, options: ReadOptions) -> None:
    """Raise SwissbertError if one of the lines below the first one names the expected columns."""
    for number, later in enumerate(lines, 1):
        if not any(all(text in later for text in texts) for texts in options.texts):
            continue  # saves splitting long lines
        for mark in dict.fromkeys((delimiter, *DELIMITERS)):
            if has_columns(split_line(later, mark, True), options.texts) and mark in later:
                raise SwissbertError(
                    f"{where}: the first line is taken as the header, but the columns are named {number} line(s) below "
                    "it; remove the lines above"
                )


def check_numbers(count: int, where: str, options: ReadOptions) -> None:
    """Raise SwissbertError if a file without a header has fewer columns than are read."""
    highest = max((int(name) for name in options.columns if name.isdecimal()), default=0)
    if highest_number(options) > count:
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
