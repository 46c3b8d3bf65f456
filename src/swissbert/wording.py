"""Names of other people in sentences: lists of them, and what a terminal may be shown of them."""

import re
from collections.abc import Sequence
from pathlib import Path

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters without the line feed, marks that change the direction of text, and halves of surrogate pairs."""


def printable(text: str) -> str:
    """Return a text as it may be written to a terminal: what is no visible text is escaped, such as ``\\u001b``.

    Names of labels, tasks, metrics and files may come from a stranger, and a terminal obeys control characters: it moves
    the cursor, changes the title or hides what follows. Line feeds stay; `one_line` escapes them too.
    """
    return _UNSAFE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)


def one_line(text: str) -> str:
    """Return `printable` text without line feeds, for the cell of a table."""
    return printable(text).replace("\n", "\\u000a")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which gets an ``s`` unless the number is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def in_list(name: str) -> str:
    """Return a name as a list with commas shows it: in quotes if it holds a comma itself, as ``'Food, Drink'``."""
    return f"'{name}'" if "," in name else name


def joined(names: Sequence[str]) -> str:
    """Join names: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shortened(names: Sequence[str], most: int) -> str:
    """Join the first names and count the others: ``a, b and 3 more``.

    Args:
        names: The names.
        most: Number of names that are shown, from 1.
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, as few as tell different paths apart: ``x/run`` and ``y/run``, else ``run``."""
    for count in range(1, max((len(path.parts) for path in paths), default=0)):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]
