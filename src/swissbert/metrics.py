"""The table of metrics. A new metric is one line in `METRICS`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A figure of merit, the higher the better.

    Attributes:
        name: Name in settings, tables and files.
        kinds: Names of the kinds of task that it fits.
        compute: Function of labels, decisions and answers, in this order; shapes as in `swissbert.kinds.Kind`.
        is_correlation: Whether values lie in -1 to 1 with 0 for chance; ``overall_normalised`` maps them to (r+1)/2.
        hub_name: Name of the metric on the Hugging Face hub, if it has one.
        needs_answers: Whether probabilities are used, and not decisions alone.
    """

    name: str
    kinds: tuple[str, ...]
    compute: Callable[[Array, Array, Array], float]
    is_correlation: bool = False
    hub_name: str | None = None
    needs_answers: bool = False


def accuracy(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of rows with the right class."""
    return float((labels.astype(int) == decisions.astype(int)).mean())


def exact_match(labels: Array, decisions: Array, answers: Array) -> float:
    """Share of rows whose labels are all right, for ``[N, C]`` of 0 and 1."""
    return float((labels.astype(int) == decisions.astype(int)).all(1).mean())


def macro_f1(labels: Array, decisions: Array, answers: Array) -> float:
    """Mean of F1 over the labels that occur among true or predicted ones.

    Args:
        labels: Class numbers ``[N]``, or 0 and 1 for each label ``[N, C]``.
        decisions: The same for predictions.
        answers: Not used.
    """
    true, predicted = labels.astype(int), decisions.astype(int)
    if true.ndim == 2:
        hits, support = (true & predicted).sum(0), true.sum(0) + predicted.sum(0)
    else:
        classes = int(max(true.max(), predicted.max())) + 1
        hits = np.bincount(true[true == predicted], minlength=classes)
        support = np.bincount(true, minlength=classes) + np.bincount(predicted, minlength=classes)  # 2 TP + FP + FN
    f1 = 2 * hits[support > 0] / support[support > 0]
    return float(f1.mean()) if len(f1) else 0.0


def micro_f1(labels: Array, decisions: Array, answers: Array) -> float:
    """F1 over all cells of ``[N, C]``; 0 where no label occurs or is predicted."""
    true, predicted = labels > 0.5, decisions > 0.5
    support = int(true.sum() + predicted.sum())
    return float(2 * (true & predicted).sum() / support) if support else 0.0


def average_precision(labels: Array, decisions: Array, answers: Array) -> float:
    """Area under the precision-recall curve as a step function, mean over the labels that have positive rows.

    Ties are resolved as scikit-learn does: rows of one probability enter together. 0 where no label has positive rows.
    """
    values = []
    for true, scores in zip(labels.T > 0.5, answers.T, strict=True):
        positives = int(true.sum())
        if not positives:
            continue
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(true[order])
        last = np.append(np.diff(scores[order]) != 0, True)  # the last row of each probability
        precision, recall = (hits / np.arange(1, len(hits) + 1))[last], hits[last] / positives
        values.append(float(np.sum(np.diff(recall, prepend=0.0) * precision)))
    return float(np.mean(values)) if values else 0.0


def pearson(labels: Array, decisions: Array, answers: Array) -> float:
    """Pearson's r; 0 where one side is constant, so that no correlation is defined."""
    x, y = labels - labels.mean(), decisions - decisions.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def spearman(labels: Array, decisions: Array, answers: Array) -> float:
    """Spearman's rank correlation, ties averaged; 0 where one side is constant."""
    from scipy.stats import rankdata

    return pearson(rankdata(labels), rankdata(decisions), answers)


ONE_LABEL = ("classification", "binary")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", ONE_LABEL, accuracy, hub_name="accuracy"),
        Metric("micro_f1", ("multilabel",), micro_f1, hub_name="f1"),
        Metric("macro_f1", (*ONE_LABEL, "multilabel"), macro_f1, hub_name="f1"),
        Metric("pearson", ("regression",), pearson, is_correlation=True, hub_name="pearsonr"),
        Metric("spearman", ("regression",), spearman, is_correlation=True, hub_name="spearmanr"),
        Metric("average_precision", ("multilabel",), average_precision, needs_answers=True),
        Metric("exact_match", ("multilabel",), exact_match, hub_name="exact_match"),
    )
}
"""The metrics by name; those of a kind are reported in this order."""


def metrics_of(kind: str) -> list[str]:
    """Return the names of the metrics that fit a kind of task."""
    return [metric.name for metric in METRICS.values() if kind in metric.kinds]
