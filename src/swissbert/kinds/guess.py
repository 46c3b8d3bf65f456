"""The kind of task that fits the cells of a label column."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from swissbert.kinds.base import SEPARATORS
from swissbert.kinds.label_names import names_in

MOST_CLASSES = 20
"""Largest number of different whole numbers that are taken for classes rather than for a score."""
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


class Guess(NamedTuple):
    """A kind of task and the reason for it.

    Attributes:
        kind: Name of the kind.
        why: The reason, as a clause.
        separator: What separates several labels in a cell; None if there are none or they are lists.
    """

    kind: str
    why: str
    separator: str | None = None


def guess_kind(cells: Sequence[object]) -> Guess:
    """Guess the kind of a task.

    Lists, and cells that hold recurring names with ``|``, ``;`` or ``,`` between, are ``multilabel``. Numbers with a
    fraction, and more than `MOST_CLASSES` different whole numbers, are a ``regression``. Two different names are
    ``binary`` and more are a ``classification``.

    Args:
        cells: The label cells of all rows that have one.

    Raises:
        ValueError: If they are numbers with a decimal comma.
    """
    if any(isinstance(cell, list | tuple | set) for cell in cells):
        return Guess("multilabel", "cells are lists of labels")
    counts = names_in(cells)
    commas = sum(count for name, count in counts.items() if DECIMAL_COMMA.fullmatch(name))
    if commas > 0.9 * counts.total():
        example = next(name for name in counts if DECIMAL_COMMA.fullmatch(name))
        raise ValueError(f"{example!r} has a decimal comma; write {example.replace(',', '.')}")
    if all(map(_is_number, counts)):
        whole = all(float(name).is_integer() for name in counts)
        if not whole or len(counts) > MOST_CLASSES:
            what = "different whole numbers" if whole else "numbers with a fraction"
            return Guess("regression", f"{len(counts):,} {what}" if whole else what)
    elif separator := _separator(list(counts)):
        return Guess("multilabel", f"cells hold several names with {separator!r} between", separator)
    kind = "binary" if len(counts) == 2 else "classification"
    return Guess(kind, f"{len(counts):,} different labels")


def _separator(names: Sequence[str]) -> str | None:
    """Return what separates names in cells: its parts recur, so there are fewer of them than of cells."""
    for separator in SEPARATORS:
        several = [name for name in names if separator in name]
        parts = {part.strip() for name in names for part in name.split(separator)}
        is_short = all(len(part) <= 40 for part in parts)
        if several and is_short and "" not in parts and len(parts) < len(names) and len(several) > len(names) / 4:
            return separator
    return None


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
