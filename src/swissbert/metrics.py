"""The table of metrics. A new metric is one line in `METRICS`.

A metric that is not defined for the rows at hand (the correlation of a constant, say) is NaN. Tables print "undefined",
and JSON has null.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A figure of merit or, with `higher_is_better` false, an error.

    Attributes:
        name: Name in settings, tables and files.
        kinds: Names of the kinds of task that it fits.
        compute: Function of labels, decisions and answers, in this order; shapes as in `swissbert.kinds.Kind`. NaN where
            the metric is not defined.
        is_correlation: Whether values lie in -1 to 1 with 0 for chance; ``overall_normalised`` maps them to (r+1)/2.
        hub_name: Name of the metric on the Hugging Face hub, if it has one.
        needs_answers: Whether probabilities are used, and not decisions alone.
        higher_is_better: Whether a larger value is better. Metrics for which it is false are no part of ``overall``.
        is_row_share: Whether it is the share of rows that are right, so that each row counts ``1 / rows``.
    """

    name: str
    kinds: tuple[str, ...]
    compute: Callable[[Array, Array, Array], float]
    is_correlation: bool = False
    hub_name: str | None = None
    needs_answers: bool = False
    higher_is_better: bool = True
    is_row_share: bool = False


def accuracy(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of rows with the right class."""
    return float((labels.astype(int) == decisions.astype(int)).mean())


def exact_match(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of rows whose labels are all right, for ``[N, C]`` of 0 and 1."""
    return float((labels.astype(int) == decisions.astype(int)).all(1).mean())


def macro_f1(labels: Array, decisions: Array, answers: Array) -> float:
    """Mean of F1 over the labels that occur among true or predicted ones.

    NaN where all rows have the same class, or none of several labels: a constant answer is then always right.

    Args:
        labels: Class numbers ``[N]``, or 0 and 1 for each label ``[N, C]``.
        decisions: The same for predictions.
        answers: Not used.
    """
    true, predicted = labels.astype(int), decisions.astype(int)
    if _is_constant(true) if true.ndim == 1 else not true.any():
        return math.nan
    if true.ndim == 2:
        hits, support = (true & predicted).sum(0), true.sum(0) + predicted.sum(0)
    else:
        classes = int(max(true.max(), predicted.max())) + 1
        hits = np.bincount(true[true == predicted], minlength=classes)
        support = np.bincount(true, minlength=classes) + np.bincount(predicted, minlength=classes)  # 2 TP + FP + FN
    return float((2 * hits[support > 0] / support[support > 0]).mean())


def micro_f1(labels: Array, decisions: Array, answers: Array) -> float:
    """F1 over all cells of ``[N, C]``; NaN where no row has a label."""
    true, predicted = labels > 0.5, decisions > 0.5
    support = int(true.sum() + predicted.sum())
    return float(2 * (true & predicted).sum() / support) if true.any() else math.nan


def f1(labels: Array, decisions: Array, answers: Array) -> float:
    """F1 of the positive class, ``[N]`` of 0 and 1; NaN where no row is positive."""
    return micro_f1(labels, decisions, answers)


def precision(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of the rows predicted as positive that are; NaN where none is predicted or none is positive."""
    true, predicted = labels > 0.5, decisions > 0.5
    return float(true[predicted].mean()) if predicted.any() and true.any() else math.nan


def recall(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of the positive rows that are predicted as such; NaN where there is none."""
    true, predicted = labels > 0.5, decisions > 0.5
    return float(predicted[true].mean()) if true.any() else math.nan


def balanced_accuracy(labels: Array, decisions: Array, answers: Array) -> float:
    """Mean over the true classes of the share of their rows that are right; NaN where there is one class only."""
    true = labels.astype(int)
    if _is_constant(true):
        return math.nan
    rows = np.bincount(true)
    hits = np.bincount(true[true == decisions.astype(int)], minlength=len(rows))
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def mcc(labels: Array, decisions: Array, answers: Array) -> float:
    """Matthews correlation coefficient of classes ``[N]`` (Gorodkin, 2004, for more than two).

    NaN where all true or all predicted classes are the same, as for any correlation with a constant.
    """
    true, predicted = labels.astype(int), decisions.astype(int)
    if _is_constant(true) or _is_constant(predicted):
        return math.nan
    classes, count = int(max(true.max(), predicted.max())) + 1, float(len(true))
    t, p = (np.bincount(side, minlength=classes) / count for side in (true, predicted))
    covariance = float((true == predicted).mean() - t @ p)
    return covariance / math.sqrt(float((1 - p @ p) * (1 - t @ t)))


def ranks(values: Array) -> Array:
    """Return the ranks of values ``[N]``, from 1; equal values share their mean rank, and all are NaN if a value is.

    Equal to ``scipy.stats.rankdata``, whose import would add a second to every training.
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranked: Array = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranked * np.nan if np.isnan(values).any() else ranked


def roc_auc(labels: Array, decisions: Array, answers: Array) -> float:
    """Area under the ROC curve of the probability of the positive class; NaN where there is one class only."""
    true = labels > 0.5
    positives, negatives = int(true.sum()), int((~true).sum())
    if not positives or not negatives:
        return math.nan
    rank_sum = float(ranks(answers[:, 1])[true].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(labels: Array, decisions: Array, answers: Array) -> float:
    """Area under the precision-recall curve as a step function.

    Ties are resolved as scikit-learn does: rows of one probability enter together.

    Args:
        labels: 0 and 1 ``[N]``; or ``[N, C]``, where the mean over the labels that have positive rows is returned.
        decisions: Not used.
        answers: Probabilities, ``[N, 2]`` or ``[N, C]``.

    Returns:
        The area; NaN where no row is positive, or for ``[N]`` where all are.
    """
    if labels.ndim == 1:
        if _is_constant(labels):
            return math.nan
        labels, answers = labels[:, None], answers[:, 1:]
    values = []
    for true, scores in zip(labels.T > 0.5, answers.T, strict=True):
        positives = int(true.sum())
        if not positives:
            continue
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(true[order])
        last = np.append(np.diff(scores[order]) != 0, True)  # the last row of each probability
        precisions, recalls = (hits / np.arange(1, len(hits) + 1))[last], hits[last] / positives
        values.append(float(np.sum(np.diff(recalls, prepend=0.0) * precisions)))
    return float(np.mean(values)) if values else math.nan


def pearson(labels: Array, decisions: Array, answers: Array) -> float:
    """Pearson's r; NaN for fewer than two rows or where one side is constant, so that no correlation is defined."""
    if _is_constant(labels) or _is_constant(decisions):
        return math.nan
    x, y = labels - labels.mean(), decisions - decisions.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else math.nan


def spearman(labels: Array, decisions: Array, answers: Array) -> float:
    """Spearman's rank correlation, ties averaged; NaN where `pearson` is."""
    return pearson(ranks(labels), ranks(decisions), answers)


def mae(labels: Array, decisions: Array, answers: Array) -> float:
    """Mean absolute error, in the unit of the labels."""
    return float(np.abs(decisions.astype(float) - labels).mean())


def rmse(labels: Array, decisions: Array, answers: Array) -> float:
    """Square root of the mean squared error, in the unit of the labels."""
    return float(np.sqrt(np.square(decisions.astype(float) - labels).mean()))


def _is_constant(values: Array) -> bool:
    return len(values) < 2 or bool((values == values[0]).all())


ONE_LABEL = ("classification", "binary")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", ONE_LABEL, accuracy, hub_name="accuracy", is_row_share=True),
        Metric("micro_f1", ("multilabel",), micro_f1, hub_name="f1"),
        Metric("macro_f1", (*ONE_LABEL, "multilabel"), macro_f1, hub_name="f1"),
        Metric("f1", ("binary",), f1, hub_name="f1"),
        Metric("precision", ("binary",), precision, hub_name="precision"),
        Metric("recall", ("binary",), recall, hub_name="recall"),
        Metric("balanced_accuracy", ONE_LABEL, balanced_accuracy),
        Metric("mcc", ONE_LABEL, mcc, is_correlation=True, hub_name="matthews_correlation"),
        Metric("roc_auc", ("binary",), roc_auc, hub_name="roc_auc", needs_answers=True),
        Metric("pearson", ("regression",), pearson, is_correlation=True, hub_name="pearsonr"),
        Metric("spearman", ("regression",), spearman, is_correlation=True, hub_name="spearmanr"),
        Metric("mae", ("regression",), mae, hub_name="mae", higher_is_better=False),
        Metric("rmse", ("regression",), rmse, hub_name="rmse", higher_is_better=False),
        Metric("average_precision", ("binary", "multilabel"), average_precision, needs_answers=True),
        Metric("exact_match", ("multilabel",), exact_match, hub_name="exact_match", is_row_share=True),
    )
}
"""The metrics by name; those of a kind are reported in this order."""


def metrics_of(kind: str) -> list[str]:
    """Return the names of the metrics that fit a kind of task."""
    return [metric.name for metric in METRICS.values() if kind in metric.kinds]


def higher_is_better(metric: str) -> bool:
    """Return whether larger values of a metric are better; true for metrics from outside the table."""
    return metric not in METRICS or METRICS[metric].higher_is_better


def is_row_share(metric: str) -> bool:
    """Return whether a metric is the share of rows that are right; false for metrics from outside the table."""
    return metric in METRICS and METRICS[metric].is_row_share


def shown(value: float, digits: int = 3) -> str:
    """Format a figure for a person; "undefined" for NaN."""
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"


def shown_as(metric: str, value: float) -> str:
    """Format the value of a metric: errors, which are in the unit of the labels, with three significant digits at least."""
    if higher_is_better(metric) or math.isnan(value) or value == 0 or 0.1 <= abs(value) < 1e5:
        return shown(value)
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.3g}"
