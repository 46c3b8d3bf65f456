"""Paraphrases: a question and its negation."""

import re

from swissbert.data.synthesis.question import changed, plain_question, sides
from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.synthesis.spelling import canonical
from swissbert.data.words import NEGATION, words

NEGATED = {
    "can": "can't",
    "will": "won't",
    **{
        verb: f"{verb}n't"
        for verb in ("do", "does", "did", "is", "are", "was", "were", "has", "have", "could", "should", "would")
    },
}
WHY = re.compile(rf"Why ({'|'.join(NEGATED)}) (?!there\b|it (?:that|so|called)\b|so\b|the\b.* so\b)")
WHAT_SHOULD = re.compile(
    r"((?:What|Where|When|Who|Which \w+)(?: \w+)? should (?:I|we|you|one|people|they|someone)) (?!be\b)"
)
UNSUITABLE = {
    "unable",
    "impossible",
    "so",
    "still",
    "even",
    "really",
    "too",
    "only",
    "else",
    "or",
    "yet",
    "ever",
    "stop",
    "avoid",
    "quit",
    "refuse",
    "rather",
}
"""Words beside which a negation changes little, is odd, or takes away the only point."""


@rule("para", bucket="much overlap", label=0, is_like=lambda row: any(_is_negation(*pair) for pair in sides(row)))
def negated(source: Source) -> Texts | None:
    """A question for reasons or for what to do, and the same one negated: "Why do" and "Why don't".

    Questions that are answered with yes or no are left alone: "Is it good?" and "Isn't it good?" ask the same.
    """
    question = plain_question(source)
    if question is None:
        return None
    here = set(words(question))
    if here & (NEGATION | UNSUITABLE) or any(word.endswith(("n't", "n’t")) for word in here):
        return None
    if WHY.match(question):
        return changed(question, WHY.sub(lambda match: f"Why {NEGATED[match[1]]} ", question, count=1))
    if WHAT_SHOULD.match(question):
        return changed(question, WHAT_SHOULD.sub(r"\1 not ", question, count=1))
    return None


def _is_negation(first: str, second: str) -> bool:
    """Whether the second text has one "not" more and else the same words."""
    a, b = canonical(first), canonical(second)
    return b.count("not") == a.count("not") + 1 and [w for w in a if w != "not"] == [w for w in b if w != "not"]
