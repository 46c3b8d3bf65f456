"""Section of scores: every metric, confusion matrices or scores by label, calibration, scatter plots."""

from collections.abc import Mapping

import numpy as np

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.calibration import calibration_bins, calibration_figure, decisions_name
from swissbert.analysis.label_figures import confusion_figure, label_figure, label_scores
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.analysis.score_figures import metric_scores, scatter_figure, scores_figure
from swissbert.tasks import Split


def scores_section(splits: Mapping[str, AnsweredSplit], split: Split) -> Section:
    """Build the section.

    Args:
        splits: Answers to a split of each task, by name of the task.
        split: Name of that split.
    """
    scores = [score for answered in splits.values() for score in metric_scores(answered)]
    overall = float(np.mean([score.value for score in scores if score.declared]))
    header = ["task", "metric", "score", "from", "to", "chance", "rows"]
    rows = [[s.task, s.metric + (" *" if s.declared else ""), s.value, *s.interval, s.chance, s.rows] for s in scores]
    parts: list[Part] = [
        Picture("scores", scores_figure(scores), "Scores of every task with 95 % intervals"),
        Table("scores", "All metrics with 95 % intervals (bootstrap over rows)", header, rows),
    ]
    for answered in splits.values():
        parts += _task_parts(answered)
    bad = sum(answered.bad_count for answered in splits.values())
    if bad:
        reasons = [[row.file, row.number, row.reason] for answered in splits.values() for row in answered.bad]
        parts.append(Table("left-out", "Bad rows (the first of each task)", ["file", "row", "reason"], reasons))
    text = f"On the {split} rows. The overall score, the mean of the metrics marked *, is {overall:.3f}."
    unlabelled = sum(answered.unlabelled for answered in splits.values())
    text += f" {bad:,} bad row(s) were left out." if bad else ""
    text += f" {unlabelled:,} row(s) without a label were left out." if unlabelled else ""
    return Section("scores", "Scores", text, parts)


def _task_parts(answered: AnsweredSplit) -> list[Part]:
    """Return what the kind of the task allows: labels, a confusion matrix, confidence; a scatter plot for scores."""
    task, name = answered.task, answered.task.name
    parts: list[Part] = []
    if task.kind.one_hot(task, answered.labels) is None:
        description = f"Predicted against true scores of {name}"
        parts.append(Picture(f"scatter-{name}", scatter_figure(answered), description))
    else:
        parts += _label_parts(answered)
    if answered.confidence is not None:
        parts += _calibration_parts(answered)
    return parts


def _label_parts(answered: AnsweredSplit) -> list[Part]:
    task, name = answered.task, answered.task.name
    picture = (
        Picture(f"label-scores-{name}", label_figure(answered), f"Precision, recall and F1 of the labels of {name}")
        if task.kind.confusion(task, answered.labels, answered.decisions) is None
        else Picture(f"confusion-{name}", confusion_figure(answered), f"Confusion matrix of {name}")
    )
    header = ["label", "rows", "precision", "recall", "F1"]
    return [picture, Table(f"classes-{name}", f"{name}: scores by label", header, label_scores(answered))]


def _calibration_parts(answered: AnsweredSplit) -> list[Part]:
    name = answered.task.name
    bins, error = calibration_bins(answered)
    title = f"{name}: calibration by confidence, expected calibration error {error:.3f}"
    header = ["mean confidence", "accuracy", decisions_name(answered)]
    picture = Picture(f"calibration-{name}", calibration_figure(answered), f"Calibration of {name}")
    return [picture, Table(f"calibration-{name}", title, header, bins)]
