"""JSON: one object with column names on each line, and the other shapes in which tools write rows."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import PurePath
from typing import TextIO

from swissbert.data.formats.base import Cells, NumberedCells, ReadOptions, TextFormat
from swissbert.data.formats.encoding import unreadable
from swissbert.data.formats.json_values import LONG_VALUE, JsonValues, has_too_many_marks
from swissbert.data.formats.limits import BLANK_LINES, LINE, MARKS, blank_start, lines_of, long_line
from swissbert.errors import SwissbertError, clipped

LONG_LINE = 2**20
"""Characters of a first line above which it is not parsed to tell the shape of the file."""
Numbered = tuple[int, object]
"""A number and a JSON value, or a number and a `_Bad` line."""


_JSON_NAMES = {str: "text", bool: "true or false", int: "number", float: "number", type(None): "null"}
"""What values that are no rows are called in JSON."""


class _Bad(str):
    """Why a line holds no JSON."""


class JsonLines(TextFormat):
    """JSON Lines, and by their first characters an array of objects or objects over several lines.

    Blank lines are passed over. Numbers are lines, of an array the positions of its items from 1. An object that is
    alone in its file and holds one list of objects stands for that list.
    """

    name = "jsonl"
    endings = (".jsonl", ".ndjson", ".json")

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield the objects, or why a line holds none."""
        start, is_lines = _beginning(file, where)
        if is_lines:
            values: Iterator[Numbered] = _lines(chain(start, lines_of(file)), where)
        else:
            values = _values(file, where, "".join(start))
        first = list(islice(values, 2))
        if len(first) == 1 and isinstance(first[0][1], dict):
            values = _unpacked(first[0], where, options)
        else:
            values = chain(first, values)
        for number, value in values:
            yield number, _cells(value, options)

    def fits(self, start: str, options: ReadOptions) -> bool:
        """Whether the text begins as an object or an array and mentions the expected columns."""
        keys = ([f'"{text.rpartition(".")[2]}"' for text in texts] for texts in options.texts)
        return start.lstrip()[:1] in ("{", "[") and any(all(key in start for key in texts) for texts in keys)


def _beginning(file: TextIO, where: str) -> tuple[list[str], bool]:
    """Read the first line that is not blank, and what more is needed to tell whether each line is a value.

    Returns:
        The lines that were read, and whether lines are values.

    Raises:
        SwissbertError: If very many are blank.
    """
    start = [file.readline(LONG_LINE)]
    _read_blank(start, file, where)
    line = start[-1].strip()
    if len(start[-1]) == LONG_LINE:
        if line[:2] in ("[{", "[["):
            return start, False
        _read_rest(start, file)
        return start, True
    try:
        value = json.loads(line)
    except RecursionError:
        return start, True
    except ValueError as error:  # at the end of the line: the value goes on in the next one
        is_open = line[:1] in ("{", "[") and getattr(error, "pos", 0) >= len(line)
        return start, not (is_open or line[:2] in ("[{", "[["))
    if not isinstance(value, list) or not all(isinstance(item, dict | list | None) for item in value):
        return start, True
    start.append(file.readline(LONG_LINE))
    _read_blank(start, file, where)
    _read_rest(start, file)
    return start, bool(start[-1])  # an array of rows is alone in its file


def _read_blank(start: list[str], file: TextIO, where: str) -> None:
    """Read lines until one is not blank; those that are blank become empty ones."""
    while start[-1] and not start[-1].strip():
        if len(start) > BLANK_LINES:
            raise blank_start(where)
        start[-1:] = ["\n" if start[-1].endswith("\n") else "", file.readline(LONG_LINE)]


def _read_rest(start: list[str], file: TextIO) -> None:
    """Read the rest of the last line, but not much more than a line may have."""
    if len(start[-1]) == LONG_LINE and not start[-1].endswith("\n"):
        start[-1] += file.readline(LINE)


def _lines(lines: Iterator[str], where: str) -> Iterator[Numbered]:
    """Yield the value on each line that is not blank.

    Raises:
        SwissbertError: If a line is longer than `LINE`.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > LONG_VALUE:
            if len(line) > LINE:
                raise long_line(where, number)
            if has_too_many_marks(line):
                yield number, _Bad(f"not read, since it has more than {MARKS:,} values")
                continue
        try:
            yield number, json.loads(line)
        except RecursionError:
            yield number, _Bad("not a JSON object (nested too deeply)")
        except ValueError as error:  # also raised for numbers of thousands of digits
            hint = ""
            if line.rstrip().endswith(","):
                hint = "; a line of JSON Lines does not end with a comma"
            elif line.lstrip().startswith("{'"):
                hint = "; names and texts of JSON are in double quotes"
            yield number, _Bad(f"not a JSON object ({getattr(error, 'msg', error)}){hint}")


def _values(file: TextIO, where: str, start: str) -> Iterator[Numbered]:
    """Yield the items of an array, or values over several lines."""
    values = JsonValues(file, where, start)
    for position, (line, value) in enumerate(values, 1):
        yield position if values.is_array else line, value


def _cells(value: object, options: ReadOptions) -> Cells | str:
    """Return the cells of a row, or why a value is none."""
    if isinstance(value, _Bad):
        return str(value)
    if isinstance(value, list) and not options.header:
        return {str(column): cell for column, cell in enumerate(value, 1)}
    if isinstance(value, list):
        return (
            "a JSON list, not an object with column names; for lists write header = false and give the columns by "
            "their numbers from 1"
        )
    if not isinstance(value, dict):
        return f'JSON {_JSON_NAMES[type(value)]}, not an object with column names; a row is for instance {{"{_text_name(options)}": "..."}}'
    if why := unreadable("".join(value), options.encoding):
        return f"a column name with {why}"
    return value


def _text_name(options: ReadOptions) -> str:
    """Return the name of the text column that is expected."""
    return next((name for texts in options.texts for name in texts), "text")


def _unpacked(only: Numbered, where: str, options: ReadOptions) -> Iterator[Numbered]:
    """Yield the rows that an object holds that is alone in its file: itself, its values, or those of its one list of objects.

    Raises:
        SwissbertError: If it is a table of columns.
    """
    table = only[1]
    assert isinstance(table, dict)
    names = [name for texts in options.texts for name in texts]
    is_split = {"columns", "data"} <= table.keys() and not any(name in table for name in names)
    if is_split or any(isinstance(table.get(name), list | dict) and len(table[name]) > 1 for name in names):
        raise SwissbertError(
            f"{where}: one JSON object with a list of cells for each column, but one object for each row is expected; "
            "pandas writes it with to_json(path, orient='records', lines=True)"
        )
    if len(table) > 1 and all(isinstance(row, dict) and any(name in row for name in names) for row in table.values()):
        options.on_note(f"{PurePath(where).name}: the rows are the values of one object")
        yield from enumerate(table.values(), 1)
        return
    lists = {
        key: value
        for key, value in table.items()
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    }
    if len(lists) != 1 or any(name in table for name in names):
        yield only
        return
    [(key, rows)] = lists.items()
    options.on_note(f"{PurePath(where).name}: the rows are the list in '{clipped(key, 60)}'")
    is_path = any(name.startswith(f"{key}.") for name in options.columns)  # columns are named as seen from the object
    for number, row in enumerate(rows, 1):
        yield number, {**row, key: row} if is_path else row
