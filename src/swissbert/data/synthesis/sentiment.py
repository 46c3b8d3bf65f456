"""Sentiment in five classes (SST): contrasts and negations in other words, which keep the label.

A rule that negates praise ("not" before a positive phrase) and one that joins two sentences with "but" were tried against
the labelled phrases of the treebank and left out: the first gives the label "somewhat negative" to only 70 % of them, and
the second has no rule that holds for more than 73 %. ``results/synthesis/README.md`` has the figures.
"""

import re

from swissbert.data.synthesis.rule import Source, Texts, rule
from swissbert.data.words import word_set

CONTRAST = re.compile(r"\b(?:but|although|though|while|yet|however|despite)\b", re.IGNORECASE)
NO_CONTRAST = re.compile(r"\b(?:not only|nothing|anything|everything|no one|none|not)\b", re.IGNORECASE)
"""Words before "but" that make it "except" or "but rather"."""
CLAUSE = re.compile(
    r"(?:It|This|That|The|There|His|Her|Its|Their|He|She|They|You|We|A|An|[A-Z][a-z]+) .*\b(?:is|'s|are|was|were|has|have|had|does|"
    r"do|makes|can|will|may|might|would|could|offers|gets|takes|works|shows|seems|looks|comes|goes|manages|feels)\b"
)
"""A clause with a subject and a verb."""
LOWERED = word_set("It This That The There His Her Its Their He She They You We A An")
"""First words that are no names."""
NEGATIVE_VERB = re.compile(r"\b(do|does|did|is|are|was|were|have|has|had|could|should|would|need|must) n't\b")
FULL_NEGATION = re.compile(
    r"\b(do|does|did|is|are|was|were|have|has|had|could|should|would) not\b(?! only| just| merely)"
)


@rule("sst", bucket="contrast", label=None)
def contrast_reworded(source: Source) -> Texts | None:
    """A sentence "A , but B ." with another word of contrast: "Although A , B ." or "A , yet B ."; its label stays."""
    text = source.row.text
    first, sign, second = text.partition(" , but ")
    if not sign or len(CONTRAST.findall(text)) != 1 or NO_CONTRAST.search(first) or " ... " in text:
        return None
    is_clause = CLAUSE.match(first) is not None and CLAUSE.match(second[0].upper() + second[1:]) is not None
    if not is_clause or "," in first:
        return f"{first} , yet {second}", None
    lower = first[0].lower() + first[1:] if first.split()[0] in LOWERED else first
    forms = (f"Although {lower} , {second}", f"While {lower} , {second}", f"Though {lower} , {second}")
    return source.random.choice([*forms, f"{first} ; however , {second}"]), None


@rule("sst", bucket="negation", label=None)
def negation_reworded(source: Source) -> Texts | None:
    """A sentence with "is n't" and the like written out as "is not", or the other way round; its label stays."""
    text = source.row.text
    other = NEGATIVE_VERB.sub(r"\1 not", text) if NEGATIVE_VERB.search(text) else FULL_NEGATION.sub(r"\1 n't", text)
    other = other.replace("ca n't", "can not").replace("wo n't", "will not")
    return (other, None) if other != text and not text.rstrip(" ?!.").endswith(("n't", "not")) else None
