"""Buckets: named subsets of rows that may be hard for a model, as functions of a row's texts.

A new bucket is a function with a docstring under ``@single`` or ``@pair``, whose argument is what its rows are called in a
sentence; it appears in every report.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from swissbert.data.rows import Row
from swissbert.data.words import NEGATION, STOP_WORDS, content_words, names, numbers, word_set, words
from swissbert.tasks import Task


@dataclass(frozen=True)
class Bucket:
    """A named subset of rows.

    Attributes:
        name: Name in figures and tables.
        phrase: Its rows in a sentence, such as "texts with a negation".
        description: What its rows have in common, as a sentence.
        matches: Whether a row belongs to it.
    """

    name: str
    phrase: str
    description: str
    matches: Callable[[Row], bool]


SINGLE: list[Bucket] = []
"""Buckets of single sentences."""
PAIR: list[Bucket] = []
"""Buckets of pairs."""


Matches = Callable[[Row], bool]


def _register(buckets: list[Bucket], phrase: str) -> Callable[[Matches], Matches]:
    """Return a decorator that appends a bucket; its name and description are those of the function."""

    def register(matches: Matches) -> Matches:
        assert matches.__doc__, "a bucket needs a docstring"
        buckets.append(Bucket(matches.__name__.replace("_", " "), phrase, matches.__doc__, matches))
        return matches

    return register


single, pair = partial(_register, SINGLE), partial(_register, PAIR)


def buckets_for(task: Task) -> list[Bucket]:
    """Return the buckets for a task's rows."""
    return PAIR if task.is_pair else SINGLE


POSITIVE = word_set(
    "good great best better fine funny fun charming beautiful moving touching brilliant clever smart fresh sweet warm "
    "engaging entertaining enjoyable compelling powerful delightful impressive wonderful excellent solid worthy gorgeous "
    "heartfelt hilarious inventive intelligent lovely masterpiece perfect pleasure refreshing rich stunning superb"
)
NEGATIVE = word_set(
    "bad worst worse dull boring awful terrible mess lame flat empty weak predictable tedious silly stupid ugly thin "
    "shallow clumsy contrived disappointing fails failure forgettable hollow lacks lacking lifeless poor pointless "
    "pretentious ridiculous slow stale tired uneven unfunny unnecessary waste"
)


def overlap(row: Row) -> float:
    """Return the Jaccard index of the words of a pair's sentences, 0 to 1."""
    first, second = set(words(row.text)), set(words(row.text_pair or ""))
    return len(first & second) / len(first | second) if first | second else 0.0


@single("texts with a negation")
def negation(row: Row) -> bool:
    """Contains a negation: not, never, without, n't and the like."""
    return any(word in NEGATION or word.endswith(("n't", "n’t")) for word in words(row.text))


@single("texts with a contrast such as but or although")
def contrast(row: Row) -> bool:
    """Contains but, while, although, though, yet, however or despite."""
    return bool({"but", "while", "although", "though", "yet", "however", "despite"} & set(words(row.text)))


@single("texts with a condition, if … is")
def condition(row: Row) -> bool:
    """Contains a condition of the form if ... is."""
    return re.search(r"\bif\b.*\b(is|are|was|were)\b", row.text.lower()) is not None


@single("texts that both praise and blame")
def mixed_aspects(row: Row) -> bool:
    """Contains a positive and a negative opinion word."""
    present = set(words(row.text))
    return bool(present & POSITIVE) and bool(present & NEGATIVE)


@single("texts of fewer than 10 words")
def short(row: Row) -> bool:
    """Fewer than 10 words."""
    return len(words(row.text)) < 10


@single("texts of more than 25 words")
def long(row: Row) -> bool:
    """More than 25 words."""
    return len(words(row.text)) > 25


@pair("pairs that share at least 60% of their words")
def much_overlap(row: Row) -> bool:
    """Word overlap of at least 0.6."""
    return overlap(row) >= 0.6


@pair("pairs that share at most 20% of their words")
def little_overlap(row: Row) -> bool:
    """Word overlap of at most 0.2."""
    return overlap(row) <= 0.2


@pair("pairs where one text says more than the other")
def one_more_specific(row: Row) -> bool:
    """The other sentence has at least 80 % of the content words of one, and two or more besides."""
    a, b = sorted((content_words(row.text), content_words(row.text_pair or "")), key=len)
    return len(a) > 0 and len(b) >= len(a) + 2 and len(a & b) >= 0.8 * len(a)


@pair("pairs that share function words only")
def different_subjects(row: Row) -> bool:
    """At least two stop words but no content word in common."""
    a, b = set(words(row.text)), set(words(row.text_pair or ""))
    shared = a & b & STOP_WORDS
    return len(shared) >= 2 and not content_words(row.text) & content_words(row.text_pair or "")


@pair("pairs with different numbers")
def numbers_differ(row: Row) -> bool:
    """A number occurs in only one of the sentences."""
    return numbers(row.text) != numbers(row.text_pair or "")


@pair("pairs with different names")
def names_differ(row: Row) -> bool:
    """Both sentences have names (capitalised words), but not the same ones."""
    a, b = names(row.text), names(row.text_pair or "")
    return bool(a) and bool(b) and a != b


@pair("pairs of texts of at most five words")
def very_short(row: Row) -> bool:
    """Both sentences have at most five words."""
    return max(len(words(row.text)), len(words(row.text_pair or ""))) <= 5
