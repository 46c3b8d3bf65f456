"""The kind of task that fits the cells of a label column."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from swissbert.kinds.cells import number_of
from swissbert.kinds.label_lists import SEPARATORS, is_list, written_list
from swissbert.kinds.label_names import names_in

MOST_CLASSES = 20
"""Largest number of different whole numbers that are taken for classes rather than for a score."""
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
PERCENT = re.compile(r"-?\d+(?:[.,]\d+)?\s*%")


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


def guess_kind(cells: Sequence[object], given: str | None = None) -> Guess:
    """Guess the kind of a task.

    Lists, and cells that hold recurring names with ``|``, ``;`` or ``,`` between, are ``multilabel``. Numbers with a
    fraction, and more than `MOST_CLASSES` different whole numbers, are a ``regression``. Two different names are
    ``binary`` and more are a ``classification``.

    Args:
        cells: The label cells of all rows that have one.
        given: The kind, if it is known; only what separates several labels is guessed then.

    Raises:
        ValueError: If they are numbers with a decimal comma or a percent sign, and no kind is given.
    """
    if given is not None:
        return Guess(given, "as given", _separator(list(names_in(cells))) if _takes_separator(cells, given) else None)
    if _are_lists(cells):
        return Guess("multilabel", "cells are lists of labels")
    counts = names_in(cells)
    commas = sum(count for name, count in counts.items() if DECIMAL_COMMA.fullmatch(name))
    if commas > 0.9 * counts.total():
        example = next(name for name in counts if DECIMAL_COMMA.fullmatch(name))
        raise ValueError(f"{example!r} has a decimal comma; write {example.replace(',', '.')}")
    if all(PERCENT.fullmatch(name) for name in counts):
        example = next(iter(counts))
        raise ValueError(f"{example!r} has a percent sign; write {example.rstrip('% ').replace(',', '.')}")
    numbers = [number for name in counts if (number := number_of(name)) is not None]
    if len(numbers) == len(counts):
        whole = all(number.is_integer() for number in numbers)
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


def _are_lists(cells: Sequence[object]) -> bool:
    return any(map(is_list, cells)) or all(written_list(str(cell).strip()) is not None for cell in cells)


def _takes_separator(cells: Sequence[object], kind: str) -> bool:
    return kind == "multilabel" and not _are_lists(cells)
