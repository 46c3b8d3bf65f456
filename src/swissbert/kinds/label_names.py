"""Label names from the cells of a column."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

from swissbert.errors import visible
from swissbert.kinds.cells import cell_text, number_of
from swissbert.kinds.class_names import alike, truth_of
from swissbert.kinds.label_lists import SEPARATORS, written_list
from swissbert.kinds.odd_numbers import OddNumbersError, odd_among_numbers

NEGATIVE = frozenset(
    (
        "0",
        "-1",
        "no",
        "n",
        "false",
        "f",
        "negative",
        "neg",
        "off",
        "absent",
        "none",
        "ham",
        "different",
        "other",
        "nein",
        "nej",
        "nee",
        "não",
        "falsch",
        "faux",
        "falso",
        "-",
        "\u2212",
    )
)
"""Names, in small letters, that stand for the negative label of two."""
MOST = 1000
"""Largest number of labels that are taken from data."""
LONG = 200
"""Characters above which a cell is no label that is taken from data."""
PADDED = re.compile(r"[+-]?0\d+")
"""A number with zeros in front, as codes have them."""

UNKNOWN_SIGNS = re.compile(r"[-\u2010-\u2015\u2212?.\u2026/\\_#~]+")
"""Signs that people write where they know no label: dashes, question marks, dots and the like."""
RARE = 0.25
"""Share of rows up to which several such signs stand for none."""


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
    and more than two words that all stand for yes or no; the most frequent spelling is taken.
    """
    counts = Counter(map(cell_name, cells))
    if all(map(_is_whole, counts)):
        merged = _merged(counts, _whole)
        return Counter({name if PADDED.fullmatch(name) else str(_whole(name)): n for name, n in merged.items()})
    if len(counts) > 2 and all(truth_of(name) is not None for name in counts):
        return _merged(counts, truth_of)
    return _merged(counts, alike)


def is_none(cell: object) -> bool:
    """Return whether a cell is the word none, which is the name of a label in some data and a missing one in others."""
    return isinstance(cell, str) and cell.strip().casefold() == "none"


def _is_name(word: str, names: Collection[str]) -> bool:
    """Return whether the word none is a name among others: one of them has capitals where it has them."""

    def style(text: str) -> tuple[bool, bool, bool]:
        return text.islower(), text.isupper(), text.istitle()

    return any(style(name) == style(word) and name.casefold() not in ("none", "true", "false") for name in names)


def _merged(counts: Counter[str], key: Callable[[str], Hashable]) -> Counter[str]:
    """Count names with an equal key together, under the most frequent one that is a word and has no invisible marks."""
    keys = {name: key(name) for name in counts}
    if len(set(keys.values())) == len(keys):
        return counts
    groups: dict[Hashable, Counter[str]] = {}
    for name, count in counts.items():
        groups.setdefault(keys[name], Counter())[name] += count

    def fitness(spelling: tuple[str, int]) -> tuple[bool, bool, int]:
        return number_of(spelling[0]) is None, visible(spelling[0]) == spelling[0], spelling[1]

    return Counter({max(group.items(), key=fitness)[0]: group.total() for group in groups.values()})


def sorted_names(counts: Counter[str]) -> list[str]:
    """Return label names in order: numbers by value, other names by the alphabet.

    Raises:
        ValueError: If there are fewer than two, or so many that they are no labels.
        OddNumbersError: If they are so many because they are numbers but for a few.
    """
    rows = counts.total()
    if long := next((name for name in counts if len(name) > LONG), None):
        raise ValueError(
            f"{long[:40]!r}... has {len(long):,} characters, which looks like a text and not a label; a recipe "
            "with labels = [...] takes them if they are meant"
        )
    for name in counts:
        for mark in SEPARATORS:
            parts = [part.strip() for part in name.split(mark)] if mark in name else []
            if len(parts) > 1 and all(part in counts for part in parts):
                raise ValueError(
                    f'label {name[:40]!r} is several labels; kind = "multilabel" with separator = "{mark}" takes '
                    "several, and declared labels take it as one name"
                )
    if len(counts) < 2:
        only = f"only {next(iter(counts))!r}" if counts else "no label"
        raise ValueError(f"the train rows have {only}; at least two labels are needed")
    if len(counts) > MOST or (len(counts) > 20 and len(counts) > rows / 2):
        if odd := odd_among_numbers(counts):
            raise OddNumbersError(
                odd,
                'kind = "regression" says what is wrong with each; a recipe with labels = [...] takes them if they are meant',
            )
        raise ValueError(
            f"the train rows have {len(counts):,} different labels in {rows:,} rows, which looks like a text or an "
            "identifier; a recipe with labels = [...] takes them if they are meant"
        )
    return sorted(counts.keys() - no_labels(counts), key=_order)


def _order(name: str) -> tuple[bool, float, str]:
    number = number_of(name)
    return number is None, number or 0.0, name


def no_labels(counts: Counter[str]) -> set[str]:
    """Return names that stand for no label beside the others, so that rows with them are counted and not learned.

    That is one sign without letters or digits (``-`` where annotators disagreed) beside two names that have some, several
    of `UNKNOWN_SIGNS` if they are rare, an empty list (which is a label of its own for tasks with several labels per row),
    ``none`` beside names that are written otherwise (numbers, or ``None`` beside ``low``), and -1 beside 0, 1, 2 and so
    on. With 0 and 1 alone, -1 may be a label.
    """
    words = {name for name in counts if is_none(name) and not _is_name(name, counts)}
    wordless = {name for name in counts if not re.search(r"\w", name)}
    named = counts.keys() - words - wordless
    empty = empty_lists(wordless)
    signs = wordless - empty
    left = words if len(counts) - len(words) > 1 else set()
    if len(named) > 1:
        left |= empty
        left |= signs if len(signs) == 1 or _are_unknown(signs, counts) else set()
    others = {number_of(name) for name in counts.keys() - left} - {-1.0}
    is_counted = "-1" in counts and len(others) > 2 and others == set(map(float, range(len(others))))
    return left | ({"-1"} if is_counted else set())


def empty_lists(names: Iterable[str]) -> set[str]:
    """Return the names without letters and digits that are lists, as ``[]`` is."""
    return {name for name in names if not re.search(r"\w", name) and written_list(name) is not None}


def _are_unknown(signs: Collection[str], counts: Counter[str]) -> bool:
    """Whether several signs stand for no label: they say so, and have few rows. ``+`` and ``-`` are labels."""
    is_rare = sum(counts[name] for name in signs) <= RARE * counts.total()
    return is_rare and all(map(UNKNOWN_SIGNS.fullmatch, signs))


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


def _whole(text: str) -> int:
    """Return the whole number that a text is, without rounding where it has no fraction."""
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _is_whole(text: str) -> bool:
    number = number_of(text)
    return number is not None and number.is_integer()
