"""File formats of data. A new format is a `Format` in a file here and one line in `FORMATS`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from swissbert.data.formats.base import (
    Cells,
    Format,
    MissingFormat,
    NumberedCells,
    OnNote,
    OnOpen,
    ReadOptions,
    TextFormat,
    ignore_note,
)
from swissbert.data.formats.compression import ending_of, member_name
from swissbert.data.formats.delimited import Delimited, one_character
from swissbert.data.formats.encoding import codec_of, unreadable
from swissbert.data.formats.header import DELIMITERS
from swissbert.data.formats.jsonl import JsonLines
from swissbert.data.formats.nested import COLUMNS_SHOWN, NAME_SHOWN, column_names, columns_here, with_nested
from swissbert.data.formats.other_files import refuse_other_files
from swissbert.data.formats.parquet import Parquet
from swissbert.data.formats.start import start_of_text
from swissbert.data.formats.text import PlainText
from swissbert.errors import SwissbertError, nearest
from swissbert.reading import open_regular

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Delimited("cs224n", (), delimiter="\t", quotes=True),  # the course's files: .csv by name, tabs inside
        Delimited("tsv", (".tsv",), delimiter="\t", quotes=False),  # quotes in such files are usually plain text
        Delimited("csv", (".csv",), delimiter=",", quotes=True),
        JsonLines(),
        Parquet(),
        PlainText(),
    )
}
"""The formats by name. Importing them imports no pyarrow."""

ENDINGS: dict[str, Format] = {ending: format for format in FORMATS.values() for ending in format.endings}
"""The format that each file ending stands for."""


def find_format(path: Path, format: Format | str = "auto", options: ReadOptions | None = None) -> Format:
    """Return the format to read a file with.

    Args:
        path: The file, for its ending: that of its name without ``.gz`` and the like, or of the file in a zip archive.
        format: A format, the name of one, or ``auto`` for the one that the ending stands for. A file of text whose
            ending says nothing about columns (``.txt``, or one that is not known) is a table if its first line has the
            columns of `options`, or if they name a delimiter.
        options: How the file is read.

    Raises:
        OSError: If the file cannot be read.
        SwissbertError: If the name or the ending is unknown; lists those that are known.
    """
    if isinstance(format, Format):
        return format
    if format != "auto":
        if format not in FORMATS:
            raise SwissbertError(f"{path}: {unknown_format(format)}", argument="format")
        return FORMATS[format]
    ending = ending_of(member_name(path))
    by_ending = ENDINGS.get(ending)
    if by_ending is not None and by_ending.has_columns:
        return by_ending
    options = options or ReadOptions()
    table = table_format(start_of_text(path, options) if options.texts else "", options)
    if table is not None:
        return table
    if by_ending is None:
        if path.is_file():
            with open_regular(path) as file:
                refuse_other_files(file.read(64), str(path))
        raise SwissbertError(
            f"{path}: no format is known by the ending '{ending}' (known: {', '.join(ENDINGS)}); "
            f"set the format by name: {', '.join(FORMATS)}",
            argument="format",
        )
    return by_ending


def table_format(start: str, options: ReadOptions) -> Format | None:
    """Return the format with columns that a text has: by the delimiter of `options`, or by its first line.

    Args:
        start: Its beginning.
        options: How it is read, with the columns to expect.

    Returns:
        The format; None if it has no columns.
    """
    if options.delimiter is not None:
        return FORMATS["tsv" if options.delimiter == "\t" else "csv"]
    line = next((line for line in start.splitlines() if line), "")
    if options.is_input and (line.strip(),) in options.texts:
        return FORMATS["tsv"]  # a table of one column, in which commas and quotes are text
    for delimiter in DELIMITERS:
        format = FORMATS["tsv" if delimiter == "\t" else "csv"]
        is_likely = options.header or delimiter == "\t"  # without names, a comma or the like may be part of a text
        if delimiter in line and is_likely and format.fits(line, replace(options, delimiter=delimiter)):
            return format
    return FORMATS["jsonl"] if FORMATS["jsonl"].fits(start, options) else None


def unknown_format(name: object) -> str:
    """Word the error for a value that names no format."""
    from swissbert.settings import shown  # imports pydantic, which the names of formats do without

    return (
        f"{shown(name)} is not a file format; the formats are auto, {', '.join(FORMATS)}{nearest(str(name), FORMATS)}"
    )


def read_cells(
    path: Path, format: Format | str = "auto", options: ReadOptions | None = None, on_open: OnOpen | None = None
) -> Iterator[NumberedCells]:
    """Yield the rows of a file as `Format.cells` does.

    Args:
        path: The file.
        format: As in `find_format`.
        options: How to read it; None for the defaults.
        on_open: Called with the open file, if the format is text.

    Raises:
        SwissbertError: If the format is unknown, or the file cannot be read or is not of that format.
    """
    options = options or ReadOptions()
    try:
        rows = find_format(path, format, options).cells(path, options, on_open)
        yield from with_nested(rows, options.columns)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or ' '.join(str(error).split())})") from error


def head(path: Path, count: int, format: Format | str = "auto", options: ReadOptions | None = None) -> list[Cells]:
    """Return the cells of the first `count` readable rows of a file."""
    rows = read_cells(path, format, options)
    return list(islice((cells for _, cells in rows if isinstance(cells, dict)), count))


__all__ = [
    "COLUMNS_SHOWN",
    "ENDINGS",
    "FORMATS",
    "NAME_SHOWN",
    "Cells",
    "Delimited",
    "Format",
    "JsonLines",
    "MissingFormat",
    "NumberedCells",
    "OnNote",
    "OnOpen",
    "ReadOptions",
    "TextFormat",
    "codec_of",
    "column_names",
    "columns_here",
    "ending_of",
    "find_format",
    "head",
    "ignore_note",
    "member_name",
    "one_character",
    "read_cells",
    "start_of_text",
    "table_format",
    "unknown_format",
    "unreadable",
    "with_nested",
]
