"""What a synthesis rule is: a named function that turns a train row into the texts of a new one, and their label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from swissbert.data.rows import Row

Texts = tuple[str, str | None]
"""The texts of a new row; the second one is None for single sentences."""


class Source(NamedTuple):
    """What a rule makes a row of.

    Attributes:
        row: A train row.
        random: Random numbers that depend on the seed, the rule and the texts of the row alone.
        rows: All train rows, for rules that combine two of them.
    """

    row: Row
    random: Random
    rows: Sequence[Row]


@dataclass(frozen=True)
class Rule:
    """A way to make labelled rows.

    Attributes:
        name: Name in commands and files.
        task: Name of the task whose labels it knows.
        bucket: The bucket of `swissbert.analysis.buckets` whose errors its rows aim at.
        label: The label of its rows: a class number or a score; None if they keep the label of the train row.
        description: What its rows are, as a sentence.
        make: Makes the texts of a row; None for a train row that does not fit.
        is_like: Whether a real row is of the kind that the rule makes, so that its label can be compared; None where
            that cannot be seen from the texts.
    """

    name: str
    task: str
    bucket: str
    label: float | None
    description: str
    make: Callable[[Source], Texts | None]
    is_like: Callable[[Row], bool] | None = None


def rule(
    task: str, *, bucket: str, label: float | None, is_like: Callable[[Row], bool] | None = None
) -> Callable[[Callable[[Source], Texts | None]], Rule]:
    """Return a decorator that makes a `Rule` of a function, whose name and docstring are those of the rule."""

    def make_rule(make: Callable[[Source], Texts | None]) -> Rule:
        assert make.__doc__, "a rule needs a docstring"
        description = make.__doc__.split("\n\n")[0].strip()
        return Rule(make.__name__, task, bucket, label, description, make, is_like)

    return make_rule
