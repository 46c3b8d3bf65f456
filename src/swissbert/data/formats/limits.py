"""How large the parts of a data file may be: far beyond what people have, and small enough for any machine.

With them, reading takes time in proportion to a file and memory that does not grow with it, whatever the file holds.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TextIO, TypeVar

from swissbert.errors import SwissbertError

LINE = 2**22
"""Characters of a line of text, and of a row with quoted cells of several lines."""
CELL_LINES = 100_000
"""Lines of a row with quoted cells."""
BLANK_LINES = 100_000
"""Blank lines before the first one that is not."""
COLUMNS = 100_000
"""Columns of a table."""
OBJECT = 2**25
"""Bytes in memory of the text of one JSON value that is not alone on its line, such as a file that is one object."""
MARKS = 2**20
"""Commas, colons and opening brackets of one JSON value, each of which costs up to a hundred bytes of memory."""
EXPANSION, EXPANDED = 64, 2**21
"""How many times its size a compressed file may become, beyond the bytes that any may. Text becomes about 4 times as large."""
PARQUET_EXPANSION = 200
"""The same for the columns of a Parquet file."""
TEXT_EXPANSION = 1000
"""The same for the texts of a Parquet file, in which one that is repeated takes a few bits."""
TOGETHER = 2**24
"""Characters of rows that are kept together in memory while they are read ahead, tokenized or answered."""

T = TypeVar("T")


def long_line(where: str, number: int) -> SwissbertError:
    """Word the error for a line of more than `LINE` characters."""
    return SwissbertError(
        f"{where}: line {number:,} has more than {LINE:,} characters, so it is not read; is the file a table or text, "
        "with a row on each line?"
    )


def blank_start(where: str) -> SwissbertError:
    """Word the error for a file that begins with more than `BLANK_LINES` blank lines."""
    return SwissbertError(f"{where}: the first {BLANK_LINES:,} lines are blank, so it is not read; remove them")


def many_columns(where: str, count: int) -> SwissbertError:
    """Word the error for a table of more than `COLUMNS` columns."""
    return SwissbertError(
        f"{where}: there are {count:,} columns, but at most {COLUMNS:,} are read; leave out the others"
    )


def lines_of(file: TextIO) -> Iterator[str]:
    """Return an iterator over the lines of a file; of one that is too long the first ``LINE + 1`` characters."""
    return iter(partial(file.readline, LINE + 1), "")


def size_of(cells: object) -> int:
    """Return about how many bytes a row's cells, or one cell, take in memory, if characters take one byte each."""
    if isinstance(cells, str | bytes):
        return 50 + len(cells)
    size, pending = 0, [cells]
    while pending:
        value = pending.pop()
        if isinstance(value, str | bytes):
            size += 50 + len(value)
        elif isinstance(value, dict):
            size += 64
            pending += value.values()
        elif isinstance(value, list | tuple):
            size += 56
            pending += value
        else:
            size += 32
    return size


def taken(rows: Iterator[T], most: int, size: Callable[[T], int], together: int = TOGETHER) -> list[T]:
    """Return the next rows, at most so many and no more than fit together into memory, but at least one.

    Args:
        rows: The rows; those that are returned are taken from it.
        most: How many.
        size: Returns the bytes of one.
        together: Bytes of all of them but the last.
    """
    taken: list[T] = []
    for row in rows:
        taken.append(row)
        together -= size(row)
        if len(taken) == most or together <= 0:
            break
    return taken


def chunks(rows: Iterable[T], most: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield rows as lists; arguments as for `taken`."""
    rest = iter(rows)
    while chunk := taken(rest, most, size):
        yield chunk
