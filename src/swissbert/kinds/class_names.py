"""From a cell to the number of a class: by name, by number, or by what stands for yes and no."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from swissbert.errors import visible
from swissbert.kinds.cells import cell_text, number_of
from swissbert.kinds.label_lists import several
from swissbert.wording import in_list, shortened

TRUE = frozenset({"true", "t", "yes", "y", "1"})
FALSE = frozenset({"false", "f", "no", "n", "0"})
"""Words for yes and for no, in small letters."""
FROM_ZERO = "numbers of labels count from 0"
"""Part of the reason why the number of labels is no label."""
ALLOWED_SHOWN = 12
"""Declared names that a message lists."""
NEAR = 0.8
"""Similarity, 0 to 1, from which a declared name is offered instead of an unknown one."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class ClassNames:
    """The ways to name the classes of a task.

    Attributes:
        labels: The declared names.
        exact: Class number by name.
        alike: Class number by `alike` of the name, for names that stay different.
        values: Class number by the value of the name, for names that are different numbers.
        has_numbers: Whether a name is a number, so that numbers are names and not positions.
        truth: Class numbers of no and yes, if exactly one name stands for either; else empty.
        keys: `alike` of each name.
        allowed: The names and numbers that stand for a class, for messages.
    """

    labels: tuple[str, ...]
    exact: dict[str, int]
    alike: dict[str, int]
    values: dict[float, int]
    has_numbers: bool
    truth: dict[bool, int]
    keys: tuple[str, ...]
    allowed: str

    def match(self, cell: object) -> tuple[int, bool] | None:
        """Find the class of a cell.

        Returns:
            Class number, and whether the cell differs from the declared name; None if it is no class.

        Raises:
            ValueError: If two readings disagree.
        """
        text = cell_text(cell)
        if text in self.exact:
            return self.exact[text], False
        if (number := self.alike.get(alike(text))) is not None:
            return number, not isinstance(cell, bool)
        value, truth = number_of(text), truth_of(text)
        if value is not None and self.has_numbers and value in self.values:
            return self.values[value], isinstance(cell, str)
        if value is not None and not self.has_numbers and value in range(len(self.labels)):
            position = int(value)
            if len(self.labels) == 2 and truth is not None and self.truth.get(truth, position) != position:
                raise ValueError(
                    f"label {text!r} is the number of {self.labels[position]!r} but reads like "
                    f"{self.labels[1 - position]!r}; write the name, or declare the negative label first"
                )
            return position, False
        if truth is not None and truth in self.truth:
            return self.truth[truth], True
        return None


@lru_cache(maxsize=64)
def _class_names(labels: tuple[str, ...]) -> ClassNames:
    numbers = [number_of(name) for name in labels]
    values = {float(value): i for value, i in _unique(labels, number_of).items() if value is not None}
    has_numbers = any(number is not None for number in numbers)
    truths = [truth_of(name) for name in labels]
    is_pair = truths.count(True) == truths.count(False) == 1
    if has_numbers and len(labels) > 2:  # 0, 1, 2 are classes, not no and yes
        is_pair = False
    allowed = shortened([*map(in_list, labels)], ALLOWED_SHOWN)
    if not has_numbers:
        allowed += f"{',' if len(labels) > ALLOWED_SHOWN else ''} or 0 to {len(labels) - 1}"
    return ClassNames(
        labels,
        {name: i for i, name in enumerate(labels)},
        _unique(labels, alike),
        values,
        has_numbers,
        {bool(truth): i for i, truth in enumerate(truths) if truth is not None} if is_pair else {},
        tuple(map(alike, labels)),
        allowed,
    )


class UnknownLabelError(ValueError):
    """A text that is no label of a task.

    The message ends with a hint at what may be meant, which is searched for when the message is read: with many labels
    the search takes a thousand times as long as reading a row. `brief` is the message without it, `text` the text.
    """

    def __init__(self, names: ClassNames, text: str) -> None:
        super().__init__(names, text)
        self._names, self.text = names, text

    def brief(self) -> str:
        """Word why the text is no class, and what is allowed."""
        names, text = self._names, self.text
        from_zero = f"; {FROM_ZERO}" if not names.has_numbers and number_of(text) == len(names.labels) else ""
        return f"label {text[:40]!r} is not one of {names.allowed}{from_zero}"

    def __str__(self) -> str:
        """Word why the text is no class, what is allowed, and what to do."""
        brief = self.brief()
        return brief if brief.endswith(FROM_ZERO) else brief + _hint(self._names, self.text)


def class_number(labels: Sequence[str], cell: object, *, is_item: bool = False) -> int:
    """Turn a cell, or with `is_item` an item of a list of labels, into a class number.

    A cell is, in this order, a declared name; one that differs in case, space or ``_`` alone; a number of equal value if
    names are numbers, else the position of a name, counted from 0; or a word for yes or no, if exactly one name stands
    for either.

    Raises:
        UnknownLabelError: If it is none of these; names the value and what is allowed.
        ValueError: If it is several labels, or may mean two.
    """
    names = _class_names(tuple(labels))
    match = names.match(cell)
    if match is not None:
        return match[0]
    text = cell_text(cell)
    if not is_item and (words := several(names.exact, text)):
        raise ValueError(f"label {text[:40]!r} is several labels, but the task takes one; {words}")
    raise UnknownLabelError(names, text)


def other_spelling(labels: Sequence[str], cell: object) -> tuple[str, str] | None:
    """Return a cell's text and the declared name that it is read as, if the two differ; else None."""
    if isinstance(cell, str) and cell in labels:
        return None
    match = _class_names(tuple(labels)).match(cell)
    return (cell_text(cell), labels[match[0]]) if match is not None and match[1] else None


def alike(text: str) -> str:
    """Return a text that is equal for names that differ in case, space, ``_``, invisible characters or the composition of letters alone."""
    shown = text if text.isascii() else visible(text)
    return " ".join(shown.casefold().replace("_", " ").split())


def _unique(labels: Sequence[str], key: Callable[[str], K]) -> dict[K, int]:
    """Return the position of each label by its key, without keys that several labels have."""
    counts = Counter(key(name) for name in labels)
    return {key(name): i for i, name in enumerate(labels) if counts[key(name)] == 1}


def truth_of(text: str) -> bool | None:
    """Return what a word stands for, yes or no; None if it is neither."""
    word = text.casefold()
    if (value := number_of(word)) in (0, 1):
        return bool(value)
    return True if word in TRUE else False if word in FALSE else None


def _hint(names: ClassNames, text: str) -> str:
    """Word what to do about a text that is no class, as the end of a sentence; empty for nothing."""
    key = alike(text)
    if same := [name for name, other in zip(names.labels, names.keys, strict=True) if other == key]:
        return f"; {' and '.join(same)} differ in case or space alone, so one of them has to be written exactly"
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" and names.match(text[1:-1].strip()):
        return "; quotes = true in the task reads quotes as syntax"
    if text.isprintable() and not re.search(r"\w", text):
        return f"; if it stands for no label, missing = {json.dumps([text[:40]])} in the task leaves such rows out"
    if len(key) <= 3 or re.search(r"\d", key):
        return ""
    near = difflib.get_close_matches(key, dict.fromkeys(names.keys), n=1, cutoff=NEAR)
    return f"; did you mean '{names.labels[names.keys.index(near[0])]}'?" if near else ""
