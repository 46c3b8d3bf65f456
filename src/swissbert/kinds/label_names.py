"""Label names from the cells of a column."""

from collections import Counter
from collections.abc import Iterable, Sequence

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
    return str(cell).strip()


def names_in(cells: Iterable[object]) -> Counter[str]:
    """Count the label names in cells. Whole numbers with and without a fraction of zero are one name."""
    counts = Counter(map(cell_name, cells))
    if all(map(_is_whole, counts)):
        merged: Counter[str] = Counter()
        for name, count in counts.items():
            merged[str(int(float(name)))] += count
        return merged
    return counts


def sorted_names(counts: Counter[str]) -> list[str]:
    """Return label names in order: numbers by value, other names by the alphabet.

    Raises:
        ValueError: If there are fewer than two, or so many that they are no labels.
    """
    rows = counts.total()
    if len(counts) < 2:
        only = f"only {next(iter(counts))!r}" if counts else "no label"
        raise ValueError(f"the train rows have {only}; at least two labels are needed")
    if len(counts) > MOST or (len(counts) > 20 and len(counts) > rows / 2):
        raise ValueError(
            f"the train rows have {len(counts):,} different labels in {rows:,} rows, which looks like a text or an "
            "identifier; declare the labels if they are meant"
        )
    return sorted(counts, key=lambda name: (not _is_number(name), float(name) if _is_number(name) else 0.0, name))


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


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _is_whole(text: str) -> bool:
    return _is_number(text) and float(text).is_integer()
