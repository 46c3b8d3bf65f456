"""Summary at the top of a report: scores beside baselines, confidence, hardest rows, conflicts between tasks."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.calibration import tendency
from swissbert.analysis.hard_rows import FLOOR, compared_buckets, hard_buckets
from swissbert.analysis.mistakes import BucketErrors
from swissbert.analysis.page import Section, Table
from swissbert.analysis.score_figures import MetricScore
from swissbert.analysis.sections.training_curves import Cosines
from swissbert.data.dataset import load_split
from swissbert.errors import SwissbertError
from swissbert.evaluation import tfidf_scores
from swissbert.evaluation.tfidf import ROWS
from swissbert.inference.model import Model
from swissbert.metrics import higher_is_better
from swissbert.task_words import title_and_name
from swissbert.tasks import Split, Task
from swissbert.wording import joined

HARDEST = 2
"""Kinds of rows that are named for each task."""
CLEAR_CONFLICT = 0.05
"""Mean cosine below whose negative tasks are said to work against each other."""
HOW = (
    "Chance is the best constant answer (0 for a correlation). Words alone is a linear model on TF-IDF of the train rows, "
    "without an encoder. A score is better than these where its whole interval is. The expected calibration error is the mean "
    "distance between probability and share of right answers. Kinds of rows are compared if they and all other rows are at "
    f"least {FLOOR} each. The {HARDEST} hardest are named if the interval of their difference from all other rows is above 0; "
    "with k kinds it is an interval of 100 % − 5 % / k (Bonferroni), so that many comparisons do not find differences by chance. "
    "Two tasks work against each other if the mean cosine of their gradients in the encoder is below "
    f"−{CLEAR_CONFLICT:g}, so that a step that helps one harms the other."
)
"""How the figures of the section are made."""


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
    rows = [_row(answered.task, declared[name], words[name]) for name, answered in splits.items()]
    header = ["task", "in short", "metric", "score", "from", "to", "chance", "words alone"]
    table = Table("summary", f"Scores on the {split} rows, with 95 % intervals", header, rows)
    points = [overall, *(_about(answered) for answered in splits.values()), *_conflicts(cosines)]
    text = f"The answers to the {split} rows in short. The sections below have all figures, and rows as examples."
    return Section("summary", "Summary", text, [table], [point for point in points if point], HOW)


def _row(task: Task, score: MetricScore, words: float) -> list[object]:
    value = "undefined" if math.isnan(score.value) else score.value
    metric = score.metric.replace("_", " ")
    return [title_and_name(task), _verdict(score, words), metric, value, *score.interval, score.chance, words]


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


def _about(answered: AnsweredSplit) -> str:
    """Say of a task whether the model is as sure as it is right, and which rows are hardest."""
    sentences = [_hardest(answered)] if answered.confidence is None else [_confidence(answered), _hardest(answered)]
    return f"{title_and_name(answered.task)}: {' '.join(sentences)}"


def _confidence(answered: AnsweredSplit) -> str:
    """Say whether a model is as sure as it is right."""
    result = tendency(answered)
    how = {"": "well calibrated", "over": "overconfident", "under": "underconfident"}[result.sign]
    return (
        f"The model is {how}: it gives its answers a probability of {result.confidence:.0%} on average, and "
        f"{result.accuracy:.0%} of them are right (expected calibration error {result.error:.1%})."
    )


def _hardest(answered: AnsweredSplit) -> str:
    """Name the kinds of rows with clearly larger errors than all other rows."""
    hard = hard_buckets(answered)[:HARDEST]
    if not hard and not compared_buckets(answered):
        return "There are too few rows to compare kinds of rows."
    if not hard:
        return "No kind of row is clearly harder than the others."
    listed = [f"{bucket.phrase} ({_errors(answered, bucket)}; {bucket.rows:,} rows)" for bucket in hard]
    return f"Hardest are {joined(listed)}."


def _errors(answered: AnsweredSplit, bucket: BucketErrors) -> str:
    """Word the error of a bucket and of the other rows, such as ``24% wrong, other rows 15%``."""
    kind = answered.task.kind
    if answered.is_right_or_wrong:
        return f"{bucket.error:.0%} wrong, other rows {bucket.rest:.0%}"
    form = ".0%" if kind.error_is_share else ".2f"
    return f"{kind.error_name} {bucket.error:{form}}, other rows {bucket.rest:{form}}"


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
        what = "lowest mean cosine of the gradients of two tasks"
        return [f"No task works against another ({what}: {_shown(means[lowest])}, {_tasks(lowest)})."]
    return [
        f"{_tasks(pair)} work against each other (mean cosine of their gradients {_shown(mean)})."
        for pair, mean in opposed.items()
    ]


def _tasks(pair: str) -> str:
    return joined(pair.split("-"))


def _shown(cosine: float) -> str:
    return f"{round(cosine, 2) + 0.0:.2f}".replace("-", "−")  # 0.0 is added because of −0
