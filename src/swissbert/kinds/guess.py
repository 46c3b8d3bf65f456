"""The kind of task that fits the cells of a label column."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from swissbert.kinds.cells import MINUS, number_of
from swissbert.kinds.label_lists import SEPARATORS, is_list, written_list
from swissbert.kinds.label_names import names_in
from swissbert.kinds.odd_numbers import OddNumbersError, odd_among_numbers

MOST_CLASSES = 20
"""Largest number of different whole numbers that are taken for classes rather than for a score."""
MOST_FRACTIONS = 10
"""Largest number of different digits after a comma that are taken for fractions, as tenths are."""
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
THOUSANDS = re.compile(r"-?\d{1,3}(?:[, '\u00a0\u202f\u2019]\d{3})+(?:\.\d+)?")
PERCENT = re.compile(r"-?\d+(?:[.,]\d+)?\s*%")
UNIT = re.compile(r"[$€£¥]\s*-?(\d[\d.,]*)|-?(\d[\d.,]*)\s*(?:[$€£¥]|[A-Za-z]{1,4})")
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?:[ T].*)?")


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
        ValueError: If they are numbers with commas, signs or units, dates, or numbers but for a few, and no kind is given.
    """
    if given == "regression":
        names = names_in(cells)
        _refuse_thousands(names)
        _refuse_decimal_commas(names, may_be_several=False)
    if given is not None:
        return Guess(given, "as given", _separator(list(names_in(cells))) if _takes_separator(cells, given) else None)
    if _are_lists(cells):
        return Guess("multilabel", "cells are lists of labels")
    counts = names_in(cells)
    _refuse_written_numbers(counts)
    numbers = [number for name in counts if (number := number_of(name)) is not None]
    if len(numbers) == len(counts):
        if is_score(numbers):
            whole = f"{len(counts):,} different whole numbers"
            return Guess("regression", "numbers with a fraction" if has_fraction(numbers) else whole)
    elif (separator := _separator(list(counts))) and not (separator == "," and has_fraction(numbers)):
        return Guess("multilabel", f"cells hold several names with {separator!r} between", separator)
    elif is_score(numbers) and (odd := odd_among_numbers(counts)):
        raise OddNumbersError(
            odd,
            "name the kind 'regression', which says what is wrong with each, or 'classification' to take every one as a label",
        )
    kind = "binary" if len(counts) == 2 else "classification"
    return Guess(kind, f"{len(counts):,} different labels")


def is_score(numbers: Sequence[float]) -> bool:
    """Return whether different numbers are scores rather than the numbers of classes."""
    return len(numbers) > MOST_CLASSES or has_fraction(numbers)


def has_fraction(numbers: Sequence[float]) -> bool:
    """Return whether any of some numbers is not whole."""
    return not all(number.is_integer() for number in numbers)


def _refuse_written_numbers(counts: Counter[str]) -> None:
    """Raise ValueError if label names are numbers as people write them, or dates."""
    minus = [name for name in counts if number_of(name) is None and number_of(name.replace(MINUS, "-")) is not None]
    if minus and all(number_of(name.replace(MINUS, "-")) is not None for name in counts):
        raise ValueError(
            f"{minus[0]!r} has a minus sign of typographers (U+2212); write {minus[0].replace(MINUS, '-')}"
        )
    _refuse_thousands(counts)
    _refuse_decimal_commas(counts)
    example = next(iter(counts))
    if all(PERCENT.fullmatch(name) for name in counts):
        raise ValueError(f"{example!r} has a percent sign; write {example.rstrip('% ').replace(',', '.')}")
    if len(counts) <= MOST_CLASSES:
        return
    if all(UNIT.fullmatch(name) or number_of(name) is not None for name in counts):
        with_unit = next((match for match in map(UNIT.fullmatch, counts) if match), None)
        if with_unit is not None:
            number = (with_unit[1] or with_unit[2]).replace(",", "")
            raise ValueError(
                f"{with_unit[0]!r} is a number with a sign or a unit; write {number}, or name the kind 'classification' "
                "to take each as a label"
            )
    if all(map(DATE.fullmatch, counts)):
        raise ValueError(f"{example!r} is a date; name the kind 'classification' to take each as a label")


def _refuse_thousands(counts: Collection[str]) -> None:
    """Raise ValueError if label names are numbers, some of them with marks between thousands."""
    thousands = [name for name in counts if THOUSANDS.fullmatch(name)]
    if thousands and all(THOUSANDS.fullmatch(name) or number_of(name) is not None for name in counts):
        plain = re.sub(r"[^\d.-]", "", thousands[0])
        if all(DECIMAL_COMMA.fullmatch(name) for name in counts):
            plain = f"{plain} if it separates thousands, and {thousands[0].replace(',', '.')} if it is a decimal comma"
        mark = "a comma" if "," in thousands[0] else "marks between thousands"
        raise ValueError(f"{thousands[0]!r} has {mark}; write {plain}")


def _refuse_decimal_commas(counts: Counter[str], *, may_be_several: bool = True) -> None:
    """Raise ValueError if label names are numbers with a decimal comma, all or some of them.

    Args:
        counts: Number of rows by label name.
        may_be_several: Whether the kind is open, so that a name of two numbers may be two labels.
    """
    commas = [name for name in counts if DECIMAL_COMMA.fullmatch(name)]
    mostly = sum(counts[name] for name in commas) > 0.9 * counts.total()
    if mostly or _may_be_decimals(commas, counts):
        several = ", or name the kind 'multilabel' if it is two labels" if may_be_several and not mostly else ""
        raise ValueError(f"{commas[0]!r} has a decimal comma; write {commas[0].replace(',', '.')}{several}")


def _may_be_decimals(commas: Sequence[str], names: Collection[str]) -> bool:
    """Return whether names with a comma among whole numbers may be fractions of theirs, as 3,5 is among 3 and 4.

    Lists of many label numbers have more different numbers after the comma, of one digit and of more. Lists of few cannot be
    told from fractions, so their kind has to be named.
    """
    others = [number_of(name) for name in names if not DECIMAL_COMMA.fullmatch(name)]
    if len(commas) <= len(names) / 10 or not all(number is not None and number.is_integer() for number in others):
        return False
    fractions = {name.partition(",")[2] for name in commas}
    lengths = set(map(len, fractions))
    return len(fractions) <= MOST_FRACTIONS or (len(lengths) == 1 and lengths != {1})


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
