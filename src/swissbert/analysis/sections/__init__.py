"""Sections of the report, one function each; `swissbert.analysis.report` puts them in order."""

from swissbert.analysis.sections.attention_plots import attention_section
from swissbert.analysis.sections.comparison import comparison_section
from swissbert.analysis.sections.error_analysis import errors_section
from swissbert.analysis.sections.label_balance import labels_section
from swissbert.analysis.sections.model_parts import architecture_section
from swissbert.analysis.sections.quality import overall_sentence, scores_section
from swissbert.analysis.sections.summary import summary_section, word_scores
from swissbert.analysis.sections.training_curves import gradient_work, task_cosines, training_section

__all__ = [
    "architecture_section",
    "attention_section",
    "comparison_section",
    "errors_section",
    "gradient_work",
    "labels_section",
    "overall_sentence",
    "scores_section",
    "summary_section",
    "task_cosines",
    "training_section",
    "word_scores",
]
