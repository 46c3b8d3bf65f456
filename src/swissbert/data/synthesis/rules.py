"""The table of synthesis rules."""

from swissbert.data.synthesis.more_specific import question_more_specific
from swissbert.data.synthesis.negation import negated
from swissbert.data.synthesis.reworded import reworded
from swissbert.data.synthesis.rule import Rule
from swissbert.data.synthesis.sentiment import contrast_reworded, negation_reworded
from swissbert.data.synthesis.similarity import respelled, unrelated
from swissbert.data.synthesis.swapped import subject_object_swap, symmetric_swap
from swissbert.data.synthesis.values import name_changed, number_changed

RULES: tuple[Rule, ...] = (
    question_more_specific,
    subject_object_swap,
    symmetric_swap,
    number_changed,
    name_changed,
    negated,
    reworded,
    respelled,
    unrelated,
    contrast_reworded,
    negation_reworded,
)
"""All rules. Those of one task have different names."""


def rules_for(task: str) -> dict[str, Rule]:
    """Return the rules of a task by name, in the order of the table."""
    return {rule.name: rule for rule in RULES if rule.task == task}
