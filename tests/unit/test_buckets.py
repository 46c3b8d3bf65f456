"""Buckets of rows by their texts."""

import pytest

from swissbert.analysis.buckets import PAIR, SINGLE, buckets_for, overlap
from swissbert.data.rows import Row
from swissbert.data.words import words
from swissbert.tasks import find_task


def row(text: str, pair: str | None = None) -> Row:
    return Row(1, "1", text, pair, None)


def matching(text: str, pair: str | None = None) -> set[str]:
    return {bucket.name for bucket in (SINGLE if pair is None else PAIR) if bucket.matches(row(text, pair))}


LONG = " ".join(["word"] * 26)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is not a film that anyone I know of would want to see", {"negation"}),
        ("You can't and you won't and you will like it for all that it is", {"negation"}),
        ("A cannonball of a film about the notables of a small old town", set()),
        ("Dull plot but the cast", {"contrast", "short"}),
        ("If nothing else it is short", {"condition", "negation", "short"}),
        ("The wonderful cast and the boring story of it all are in one long film", {"mixed aspects"}),
        (LONG, {"long"}),
        ("", {"short"}),
    ],
)
def test_single_sentences(text: str, expected: set[str]) -> None:
    assert matching(text) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("How do I learn to cook well", "How do I learn to cook well", {"much overlap"}),
        ("How do I learn to play the guitar", "Where can bread be bought at night", {"little overlap"}),
        (
            "What is the best way to learn French",
            "What is the best way to learn French quickly with online lessons",
            {"one more specific", "much overlap"},
        ),
        ("How do I cook the rice", "How do I fix the roof", {"different subjects"}),
        (
            "It cost 5 euros in all at the old market",
            "It cost 7 euros in all at the old market",
            {"much overlap", "numbers differ"},
        ),
        (
            "He went to see Paris in the spring of it",
            "He went to see Rome in the spring of it",
            {"much overlap", "names differ"},
        ),
        ("A dog runs", "A dog sleeps", {"very short"}),
    ],
)
def test_pairs(first: str, second: str, expected: set[str]) -> None:
    assert matching(first, second) == expected
    assert matching(second, first) == expected, "buckets are symmetric"


def test_overlap_is_the_jaccard_index() -> None:
    assert overlap(row("a b c", "B c d")) == 0.5
    assert overlap(row("a", "b")) == 0
    assert overlap(row("?!", "...")) == 0
    assert words("It's 5 o’clock") == ["it's", "5", "o’clock"]


def test_buckets_of_single_sentences_and_pairs() -> None:
    assert buckets_for(find_task("sst")) is SINGLE
    assert buckets_for(find_task("sts")) is PAIR
    assert all(bucket.description.endswith(".") for bucket in SINGLE + PAIR)


def test_every_bucket_has_a_phrase_that_reads_in_a_sentence() -> None:
    for buckets, noun in ((SINGLE, "texts "), (PAIR, "pairs ")):
        phrases = [bucket.phrase for bucket in buckets]
        assert len(set(phrases)) == len(phrases)
        for phrase in phrases:
            assert phrase.startswith(noun), phrase
            assert phrase[-1] not in ".,;", phrase
            assert "(" not in phrase, "the summary has its figures in parentheses behind it"
