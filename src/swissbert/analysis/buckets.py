"""Kinds of rows that a model may find hard: small named functions of a row's texts.

A new one is a function with a line of documentation under ``@single`` or ``@pair``; it appears in every report.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from swissbert.data.rows import Row
from swissbert.tasks import Task


@dataclass(frozen=True)
class Bucket:
    """A named question about a row, answered by yes or no; `about` says it in words."""

    name: str
    about: str
    holds: Callable[[Row], bool]


SINGLE: list[Bucket] = []
PAIR: list[Bucket] = []


def _adds(to: list[Bucket]) -> Callable[[Callable[[Row], bool]], Callable[[Row], bool]]:
    def add(holds: Callable[[Row], bool]) -> Callable[[Row], bool]:
        assert holds.__doc__, "a bucket says what it holds"
        to.append(Bucket(holds.__name__.replace("_", " "), holds.__doc__, holds))
        return holds

    return add


single, pair = _adds(SINGLE), _adds(PAIR)


def buckets_for(task: Task) -> list[Bucket]:
    """The buckets that make sense for a task's rows."""
    return PAIR if task.is_pair else SINGLE


def _listed(text: str) -> set[str]:
    return set(text.split())


WORD = re.compile(r"\w+(?:['’]\w+)*")
NEGATION = {
    "not",
    "no",
    "never",
    "nothing",
    "neither",
    "nor",
    "none",
    "nobody",
    "without",
    "cannot",
    "hardly",
    "barely",
}
PRAISE = _listed(
    "good great best better fine funny fun charming beautiful moving touching brilliant clever smart fresh sweet warm "
    "engaging entertaining enjoyable compelling powerful delightful impressive wonderful excellent solid worthy gorgeous "
    "heartfelt hilarious inventive intelligent lovely masterpiece perfect pleasure refreshing rich stunning superb"
)
BLAME = _listed(
    "bad worst worse dull boring awful terrible mess lame flat empty weak predictable tedious silly stupid ugly thin "
    "shallow clumsy contrived disappointing fails failure forgettable hollow lacks lacking lifeless poor pointless "
    "pretentious ridiculous slow stale tired uneven unfunny unnecessary waste"
)
SMALL_WORDS = _listed(
    "a an the is are was were be been being am do does did doing have has had having i you he she it we they me him her "
    "us them my your his its our their this that these those of in on at to for from by with about as into and or but if "
    "what which who whom whose when where why how can could will would should shall may might must there so than then "
    "not no any some more most very just only own same too s t"
)


def words(text: str) -> list[str]:
    """A text's words in small letters."""
    return [word.lower() for word in WORD.findall(text)]


def content(text: str) -> set[str]:
    """Words that carry meaning by themselves."""
    return set(words(text)) - SMALL_WORDS


def overlap(row: Row) -> float:
    """Share of a pair's words that both sentences have, 0 to 1 (Jaccard)."""
    first, second = set(words(row.text)), set(words(row.text_pair or ""))
    return len(first & second) / len(first | second) if first | second else 0.0


def numbers(text: str) -> set[str]:
    """Numbers written in digits."""
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def names(text: str) -> set[str]:
    """Words with a capital inside a sentence: most are names."""
    found = re.findall(r"(?<=[\w,;:] )[A-Z]\w+", text)
    return {name.lower() for name in found if name.lower() not in SMALL_WORDS}


@single
def negation(row: Row) -> bool:
    """A word such as not, never, without, or one that ends in n't."""
    return any(word in NEGATION or word.endswith(("n't", "n’t")) for word in words(row.text))


@single
def contrast(row: Row) -> bool:
    """But, while, although, though, yet, however, despite."""
    return bool({"but", "while", "although", "though", "yet", "however", "despite"} & set(words(row.text)))


@single
def if_is(row: Row) -> bool:
    """If ... is: a condition, often one that takes something back."""
    return re.search(r"\bif\b.*\b(is|are|was|were)\b", row.text.lower()) is not None


@single
def mixed_aspects(row: Row) -> bool:
    """A word of praise and a word of blame in one sentence."""
    found = set(words(row.text))
    return bool(found & PRAISE) and bool(found & BLAME)


@single
def short(row: Row) -> bool:
    """Fewer than 10 words."""
    return len(words(row.text)) < 10


@single
def long(row: Row) -> bool:
    """More than 25 words."""
    return len(words(row.text)) > 25


@pair
def much_overlap(row: Row) -> bool:
    """At least six words in ten are in both sentences."""
    return overlap(row) >= 0.6


@pair
def little_overlap(row: Row) -> bool:
    """At most two words in ten are in both sentences."""
    return overlap(row) <= 0.2


@pair
def one_more_specific(row: Row) -> bool:
    """Nearly all content words of one sentence are in the other, which has at least two more."""
    a, b = sorted((content(row.text), content(row.text_pair or "")), key=len)
    return len(a) > 0 and len(b) >= len(a) + 2 and len(a & b) >= 0.8 * len(a)


@pair
def different_subjects(row: Row) -> bool:
    """Alike in their small words, with no content word in common."""
    a, b = set(words(row.text)), set(words(row.text_pair or ""))
    small = a & b & SMALL_WORDS
    return len(small) >= 2 and not content(row.text) & content(row.text_pair or "")


@pair
def numbers_differ(row: Row) -> bool:
    """A number stands in one sentence and not in the other."""
    return numbers(row.text) != numbers(row.text_pair or "")


@pair
def names_differ(row: Row) -> bool:
    """Both have names (words with a capital inside a sentence), and not the same ones."""
    a, b = names(row.text), names(row.text_pair or "")
    return bool(a) and bool(b) and a != b


@pair
def very_short(row: Row) -> bool:
    """Neither sentence has more than five words."""
    return max(len(words(row.text)), len(words(row.text_pair or ""))) <= 5
