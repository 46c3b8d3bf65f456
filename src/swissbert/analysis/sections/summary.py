"""Summary at the top of a report: scores beside baselines, confidence, hardest rows, conflicts between tasks."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.calibration import tendency
from swissbert.analysis.mistakes import bucket_errors
from swissbert.analysis.page import Section, Table
from swissbert.analysis.score_figures import MetricScore
from swissbert.analysis.sections.training_curves import Cosines
from swissbert.data.dataset import load_split
from swissbert.errors import SwissbertError
from swissbert.evaluation import tfidf_scores
from swissbert.evaluation.tfidf import ROWS
from swissbert.inference.model import Model
from swissbert.metrics import higher_is_better
from swissbert.tasks import Split
from swissbert.wording import joined

HARDEST = 2
"""Buckets of rows that are named for each task."""
CLEAR_CONFLICT = 0.05
"""Mean cosine below whose negative tasks are said to conflict."""


def word_scores(model: Model, answered: AnsweredSplit, directory: Path | None) -> float:
    """Return the declared metric of TF-IDF with a linear model on the rows of a report; NaN if it cannot be computed."""
    task = answered.task
    options = model.token_options(task)
    try:
        train = load_split(task, "train", directory, model.tokenizer, **options, limit=ROWS).labelled()
        rows = load_split(task, answered.split, directory, model.tokenizer, **options, max_bad=None).labelled()
        scores = tfidf_scores(train, rows)
    except SwissbertError:
        return math.nan
    return math.nan if scores is None else scores[task.metric]


def summary_section(
    splits: Mapping[str, AnsweredSplit],
    scores: Sequence[MetricScore],
    words: Mapping[str, float],
    overall: str,
    cosines: Cosines,
    split: Split,
) -> Section:
    """Build the section.

    Args:
        splits: Answers to a split of each task, by name of the task.
        scores: Every metric of every task.
        words: Declared metric of TF-IDF with a linear model, by task; NaN where it is not known.
        overall: A sentence on the overall score; empty if there is none.
        cosines: Cosines of task gradients by part of the encoder; empty if they are not known.
        split: Name of the split.
    """
    declared = {score.task: score for score in scores if score.declared}
    rows = [_row(declared[name], words[name]) for name in splits]
    header = ["task", "metric", "score", "from", "to", "chance", "words alone", "in short"]
    table = Table("summary", f"Scores on the {split} rows, with 95 % intervals", header, rows)
    points = [overall] if overall else []
    points += [_confidence(answered) for answered in splits.values() if answered.confidence is not None]
    points += [_hardest(answered) for answered in splits.values()]
    points += _conflicts(cosines)
    text = (
        "Chance is the best constant answer (0 for a correlation). Words alone is a linear model on TF-IDF of the train "
        "rows, without an encoder."
    )
    return Section("summary", "Summary", text, [table], [point for point in points if point])


def _row(score: MetricScore, words: float) -> list[object]:
    value = "undefined" if math.isnan(score.value) else score.value
    return [
        score.task,
        score.metric.replace("_", " "),
        value,
        *score.interval,
        score.chance,
        words,
        _verdict(score, words),
    ]


def _verdict(score: MetricScore, words: float) -> str:
    """Compare a score with its baselines; a baseline inside the interval of the score is no clear difference."""
    if math.isnan(score.value):
        return ""
    sign = 1 if higher_is_better(score.metric) else -1
    low = min(sign * end for end in score.interval)
    high = max(sign * end for end in score.interval)
    for name, value in (("chance", score.chance), ("words alone", words)):
        if math.isnan(value):
            continue
        if sign * value > high:
            return f"worse than {name}"
        if sign * value >= low:
            return f"not clearly better than {name}"
    known = [name for name, value in (("chance", score.chance), ("words alone", words)) if not math.isnan(value)]
    return f"better than {joined(known)}" if known else ""


def _confidence(answered: AnsweredSplit) -> str:
    """Say whether a model is as sure as it is right."""
    result = tendency(answered)
    how = {"": "well calibrated", "over": "overconfident", "under": "underconfident"}[result.sign]
    return (
        f"{answered.task.name} is {how}: mean confidence {result.confidence:.0%}, accuracy {result.accuracy:.0%}, expected "
        f"calibration error {result.error:.1%}."
    )


def _hardest(answered: AnsweredSplit) -> str:
    """Name the buckets of rows with clearly larger errors than all other rows."""
    kind, name = answered.task.kind, answered.task.name
    harder = [bucket for bucket in bucket_errors(answered) if bucket.is_significant and bucket.difference > 0]
    harder.sort(key=lambda bucket: -bucket.difference)
    if not harder:
        return f"{name}: no kind of row is clearly harder than the others."

    def shown(value: float) -> str:
        return f"{value:.0%}" if kind.error_is_share else f"{value:.2f}"

    listed = [f"{b.name} ({shown(b.error)} against {shown(b.rest)}, {b.rows:,} rows)" for b in harder[:HARDEST]]
    return f"{name}: hardest are rows with {joined(listed)}; the figures are {kind.error_name} there and on all other rows."


def _conflicts(cosines: Cosines) -> list[str]:
    """Say which tasks pull the encoder in opposite directions."""
    pairs: dict[str, list[float]] = {}
    for values in cosines.values():
        for pair, numbers in values.items():
            pairs.setdefault(pair, []).extend(numbers)
    means = {pair: float(np.mean(numbers)) for pair, numbers in pairs.items() if numbers}
    if not means:
        return []
    opposed = {pair: mean for pair, mean in means.items() if mean < -CLEAR_CONFLICT}
    if not opposed:
        lowest = min(means, key=lambda pair: means[pair])
        figure = f"{means[lowest]:+.2f}".replace("-", "−")
        return [f"No conflicts between tasks: the lowest mean cosine of two task gradients is {figure} ({lowest})."]
    listed = [
        f"{pair} (mean cosine {mean:+.2f})".replace("+", "").replace("-0", "−0") for pair, mean in opposed.items()
    ]
    return [f"Tasks in conflict, whose gradients point in opposite directions: {joined(listed)}."]
