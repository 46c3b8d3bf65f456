"""Parts of questions that the rules of paraphrases share."""

import re

from swissbert.data.rows import Row
from swissbert.data.synthesis.rule import Source, Texts
from swissbert.data.words import words

ONE_QUESTION = re.compile(r"[A-Z][^?.!:;()\[\]{}<>\"“”/\\=+*#|&@]*\?")
"""One sentence without formulas, quotations or remarks in brackets."""
QUOTATION = re.compile(r"(?<!\w)['‘’]|['’](?!\w)")
"""Quotation marks that are no apostrophes inside a word."""
SHORTEST, LONGEST = 4, 20
"""Words of a question that rules change."""


def is_plain(text: str) -> bool:
    """Return whether a text is one plain question of a usual length."""
    return (
        ONE_QUESTION.fullmatch(text) is not None
        and not QUOTATION.search(text)
        and SHORTEST <= len(words(text)) <= LONGEST
    )


def plain_question(source: Source) -> str | None:
    """Return one of the questions of a row, drawn from those that are plain, without its question mark; else None."""
    plain = [text for text in (source.row.text, source.row.text_pair or "") if is_plain(text)]
    return source.random.choice(plain)[:-1].strip() if plain else None


def changed(question: str, other: str | None) -> Texts | None:
    """Return a question beside a changed one, both with their question marks; None if nothing has changed."""
    return None if other is None or words(other) == words(question) else (f"{question}?", f"{other}?")


def sides(row: Row) -> list[tuple[str, str]]:
    """Return the two texts of a pair in both orders, without punctuation at their ends."""
    first, second = (text.strip().rstrip("?. ") for text in (row.text, row.text_pair or ""))
    return [(first, second), (second, first)]


def differing_words(row: Row) -> tuple[str, str] | None:
    """Return the two words by which the texts of a pair differ, in lower case; None if they differ otherwise."""
    first, second = words(row.text), words(row.text_pair or "")
    if len(first) != len(second):
        return None
    different = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    return different[0] if len(different) == 1 else None
