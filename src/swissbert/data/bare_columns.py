"""Which columns of a file without a header hold the text and the label, for the hint of a message."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swissbert.data.formats import FORMATS, ReadOptions, find_format, head, start_of_text
from swissbert.errors import SwissbertError

ROWS = 200
"""Rows that are looked at."""
ENOUGH = 5
"""Rows from which the columns can be told apart."""
FASTTEXT = "__label__"
"""Beginning of a line in the form of fastText."""
USUAL = 1, 2
"""Numbers of the columns of text and label where they cannot be told."""


def likely_columns(path: Path, options: ReadOptions, format: str = "auto") -> tuple[int, int]:
    """Return the numbers, from 1, of the columns that are most likely text and label.

    The text has the longest cells. The label is another column with the fewest different cells, and less often an empty
    one; if all of them are different in most rows there is none to tell.

    Args:
        path: A file without a header.
        options: How it is read.
        format: Its format, as in `find_format`.
    """
    bare = replace(options, header=False, texts=(), columns=())
    try:
        found = find_format(path, format, bare)
        rows = head(path, ROWS, found if found.has_columns else FORMATS["tsv"], bare)
    except (OSError, SwissbertError):
        return USUAL  # which is only a hint
    width = min((len(row) for row in rows), default=0)
    if len(rows) < ENOUGH or width < 2:
        return USUAL
    columns = [[str(row[str(number)]).strip() for row in rows] for number in range(1, width + 1)]
    text = max(range(width), key=lambda number: sum(map(len, columns[number])))
    others = [number for number in range(width) if number != text and len(set(columns[number])) > 1]
    label = min(others, key=lambda number: ("" in columns[number], len(set(columns[number]))), default=None)
    if label is None or (width > 2 and len(set(columns[label])) > len(rows) / 2):
        return USUAL
    return text + 1, label + 1


def refuse_plain_text(path: Path, options: ReadOptions) -> None:
    """Raise SwissbertError for a file that is read as plain text, a text on each line: it has no column of labels.

    Args:
        path: The file.
        options: How it is read.
    """
    lines = [line for line in start_of_text(path, options).splitlines()[:ROWS] if line.strip()]
    if _most(lines, [line.startswith(FASTTEXT) for line in lines]):
        name = lines[0].split()[0][:40]
        raise SwissbertError(
            f"{path}: its lines begin with labels such as {name!r}, as those of fastText, which are not read; write each as "
            f"the label {name.removeprefix(FASTTEXT)!r}, a tab and the text, below a first line with label, a tab and text"
        )
    if _most(lines, ["\t" in line for line in lines]):
        text_column, label = likely_columns(path, options)
        raise SwissbertError(
            f"{path}: is read as plain text, a text on each line, since its first line does not name the columns, but its "
            "lines have tabs; for a file without a header write header = false and give the columns by their numbers from "
            f"1: columns = {{ text = {text_column}, label = {label} }}",
            argument="header",
        )
    raise SwissbertError(
        f"{path}: is read as plain text, a text on each line, so it has no column of labels; the first line of a table "
        "names its columns"
    )


def _most(lines: Sequence[str], which: Sequence[bool]) -> bool:
    """Whether most of the lines are of a form."""
    return sum(which) > len(lines) / 2
