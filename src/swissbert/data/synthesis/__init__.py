"""Synthesised train rows for the types of error that reports find: rules, and files of rows that they make.

The paper leaves to future work training rows for the errors that its model still makes. A rule makes rows of such a kind out of train rows so that their label is certain by construction, or nearly so.
"""

from swissbert.data.synthesis.build import RuleRows, Synthesis, synthesise
from swissbert.data.synthesis.rule import Rule, Source
from swissbert.data.synthesis.rules import RULES, rules_for
from swissbert.data.synthesis.written import recipe_lines, write_rows

__all__ = ["RULES", "Rule", "RuleRows", "Source", "Synthesis", "recipe_lines", "rules_for", "synthesise", "write_rows"]
