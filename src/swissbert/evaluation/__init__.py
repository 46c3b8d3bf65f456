"""Scores of a model on labelled rows, with bootstrap intervals."""

from swissbert.evaluation.intervals import intervals, percentiles
from swissbert.evaluation.overall_samples import overall_samples
from swissbert.evaluation.predictions import table_answers, tables_answers
from swissbert.evaluation.scores import Scores, TaskScores, evaluate, overall, task_scores, with_overall
from swissbert.evaluation.tfidf import tfidf_scores

__all__ = [
    "Scores",
    "TaskScores",
    "evaluate",
    "intervals",
    "overall",
    "overall_samples",
    "percentiles",
    "table_answers",
    "tables_answers",
    "task_scores",
    "tfidf_scores",
    "with_overall",
]
