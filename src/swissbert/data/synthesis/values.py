"""Paraphrases: one number or one name is another, so the questions are different."""

import re
from random import Random

from swissbert.data.rows import Row
from swissbert.data.synthesis.question import changed, differing_words, plain_question
from swissbert.data.synthesis.rule import Source, Texts, rule

NUMBER = re.compile(r"(?<![\w.,/$€£₹%'’+~^-])\d{1,5}(?![\w.,/%'’+^-])(?! (?:x|times|percent|by)\b)")
ASKED_FOR = re.compile(
    r"\b(?:top|best|first|any|name|list|give|your|some|are|are the|least|one|your favou?rite)(?: top| best)? \d+",
    re.IGNORECASE,
)
"""How many answers are wanted: with another number the question is the same."""
YEARS = {*range(1950, 2031)} - {2000}  # which is an amount as often as a year
NAMES = tuple(
    tuple(names.split(", "))
    for names in (
        "India, China, Japan, Germany, France, Italy, Spain, Canada, Australia, Brazil, Russia, Pakistan, Mexico, Egypt, "
        "Turkey, Sweden, Norway, Poland, Singapore, Malaysia, Ireland, Nigeria, Kenya, Nepal, Bangladesh, Indonesia",
        "London, Paris, Berlin, Tokyo, Mumbai, Delhi, Bangalore, Chennai, Hyderabad, Pune, Kolkata, Chicago, Boston, "
        "Seattle, Toronto, Sydney, Melbourne, Dubai, Houston, Dallas",
        "Texas, California, Florida, Ohio, Arizona, Michigan, Illinois, Utah, Oregon, Colorado",
        "Google, Microsoft, Amazon, Apple, IBM, Intel, Samsung, Sony",
        "Facebook, Twitter, LinkedIn, Instagram, WhatsApp, Snapchat, YouTube, Reddit, Tumblr, Pinterest",
        "Harvard, Stanford, Yale, Princeton, Oxford, Cambridge, MIT, Berkeley, Cornell",
        "French, German, Spanish, Japanese, Italian, Korean, Arabic, Hindi, Portuguese, Russian, Turkish, Chinese",
        "Java, Python, Ruby, JavaScript, Scala, PHP, Haskell, Perl",
        "Donald Trump, Hillary Clinton, Barack Obama, Bernie Sanders, Narendra Modi, Vladimir Putin, Angela Merkel",
    )
)
"""Names that may stand in each other's place."""
CLASS_OF = {name: number for number, names in enumerate(NAMES) for name in names}
LOWER_CLASS = {name.lower(): number for name, number in CLASS_OF.items()}
KNOWN = re.compile(rf"(?<=[\w,] )(?:{'|'.join(sorted(CLASS_OF, key=len, reverse=True))})(?![\w-]|['’](?!s\b))")


def _is_number_changed(row: Row) -> bool:
    pair = differing_words(row)
    return pair is not None and pair[0].isdigit() and pair[1].isdigit()


def _is_name_changed(row: Row) -> bool:
    pair = differing_words(row)
    return pair is not None and pair[0] in LOWER_CLASS and LOWER_CLASS[pair[0]] == LOWER_CLASS.get(pair[1])


@rule("para", bucket="numbers differ", label=0, is_like=_is_number_changed)
def number_changed(source: Source) -> Texts | None:
    """A question and the same one with another number or year.

    Numbers of answers that are wanted ("the top 10") are left alone, because another one asks the same.
    """
    question = plain_question(source)
    matches = list(NUMBER.finditer(question)) if question else []
    if question is None or not matches or ASKED_FOR.search(question):
        return None
    match = source.random.choice(matches)
    other = another_number(int(match[0]), {int(match[0]) for match in matches}, source.random)
    return None if other is None else changed(question, f"{question[: match.start()]}{other}{question[match.end() :]}")


def another_number(number: int, taken: set[int], random: Random) -> int | None:
    """Return a number that is not `taken`, as round and of similar size, a year for a year; None if there is none."""
    if number in YEARS:
        return random.choice([year for year in range(number - 4, number + 4) if year not in taken])
    if number < 2:
        return None
    step = next(step for step in (1000, 500, 100, 50, 10, 5, 1) if number % step == 0)
    low, high = max(2, number // 2), number * 2
    others = [number + k * step for k in (-3, -2, -1, 1, 2, 3) if low <= number + k * step <= high]
    others = [other for other in others if other not in taken]
    return random.choice(others) if others else None


@rule("para", bucket="names differ", label=0, is_like=_is_name_changed)
def name_changed(source: Source) -> Texts | None:
    """A question and the same one with another country, city, company, language or person.

    A name that is part of a longer one is left alone. The label is certain but for comparisons with many things
    ("compared to the one in X"), of which people call some pairs the same.
    """
    question = plain_question(source)
    matches = [match for match in KNOWN.finditer(question) if _stands_alone(question, match)] if question else []
    if question is None or not matches:
        return None
    name = source.random.choice(matches)[0]
    others = [other for other in NAMES[CLASS_OF[name]] if other not in question]
    if not others or len(re.findall(rf"\b{name}\b", question)) != sum(match[0] == name for match in matches):
        return None
    return changed(question, re.sub(rf"\b{name}\b", source.random.choice(others), question))


def _stands_alone(question: str, match: re.Match[str]) -> bool:
    """Whether no other capitalised word is next to a name: "Air India" and "Google Maps" are names of their own."""
    before, after = question[: match.start()].split(), question[match.end() :].split()
    is_first = len(before) == 1
    if before and before[-1].lower() in {"a", "an"}:
        return False  # the article may have to change
    return not (before and before[-1][:1].isupper() and not is_first) and not (
        question[match.end() :].startswith(" ") and after and (after[0][:1].isupper() or after[0][:1].isdigit())
    )
