"""Section of scores: every metric, confusion matrices or scores by label, calibration, scatter plots."""

import math
from collections.abc import Mapping, Sequence

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.calibration import calibration_bins, calibration_figure, decisions_name
from swissbert.analysis.label_figures import confusion_figure, label_figure, label_scores
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.analysis.score_figures import MetricScore, scatter_figure, scores_figure
from swissbert.analysis.thresholds import NAMES, has_threshold, threshold_figure, threshold_table
from swissbert.evaluation import TaskScores, with_overall
from swissbert.evaluation.confused import MANY_LABELS, most_confused
from swissbert.metrics import higher_is_better, shown
from swissbert.tasks import Split
from swissbert.wording import joined


def scores_section(splits: Mapping[str, AnsweredSplit], scores: Sequence[MetricScore], split: Split) -> Section:
    """Build the section.

    Args:
        splits: Answers to a split of each task, by name of the task.
        scores: Every metric of every task.
        split: Name of that split.
    """
    header = ["task", "metric", "score", "from", "to", "chance", "rows"]
    rows = [
        [
            s.task,
            s.metric + (" *" if s.declared else ""),
            "undefined" if math.isnan(s.value) else s.value,
            *s.interval,
            s.chance,
            s.rows,
        ]
        for s in scores
    ]
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
    sentences = [f"On the {split} rows.", overall_sentence(splits, scores)]
    sentences += [f"{name}: {note}." for name, answered in splits.items() for note in answered.notes]
    sentences += [f"{bad:,} bad row(s) were left out."] if bad else []
    unlabelled = sum(answered.unlabelled for answered in splits.values())
    sentences += [f"{unlabelled:,} row(s) without a label were left out."] if unlabelled else []
    return Section("scores", "Scores", " ".join(filter(None, sentences)), parts)


def overall_sentence(splits: Mapping[str, AnsweredSplit], scores: Sequence[MetricScore]) -> str:
    """Word the overall score and which tasks it leaves out; empty if no task counts."""
    tasks = {
        name: TaskScores(answered.task.metric, len(answered.labels), answered.bad_count, _values(name, scores))
        for name, answered in splits.items()
    }
    result = with_overall(tasks, {name: answered.labels_reason for name, answered in splits.items()})
    if math.isnan(result.overall) and not any(higher_is_better(task.metric) for task in tasks.values()):
        return ""
    by_metric: dict[str, list[str]] = {}
    for name, task in tasks.items():
        if higher_is_better(task.metric):
            by_metric.setdefault(task.metric.replace("_", " "), []).append(name)
    metrics = joined([f"{metric} ({', '.join(names)})" for metric, names in by_metric.items()])
    value = f"The overall score is {shown(result.overall)}, the mean of one score for each task: {metrics}."
    return " ".join([value, *(f"{note[0].upper()}{note[1:]}." for note in result.notes)])


def _values(task: str, scores: Sequence[MetricScore]) -> dict[str, float]:
    return {score.metric: score.value for score in scores if score.task == task}


def _task_parts(answered: AnsweredSplit) -> list[Part]:
    """Return what the kind of the task allows: labels, a confusion matrix, confidence; a scatter plot for scores."""
    task, name = answered.task, answered.task.name
    parts: list[Part] = []
    if task.kind.one_hot(task, answered.labels) is None:
        description = f"Predicted against true scores of {name}"
        parts.append(Picture(f"scatter-{name}", scatter_figure(answered), description))
    else:
        parts += _label_parts(answered)
    if has_threshold(answered):
        parts += _threshold_parts(answered)
    if answered.confidence is not None:
        parts += _calibration_parts(answered)
    return parts


def _label_parts(answered: AnsweredSplit) -> list[Part]:
    task, name = answered.task, answered.task.name
    parts: list[Part]
    picture = (
        Picture(f"label-scores-{name}", label_figure(answered), f"Precision, recall and F1 of the labels of {name}")
        if task.kind.confusion(task, answered.labels, answered.decisions) is None
        else Picture(f"confusion-{name}", confusion_figure(answered), f"Confusion matrix of {name}")
    )
    header = ["label", "rows", "precision", "recall", "F1"]
    parts = [picture, Table(f"classes-{name}", f"{name}: scores by label", header, label_scores(answered))]
    counts = task.kind.confusion(task, answered.labels, answered.decisions)
    if counts is not None and len(task.labels) > MANY_LABELS and (pairs := most_confused(task.labels, counts)):
        title = f"{name}: labels that are most often confused"
        parts.append(Table(f"confused-{name}", title, ["true", "predicted", "rows"], pairs))
    return parts


def _threshold_parts(answered: AnsweredSplit) -> list[Part]:
    name, label = answered.task.name, answered.task.labels[1]
    title = f"{name}: thresholds of '{label}', chosen on the {len(answered.labels):,} {answered.split} rows that they are scored on"
    picture = Picture(f"thresholds-{name}", threshold_figure(answered), f"Scores of {name} by threshold")
    return [picture, Table(f"thresholds-{name}", title, ["choice", "threshold", *NAMES], threshold_table(answered))]


def _calibration_parts(answered: AnsweredSplit) -> list[Part]:
    name = answered.task.name
    bins, error = calibration_bins(answered)
    title = f"{name}: calibration by confidence, expected calibration error {error:.3f}"
    header = ["mean confidence", "accuracy", decisions_name(answered)]
    picture = Picture(f"calibration-{name}", calibration_figure(answered), f"Calibration of {name}")
    return [picture, Table(f"calibration-{name}", title, header, bins)]
