"""Paraphrases: two phrases change places, which matters after "from" and not after "difference between"."""

import re
from collections.abc import Callable

from swissbert.data.synthesis.question import changed, plain_question, sides
from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.words import STOP_WORDS, word_set, words

PHRASE = r"(?:(?:an?|the) )?[\w.-]+(?: [\w.-]+){0,2}?"
"""A phrase of up to three words and an article."""
END = r"(?= (?:in|by|on|with|for|using|at|without)\b|$)"
VERBS = "affect|influence|cause|attack|defeat|beat|hate|love|invade|support|replace|kill|buy|overtake|surpass|eat|fight|marry|trust|fear|betray|outperform|acquire"
ORDERED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:convert|change|turn|transform|translate) (?:an? |the )?(?P<x>{PHRASE}) (?:in)?to (?:an? |the )?"
        rf"(?P<y>{PHRASE}){END}",
        rf"\b(?:switch|move|moving|transfer|migrate|change|shift|travel|go|get|translate|convert|transition|drive|upgrade|"
        rf"switching|immigrate|relocate|send money|come|transform|turn)(?: [\w']+){{0,4}}? from (?P<x>{PHRASE}) to "
        rf"(?P<y>{PHRASE}){END}",
        rf"^Why (?P<verb>is|are) (?P<x>{PHRASE}) (?:\w+ )?(?:better|worse|more [a-z]+|less [a-z]+|[a-z]+er) than (?P<y>{PHRASE})$",
        rf"\b(?:choose|prefer|use|chose|choosing|pick|buy|learn|study|using|take) (?P<x>{PHRASE}) "
        rf"(?:over|instead of|rather than) (?P<y>{PHRASE}){END}",
        rf"^(?:How|Why) (?P<verb>does|do|did|can|could|would|will) (?P<x>{PHRASE}) (?:{VERBS}) (?P<y>{PHRASE})$",
        rf"^(?P<verb>Can|Could|Will|Would|Did|Does|Do|Should) (?P<x>{PHRASE}) (?:ever )?(?:{VERBS}) (?P<y>{PHRASE})$",
    )
)
"""Questions in which two phrases have different parts."""
SYMMETRIC = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:differences?|similarity|similarities|relationship|relation|comparison) between (?P<x>{PHRASE}) and "
        rf"(?P<y>{PHRASE})$",
        rf"^Which (?:one )?is (?:the )?(?:better|best|more \w+|healthier|faster|safer|easier|harder|cheaper)[,]? "
        rf"(?P<x>{PHRASE}) or (?P<y>{PHRASE})$",
        rf"^(?:Should I|Do you|Is it better to|Would you rather) (?:learn|buy|choose|get|study|use|take|prefer|join|be|have) "
        rf"(?P<x>{PHRASE}) or (?P<y>{PHRASE})$",
        rf"^(?:Is|Are) (?P<x>{PHRASE}) or (?P<y>{PHRASE}) (?:better|best|more \w+|healthier|faster)$",
    )
)
"""Questions in which both phrases have the same part."""
EITHER_WAY = re.compile(r"\b(?:distance|far|long|fare|between|difference|each other|vs|versus)\b", re.IGNORECASE)
"""Words of questions about a way or a comparison, which the direction hardly changes."""
NUMBERED = ("do", "does", "is", "are")
"""Verbs that agree with their subject."""
ARTICLES = ("a ", "an ", "the ")
UNSUITABLE = word_set("between scratch start each one two also soon ever back another other others it's eating")
"""Words by which a phrase is none that can stand in the place of another."""


@rule(
    "para", bucket="much overlap", label=0, is_like=lambda row: any(_is(_swapped_order, *pair) for pair in sides(row))
)
def subject_object_swap(source: Source) -> Texts | None:
    """A question and the same one with two phrases exchanged, such as "from X to Y" and "from Y to X"."""
    question = plain_question(source)
    return changed(question, _swapped_order(question)) if question else None


@rule(
    "para", bucket="much overlap", label=1, is_like=lambda row: any(_is(_swapped_equals, *pair) for pair in sides(row))
)
def symmetric_swap(source: Source) -> Texts | None:
    """A question and the same one with the two things that it compares exchanged: "difference between X and Y"."""
    question = plain_question(source)
    return changed(question, _swapped_equals(question)) if question else None


def _swapped_order(question: str) -> str | None:
    return None if EITHER_WAY.search(question) else _swapped(question, ORDERED)


def _swapped_equals(question: str) -> str | None:
    return _swapped(question, SYMMETRIC)


def _swapped(question: str, patterns: tuple[re.Pattern[str], ...]) -> str | None:
    """Exchange the phrases ``x`` and ``y`` of the first pattern that is in a question, if both are of the same form."""
    match = next((match for pattern in patterns if (match := pattern.search(question))), None)
    if match is None:
        return None
    x, y = match["x"], match["y"]
    if not (_is_phrase(x) and _is_phrase(y)) or x.startswith(ARTICLES) != y.startswith(ARTICLES):
        return None
    if len(x.split()) < len(y.split()) or set(words(x)) & set(words(y)) - STOP_WORDS:
        return None  # "fiscal and monetary policy" is one phrase
    verb = (match.groupdict().get("verb") or "").lower()
    if verb and (_is_plural(x) != _is_plural(y) or (_is_plural(x) != (verb in {"do", "are"}) and verb in NUMBERED)):
        return None
    return (
        question[: match.start("x")] + y + question[match.end("x") : match.start("y")] + x + question[match.end("y") :]
    )


def _is_phrase(text: str) -> bool:
    """Whether a text has only content words after its article, and no number, adverb or verb of the patterns."""
    inner = words(text[text.index(" ") + 1 :] if text.startswith(ARTICLES) else text)
    unsuitable = STOP_WORDS | set(VERBS.split("|")) | UNSUITABLE
    return bool(inner) and not any(word in unsuitable or word.endswith("ly") or word[0].isdigit() for word in inner)


def _is_plural(text: str) -> bool:
    last = words(text)[-1]
    return last in {"people", "men", "women", "children"} or (
        last.endswith("s") and not last.endswith(("ss", "us", "is"))
    )


def _is(swap: Callable[[str], str | None], first: str, second: str) -> bool:
    """Whether the second text is the first one with its phrases exchanged."""
    other = swap(first)
    return other is not None and words(other) == words(second)
