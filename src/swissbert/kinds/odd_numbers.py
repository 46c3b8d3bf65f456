"""Names among numbers that are none: one slip in a column of scores would make a class of every score."""

import re
from collections import Counter
from collections.abc import Mapping

from swissbert.kinds.cells import number_of
from swissbert.wording import counted, shortened

MOST = 0.8
"""Share of names that are numbers, or nearly, from which the others are odd ones."""
SHOWN = 3
"""Odd names that the message shows."""
NEARLY = re.compile(r"\(?[-+\u2212\u2013]?\s*\d[\d.,' \u00a0\u202f\u2019]*\s*[%A-Za-z$\u20ac\u00a3]{0,4}\)?")
"""A number as people write it: with a comma, a minus sign of typographers, a unit."""


class OddNumbersError(ValueError):
    """Names that are no numbers among many that are.

    Attributes:
        odd: The number of rows of each such name, the most frequent first.
        way_out: What to do, as a clause.
    """

    def __init__(self, odd: Counter[str], way_out: str) -> None:
        super().__init__(odd, way_out)
        self.odd, self.way_out = Counter(dict(odd.most_common())), way_out

    def located(self, lines: Mapping[str, str]) -> str:
        """Word the message.

        Args:
            lines: Where each name occurs first, such as ``row 8``.
        """
        words = [f"{name[:40]!r} ({_rows(count, lines.get(name))})" for name, count in self.odd.items()]
        verb = "is none" if len(words) == 1 else "are none"
        return f"most labels are numbers, but {shortened(words, SHOWN)} {verb}; {self.way_out}"

    def __str__(self) -> str:
        """Word the message without places."""
        return self.located({})


def odd_among_numbers(counts: Counter[str]) -> Counter[str]:
    """Return the names that are no numbers where most are; empty if most are not, or all are.

    Args:
        counts: Number of rows by label name.
    """
    odd = Counter({name: count for name, count in counts.items() if number_of(name) is None})
    numbers = len(counts) - len(odd)
    nearly = sum(NEARLY.fullmatch(name) is not None for name in odd)
    return odd if numbers and numbers + nearly >= MOST * len(counts) else Counter()


def _rows(count: int, first: str | None) -> str:
    """Word how many rows have a name, and which one has it first, if that is known."""
    if first is None:
        return counted(count, "row")
    return first if count == 1 else f"{count:,} rows, the first is {first}"
