"""Similarity of sentences (STS): pairs whose score is certain, at both ends of the scale.

Other changes have no certain score. Of the STS benchmark's train pairs with a word overlap of at least 0.6, those with
different numbers have 3.4 on average with a standard deviation of 0.7, and those of which one is negated 3.6 and 1.0; pairs
of which one continues the other have 3.7 and 0.6. So there is no rule for these.
"""

from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.synthesis.spelling import canonical, contractions, full_forms, numbers_respelled
from swissbert.data.words import STOP_WORDS, content_words, word_set, words

SIMILAR_LENGTH = 3
"""Words by which the lengths of unrelated sentences may differ, so that most are of one kind of text."""
LONGEST = 30
"""Words of a sentence that rules change."""
ABBREVIATIONS = {"U.S.": "US", "U.K.": "UK", "U.N.": "UN", "per cent": "percent", " % ": " percent "}
TRIES = 200
"""Train rows that are looked at for an unrelated sentence."""


def _sentence(source: Source) -> str | None:
    """Return one of the sentences of a row that is not too long."""
    texts = [text for text in (source.row.text, source.row.text_pair or "") if 3 <= len(words(text)) <= LONGEST]
    return source.random.choice(texts) if texts else None


@rule(
    "sts",
    bucket="much overlap",
    label=5.0,
    is_like=lambda row: row.text != row.text_pair and canonical(row.text) == canonical(row.text_pair or ""),
)
def respelled(source: Source) -> Texts | None:
    """A sentence and the same one with small numbers, contractions or abbreviations spelt otherwise."""
    sentence = _sentence(source)
    if sentence is None:
        return None
    abbreviated = sentence
    for long, short in ABBREVIATIONS.items():
        abbreviated = abbreviated.replace(long, short)
    candidates = [numbers_respelled(sentence), full_forms(sentence), contractions(sentence), abbreviated]
    others = [other for other in candidates if other != sentence]
    return (sentence, source.random.choice(others)) if others else None


@rule("sts", bucket="different subjects", label=0.0)
def unrelated(source: Source) -> Texts | None:
    """Two sentences of different train pairs with two stop words or more in common, but no content word.

    The score is nearly certain. Real pairs of this bucket were chosen because they may be related, so their scores are
    no measure of it.
    """
    sentence = _sentence(source)
    if sentence is None:
        return None
    own = _stems(sentence) | _stems(source.row.text) | _stems(source.row.text_pair or "")
    stop_words = set(words(sentence)) & STOP_WORDS
    for _ in range(TRIES):
        row = source.random.choice(source.rows)
        other = source.random.choice([row.text, row.text_pair or row.text])
        if not 3 <= len(words(other)) <= LONGEST or own & (_stems(row.text) | _stems(row.text_pair or "")):
            continue
        if abs(len(words(other)) - len(words(sentence))) > SIMILAR_LENGTH:
            continue
        if len(stop_words & set(words(other))) >= 2 and _topic(sentence) != _topic(other):
            return sentence, other
    return None


def _stems(text: str) -> set[str]:
    """Return the first four letters of each content word, which words of one family share."""
    return {word[:4] for word in content_words(text)}


TOPICS = {
    name: word_set(members)
    for name, members in {
        "people": "man woman boy girl boys girls person people child children men women kid kids baby lady ladies guy guys player "
        "players someone he she his her him they their male males female females rider teenager teenagers crowd group toddler "
        "couple dancer ballerina surfer skier soldier soldiers",
        "animals": "dog dogs cat cats puppy kitten horse horses cow cows sheep bird birds animal animals panda "
        "monkey rat mouse tiger lion cub elephant duck ducks puppies kittens fish deer squirrel rabbit turtle hen chicken goat pig hamster",
    }.items()
}
"""Subjects that different words name, so that sentences about them are a little similar."""


def _topic(text: str) -> str | None:
    """Return the first of the topics that a sentence has a word of; the number of its words if it has none."""
    here = set(words(text))
    return next((name for name, members in TOPICS.items() if here & members), f"none {text}")
