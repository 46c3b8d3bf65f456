"""The kind of task that fits the cells of a label column."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from swissbert.kinds.label_lists import SEPARATORS, is_list, written_list
from swissbert.kinds.label_names import names_in

MOST_CLASSES = 20
"""Largest number of different whole numbers that are taken for classes rather than for a score."""
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
PERCENT = re.compile(r"-?\d+(?:[.,]\d+)?\s*%")
MARKED = re.compile(r"[-+]?[$€£¥]?\s?\d{1,3}(?:[,.' \u00a0\u202f\u2019]\d{3})*(?:[.,]\d+)?\s?[$€£¥]?")
"""Numbers with marks between thousands, or of a currency."""


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
        ValueError: If they are numbers with a decimal comma, a percent sign or other marks.
    """
    if any(is_list(cell) for cell in cells) or all(written_list(str(cell).strip()) is not None for cell in cells):
        return Guess("multilabel", "cells are lists of labels")
    counts = names_in(cells)
    others = [name for name in counts if not _is_number(name)]
    thousands = [name for name in others if re.search(r"[1-9]\d{0,2}\D\d{3}(?!\d)|[$€£¥]", name)]
    if thousands and all(MARKED.fullmatch(name) for name in others) and not _separator(list(counts)):
        raise ValueError(
            f"{thousands[0]!r} has marks that a number has not; write digits, and a point before decimals: 1370 or 13.7"
        )
    commas = sum(count for name, count in counts.items() if DECIMAL_COMMA.fullmatch(name))
    if commas > 0.9 * counts.total():
        example = next(name for name in counts if DECIMAL_COMMA.fullmatch(name))
        raise ValueError(f"{example!r} has a decimal comma; write {example.replace(',', '.')}")
    if all(PERCENT.fullmatch(name) for name in counts):
        example = next(iter(counts))
        raise ValueError(f"{example!r} has a percent sign; write {example.rstrip('% ').replace(',', '.')}")
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
