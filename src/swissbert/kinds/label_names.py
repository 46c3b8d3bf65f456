"""Label names from the cells of a column."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from swissbert.kinds.cells import cell_text, number_of
from swissbert.kinds.class_names import alike
from swissbert.kinds.label_lists import SEPARATORS

NEGATIVE = frozenset(
    ("0", "-1", "no", "n", "false", "f", "negative", "neg", "off", "absent", "none", "ham", "different", "other")
)
"""Names, in small letters, that stand for the negative label of two."""
MOST = 1000
"""Largest number of labels that are taken from data."""


def cell_name(cell: object) -> str:
    """Return the label name that a cell stands for: text without space around it, whole numbers without a fraction."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell_text(cell)


def names_in(cells: Iterable[object]) -> Counter[str]:
    """Count the label names in cells.

    Whole numbers with and without a fraction of zero are one name, and so are names that differ in case or space alone,
    of which the most frequent spelling is taken.
    """
    counts = Counter(map(cell_name, cells))
    if all(map(_is_whole, counts)):
        merged: Counter[str] = Counter()
        for name, count in counts.items():
            merged[str(int(float(name)))] += count
        return merged
    spellings: dict[str, Counter[str]] = {}
    for name, count in counts.items():
        spellings.setdefault(alike(name), Counter())[name] += count
    return Counter({group.most_common(1)[0][0]: group.total() for group in spellings.values()})


def sorted_names(counts: Counter[str]) -> list[str]:
    """Return label names in order: numbers by value, other names by the alphabet.

    Raises:
        ValueError: If there are fewer than two, or so many that they are no labels.
    """
    rows = counts.total()
    for name in counts:
        for mark in SEPARATORS:
            parts = [part.strip() for part in name.split(mark)]
            if len(parts) > 1 and all(part in counts for part in parts):
                raise ValueError(
                    f'label {name[:40]!r} is several labels; kind = "multilabel" with separator = "{mark}" takes '
                    "several, and declared labels take it as one name"
                )
    if len(counts) < 2:
        only = f"only {next(iter(counts))!r}" if counts else "no label"
        raise ValueError(f"the train rows have {only}; at least two labels are needed")
    if len(counts) > MOST or (len(counts) > 20 and len(counts) > rows / 2):
        raise ValueError(
            f"the train rows have {len(counts):,} different labels in {rows:,} rows, which looks like a text or an "
            "identifier; declare the labels if they are meant"
        )
    return sorted(counts.keys() - no_labels(counts), key=_order)


def _order(name: str) -> tuple[bool, float, str]:
    number = number_of(name)
    return number is None, number or 0.0, name


def no_labels(names: Collection[str]) -> set[str]:
    """Return names that stand for no label beside the others, so that rows with them are counted and not learned.

    That is one sign without letters or digits (``-`` where annotators disagreed) beside names that have some, ``none``
    beside numbers, and -1 beside 0, 1, 2 and so on. With 0 and 1 alone, -1 may be a label.
    """
    signs = {name for name in names if not re.search(r"\w", name)}
    words = {name for name in names if name == "none" and len(names) > 2}
    signs |= words if all(number_of(name) is not None for name in names if name not in signs | words) else set()
    others = {number_of(name) for name in names} - {-1.0}
    is_counted = "-1" in names and len(others) > 2 and others == set(map(float, range(len(others))))
    return (signs if len(signs) == 1 and len(names) > 2 else set()) | ({"-1"} if is_counted else set())


def negative_first(names: Sequence[str], counts: Counter[str]) -> list[str]:
    """Return two label names with the negative one first: by its word, else the more frequent one."""
    first, second = names
    is_negative = [
        name.casefold() in NEGATIVE or name.casefold().startswith(("not ", "not_", "no ", "no_", "non"))
        for name in names
    ]
    if is_negative[0] != is_negative[1]:
        return [first, second] if is_negative[0] else [second, first]
    return [first, second] if counts[first] >= counts[second] else [second, first]


def _is_whole(text: str) -> bool:
    number = number_of(text)
    return number is not None and number.is_integer()
