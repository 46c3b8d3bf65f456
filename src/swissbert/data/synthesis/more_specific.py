"""Paraphrases: a question, and the same one restricted to some people or places, ask for different things."""

import re

from swissbert.data.synthesis.question import changed, plain_question, sides
from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.words import word_set, words

PLACES = (
    "in South Korea",
    "in New Zealand",
    "in Saudi Arabia",
    "in South Africa",
    "in Sri Lanka",
    "in northern Italy",
    "in eastern Canada",
    "in San Francisco",
    "in Hong Kong",
    "in Los Angeles",
    "in southern France",
    "in western Australia",
    "in Costa Rica",
    "in Mexico City",
)
WAYS = ("as a college student", "as a blind person", "while working full time", "at the age of seventy")
PEOPLE = ("for elderly people", "for blind people", "for college students", "for single parents")
BEST = r"(?:What|Which) (?:is|are) (?:the |some )?(?:of the )?(?:best|good|top|cheapest|easiest|fastest|most \w+)"
OPENINGS = (
    (
        r"How (?:do|can|should) I (?:learn|start|build|create|write|become|master|study|prepare|publish|design|teach)\b",
        WAYS,
    ),
    (
        r"How (?:do|can|should) I (?:open|start|buy|sell|apply|hire|rent|register|adopt|invest|find (?:an?|some|good|cheap)|"
        r"get an? (?:job|visa|loan|house|passport|internship|license|licence|apartment|phone))\b",
        PLACES,
    ),
    (rf"{BEST} (?:ways?|methods?|books?|exercises?|diets?|courses?|apps?|games?|tools?)\b", PEOPLE),
    (
        rf"{BEST} (?:\w+ )?(?:college|universit|school|hotel|restaurant|place|compan|job|career|car|phone|smartphone|laptop|"
        r"bank|hospital|doctor|course|business|institute|shop|store|dish|food|beach|cit|tourist|bike|brand|camera)",
        PLACES,
    ),
    (r"Where (?:can|do|should) (?:I|we|you|one) ", PLACES),
    (r"How much (?:does|do) [\w ]+ (?:cost|earn|make)\b", PLACES),
    (r"What (?:is|are) the (?:salary|price|cost|legal age|tax|rules|laws|requirements)\b", PLACES),
)
"""Beginnings of questions, each with the restrictions that suit them."""
RESTRICTED = word_set(
    "in for as with without on at from under if when while during after before over by like than since until through world "
    "ever time life always usa uk america europe online india indian american my your his her their our am not it this that "
    "these there suicide kill die masturbation masturbating sex porn love"
)
"""Words of questions that are restricted already, about one case, or about what a restriction does not suit."""


@rule(
    "para", bucket="one more specific", label=0, is_like=lambda row: any(_is_restriction(*pair) for pair in sides(row))
)
def question_more_specific(source: Source) -> Texts | None:
    """A question and the same one with a restriction, such as "in South Korea" or "for elderly people".

    The label is nearly certain: an answer to the general question does not answer the restricted one, but people who
    label pairs let some restrictions pass.
    """
    question = plain_question(source)
    if question is None or set(words(question)) & RESTRICTED:
        return None
    fitting = [restriction for opening, some in OPENINGS if re.match(opening, question) for restriction in some]
    return changed(question, f"{question} {source.random.choice(fitting)}") if fitting else None


def _is_restriction(general: str, special: str) -> bool:
    """Whether the second text is the first one with a restriction of people, place or means at its end."""
    first, second = words(general), words(special)
    if not first or second[: len(first)] != first:
        return False
    rest = special.split()[len(general.split()) :]
    is_place = rest[:1] == ["in"] and rest[1][:1].isupper() if len(rest) > 1 else False
    return is_place or (len(rest) > 1 and rest[0] in {"for", "as", "without", "under", "on"})
