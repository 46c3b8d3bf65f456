"""Scores of one task and of all tasks together, with bootstrap intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from swissbert.tasks import Kind

Array = NDArray[np.floating] | NDArray[np.integer]


def decisions(kind: Kind, answers: Array) -> Array:
    """Answers as they are scored: class numbers ``[N]`` from probabilities ``[N, C]``, or scores ``[N]`` unchanged."""
    return answers if kind == "regression" else answers.argmax(1)


def scores(kind: Kind, labels: Array, answers: Array) -> dict[str, float]:
    """Metrics of a task, ``labels[N]`` against answers ``[N, C]`` or ``[N]``.

    ``accuracy`` and ``macro_f1`` (unweighted mean of F1 over the classes that occur among labels or answers) of a
    classification; ``pearson`` and ``spearman`` of a regression, 0 where one side does not vary and so no correlation
    is defined.
    """
    return decided_scores(kind, labels, decisions(kind, answers))


def confusion(labels: Array, answers: Array, classes: int) -> list[list[int]]:
    """Counts ``[true][predicted]`` of a classification."""
    cells = labels.astype(int) * classes + answers.argmax(1)
    table: list[list[int]] = np.bincount(cells, minlength=classes**2).reshape(classes, classes).tolist()
    return table


def intervals(
    kind: Kind, labels: Array, answers: Array, *, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of every metric in `scores`: rows drawn with replacement."""
    rng = np.random.default_rng(seed)
    decided = decisions(kind, answers)
    collected: dict[str, list[float]] = {}
    for _ in range(resamples):
        drawn = rng.integers(0, len(labels), len(labels))
        for name, value in decided_scores(kind, labels[drawn], decided[drawn]).items():
            collected.setdefault(name, []).append(value)
    return {name: percentiles(values) for name, values in collected.items()}


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Where the middle 95 % of resampled values begin and end."""
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def decided_scores(kind: Kind, labels: Array, decided: Array) -> dict[str, float]:
    """`scores` of class numbers ``[N]`` or scores ``[N]``."""
    if kind == "regression":
        from scipy.stats import rankdata

        return {"pearson": _pearson(labels, decided), "spearman": _pearson(rankdata(labels), rankdata(decided))}
    true, said = labels.astype(int), decided.astype(int)
    classes = int(max(true.max(), said.max())) + 1
    hit = np.bincount(true[true == said], minlength=classes)
    support = np.bincount(true, minlength=classes) + np.bincount(said, minlength=classes)  # 2 TP + FP + FN
    f1 = 2 * hit[support > 0] / support[support > 0]
    return {"accuracy": float((true == said).mean()), "macro_f1": float(f1.mean())}


def _pearson(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def overall(values: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """Both overall scores of ``{task: (metric, value)}``, each task by its declared metric.

    ``overall`` is the plain mean (paper, Section 5.2). ``overall_normalised`` first maps a correlation r to (r+1)/2.
    """
    plain = [value for _, value in values.values()]
    normal = [(value + 1) / 2 if metric in ("pearson", "spearman") else value for metric, value in values.values()]
    return {"overall": float(np.mean(plain)), "overall_normalised": float(np.mean(normal))}
