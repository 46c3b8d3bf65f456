"""File formats of data. A new format is a `Format` in a file here and one line in `FORMATS`."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from swissbert.data.formats.base import Cells, Format, MissingFormat, NumberedCells, OnOpen, ReadOptions, TextFormat
from swissbert.data.formats.delimited import Delimited
from swissbert.data.formats.encoding import unreadable
from swissbert.data.formats.jsonl import JsonLines
from swissbert.data.formats.parquet import Parquet
from swissbert.data.formats.text import PlainText
from swissbert.errors import SwissbertError, nearest

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


def find_format(path: Path, format: Format | str = "auto") -> Format:
    """Return the format to read a file with.

    Args:
        path: The file, for its ending.
        format: A format, the name of one, or ``auto`` for the one that the ending stands for.

    Raises:
        SwissbertError: If the name or the ending is unknown; lists those that are known.
    """
    if isinstance(format, Format):
        return format
    if format == "auto":
        ending = path.suffix.lower()
        if ending not in ENDINGS:
            raise SwissbertError(
                f"{path}: no format is known by the ending '{ending}' (known: {', '.join(ENDINGS)}); "
                f"set the format by name: {', '.join(FORMATS)}",
                argument="format",
            )
        return ENDINGS[ending]
    if format not in FORMATS:
        raise SwissbertError(f"{path}: {unknown_format(format)}", argument="format")
    return FORMATS[format]


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
    try:
        yield from find_format(path, format).cells(path, options or ReadOptions(), on_open)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or ' '.join(str(error).split())})") from error


def head(path: Path, count: int, format: Format | str = "auto") -> list[Cells]:
    """Return the cells of the first `count` readable rows of a file."""
    return list(islice((cells for _, cells in read_cells(path, format) if isinstance(cells, dict)), count))


__all__ = [
    "ENDINGS",
    "FORMATS",
    "Cells",
    "Format",
    "MissingFormat",
    "NumberedCells",
    "OnOpen",
    "ReadOptions",
    "TextFormat",
    "find_format",
    "head",
    "read_cells",
    "unknown_format",
    "unreadable",
]
