"""Sentiment in five classes (SST): contrasts and negations in other words, which keep the label.

A rule that negates praise ("not" before a positive phrase) and one that joins two sentences with "but" were tried against
the labelled phrases of the treebank and left out: the first gives the label "somewhat negative" to 67 % of such phrases,
and the second has no rule that holds for more than 74 % in one direction and 48 % in the other.
``results/synthesis/README.md`` has the figures.
"""

import re

from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.words import word_set

CONTRAST = re.compile(r"\b(?:but|although|though|while|yet|however|despite)\b", re.IGNORECASE)
NO_CONTRAST = re.compile(r"\b(?:not only|nothing|anything|everything|no one|none|not)\b", re.IGNORECASE)
"""Words before "but" that make it "except" or "but rather"."""
CLAUSE = re.compile(
    r"(?:(?i:it|this|that|the|there|his|her|its|their|he|she|they|you|we)\b|An? |[A-Z][a-z]+ ).*\b(?:is|'s|are|was|were|has|have|had|does|"
    r"do|makes|can|will|may|might|would|could|offers|gets|takes|works|shows|seems|looks|comes|goes|manages|feels)\b"
)
"""A clause with a subject and a verb."""
LOWERED = word_set("It This That The There His Her Its Their He She They You We A An")
"""First words that are no names."""
VERBS = "do|does|did|is|are|was|were|have|has|had|could|should|would"
SHORT_NEGATION = re.compile(rf"\b({VERBS}) ?n['’]t\b")
FULL_NEGATION = re.compile(rf"\b({VERBS}) not\b(?! only| just| merely)")
IRREGULAR = ((re.compile(r"\bca ?n['’]t\b"), "can not"), (re.compile(r"\bwo ?n['’]t\b"), "will not"))
"""Short forms whose verb has another form, with the full ones."""
INVERTED = re.compile(
    rf"(?:^|[.;:,] )(?:{VERBS}|ca|wo) ?n['’]t (?:it|he|she|you|they|we|this|that|the)\b", re.IGNORECASE
)
"""A negated verb before its subject, which has no full form of the same order."""
SPACED = re.compile(r" (?:[.,;!?]|n't|'s)(?: |$)")
"""A mark that has spaces around it, as everywhere in the treebank's texts."""


@rule("sst", bucket="contrast", label=None)
def contrast_reworded(source: Source) -> Texts | None:
    """A sentence "A , but B ." with another word of contrast: "Although A , B ." or "A , yet B ."; its label stays."""
    text = source.row.text
    comma = " , " if " , but " in text else ", "
    first, sign, second = text.partition(f"{comma}but ")
    if not (sign and first and second) or len(CONTRAST.findall(text)) != 1:
        return None
    if NO_CONTRAST.search(first) or "..." in text:
        return None
    is_clause = CLAUSE.match(first) is not None and CLAUSE.match(second) is not None
    if not is_clause or "," in first:
        return f"{first}{comma}yet {second}", None
    lower = first[0].lower() + first[1:] if first.split()[0] in LOWERED else first
    forms = [f"{word} {lower}{comma}{second}" for word in ("Although", "While", "Though")]
    return source.random.choice([*forms, f"{first}{comma.replace(',', ';')}however{comma}{second}"]), None


@rule("sst", bucket="negation", label=None)
def negation_reworded(source: Source) -> Texts | None:
    """A sentence with "isn't" and the like written out as "is not", or the other way round; its label stays."""
    text = source.row.text
    if text.rstrip(" ?!.'").endswith(("n't", "n’t", "not")):
        return None
    other = SHORT_NEGATION.sub(r"\1 not", text)
    for short, full in IRREGULAR:
        other = short.sub(full, other)
    if other == text:
        other = FULL_NEGATION.sub(r"\1 n't" if SPACED.search(text) else r"\1n't", text)
    return (other, None) if other != text and not INVERTED.search(text) else None
