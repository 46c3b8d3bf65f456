"""Paraphrases: the same question in slightly different words, so that much overlap does not always mean "different"."""

import re
from random import Random

from swissbert.data.rows import Row
from swissbert.data.synthesis.question import plain_question
from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.synthesis.spelling import canonical, contractions, full_forms, numbers_respelled
from swissbert.data.words import words

OPENING = re.compile(
    r"(?:What|How|Why|Who|Where|When|Which|Is|Are|Was|Were|Do|Does|Did|Can|Could|Should|Would|Will|Has|Have|If|In)\b"
)
BEFORE = ("Just curious: ", "Quick question: ", "I would like to know: ", "I was wondering: ", "Please tell me: ")
AFTER = ("Thanks.", "Thank you!", "Thanks in advance.", "Please help.", "I would be glad to know.")
REMARKS = 0.1
"""Share of the questions without another change that get a remark, so that remarks are no sign of a label."""
SAME = (
    (r"^How do (I|you|we) (?!know\b)", r"How can \1 "),
    (r"^How can (I|you|we) ", r"How do \1 "),
    (
        r"^How (?:do|can) I (?!know\b|tell\b|feel\b)(?=\w+ )(?!.*[,;])(?!.* (?:if|when|that|and)\b)",
        "What is the best way to ",
    ),
    (r"^What is the best way to ", "How can I "),
    (r"^What are (?:some|the best) ways to ", "How can I "),
    (r"^What does ([\w ]+?) mean$", r"What is the meaning of \1"),
    (r"^What is the meaning of ([\w ]+)$", r"What does \1 mean"),
    (r"^Which is the best ", "What is the best "),
    (r"^How much does ([\w ]+?) cost$", r"What does \1 cost"),
    (r"^What are some of the best ", "What are the best "),
    (r"^Where can I ", "Where do I "),
)
"""Beginnings of questions that ask the same."""
SYMBOLS = re.compile(r"[^\w\s,.?!'’;:-]")
"""Marks that make a difference which words do not show, as in C++."""


def _is_reworded(row: Row) -> bool:
    if SYMBOLS.search(row.text + (row.text_pair or "")):
        return False
    return row.text != row.text_pair and _same(row.text) == _same(row.text_pair or "")


@rule("para", bucket="much overlap", label=1, is_like=_is_reworded)
def reworded(source: Source) -> Texts | None:
    """A question and the same one with a contraction written out, another beginning ("How can I") or a polite remark.

    Rarely a person would call "How do I" and "What is the best way to" different.
    """
    question = plain_question(source)
    if question is None:
        return None
    other = _other_words(question, source.random)
    if words(other) == words(question):
        return (
            (f"{question}?", _with_remark(f"{question}?", source.random)) if source.random.random() < REMARKS else None
        )
    return f"{question}?", f"{other}?"


def _other_words(question: str, random: Random) -> str:
    """Return a question with one of the changes that it allows."""
    candidates = [full_forms(question), contractions(question), numbers_respelled(question)]
    candidates += [re.sub(pattern, other, question) for pattern, other in SAME]
    others = [other for other in candidates if other != question]
    return random.choice(others) if others else question


def _with_remark(question: str, random: Random) -> str:
    """Put a polite remark before or after a question; before it only if it begins with a word that is no name."""
    if random.random() < 0.5 and OPENING.match(question):
        return f"{random.choice(BEFORE)}{question[0].lower()}{question[1:]}"
    return f"{question} {random.choice(AFTER)}"


def _same(text: str) -> list[str]:
    """Return the words of a question in a form that is equal for questions that differ by the changes above."""
    canon = " ".join(canonical(text))
    canon = re.sub(
        r"^(?:how can (?:i|you|we)|what is the best way to|what are (?:some|the best) ways to)\b", "how do i", canon
    )
    canon = re.sub(r"^how do (?:you|we)\b", "how do i", canon)
    canon = re.sub(r"^what is the meaning of (.*)$", r"what does \1 mean", canon)
    canon = re.sub(r"^how much (does .* cost)$", r"what \1", canon)
    return re.sub(r"^(?:which is|what are some of) the best\b", "what is the best", canon).split()
