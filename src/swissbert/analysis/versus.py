"""Two models on the same rows: paired bootstrap of every metric, and McNemar's test."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.style import COLOURS, NARROW, SOFT, axes_row, hide_grid, in_style
from swissbert.errors import SwissbertError
from swissbert.evaluation import percentiles, task_scores
from swissbert.kinds import Array
from swissbert.metrics import higher_is_better

MCNEMAR_METRICS = ("accuracy", "exact_match")
"""Metrics that are the share of rows without error, which McNemar's test compares."""


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same rows.

    Attributes:
        task: Name of the task.
        metric: Name of the metric.
        first: Value of the first model.
        second: Value of the second model.
        interval: 95 % interval of the difference, from a paired bootstrap.
        p: p-value of McNemar's exact two-sided test for `MCNEMAR_METRICS`; None for other metrics.
    """

    task: str
    metric: str
    first: float
    second: float
    interval: tuple[float, float]
    p: float | None

    @property
    def difference(self) -> float:
        """Value of the first model minus that of the second."""
        return self.first - self.second


def compare(first: AnsweredSplit, second: AnsweredSplit, *, resamples: int = 1000, seed: int = 0) -> list[Difference]:
    """Compare every metric of a task.

    Args:
        first: Answers of the first model.
        second: Answers of the second model to the same rows.
        resamples: Number of bootstrap samples.
        seed: Seed of the random generator.

    Raises:
        SwissbertError: If the rows differ.
    """
    task, labels = first.task, first.labels
    if labels.shape != second.labels.shape or not np.array_equal(labels, second.labels):
        raise SwissbertError(f"task '{task.name}': the two models have not answered the same rows")
    scores = task_scores(task, labels, first.answers), task_scores(task, labels, second.answers)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in scores[0]}
    for _ in range(resamples):
        rows = rng.integers(0, len(labels), len(labels))
        a, b = (task_scores(task, labels[rows], answers[rows]) for answers in (first.answers, second.answers))
        for name, values in drawn.items():
            values.append(a[name] - b[name])
    p = mcnemar(first.errors == 0, second.errors == 0)
    return [
        Difference(
            task.name,
            name,
            scores[0][name],
            scores[1][name],
            percentiles(values),
            p if name in MCNEMAR_METRICS else None,
        )
        for name, values in drawn.items()
    ]


def _axis_label(difference: Difference) -> str:
    name = f"{difference.task} {difference.metric.replace('_', ' ')}"
    return name if higher_is_better(difference.metric) else f"{name} (sign reversed)"


def mcnemar(first: Array, second: Array) -> float:
    """Return the p-value of McNemar's exact two-sided test of equal accuracies.

    Args:
        first: Whether the first model is right, bool ``[N]``.
        second: Whether the second model is right, bool ``[N]``.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def agreement(first: AnsweredSplit, second: AnsweredSplit) -> tuple[int, int, int, int]:
    """Count rows that both models, only the first, only the second and neither answers correctly.

    For scores: rows with equal errors, rows where the first is closer, rows where the second is closer, and 0.
    """
    if not first.task.kind.error_is_share:
        smaller, larger = (first.errors < second.errors).sum(), (second.errors < first.errors).sum()
        return int((first.errors == second.errors).sum()), int(smaller), int(larger), 0
    a, b = first.errors == 0, second.errors == 0
    return int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum())


def disagreements(better: AnsweredSplit, worse: AnsweredSplit, count: int) -> list[int]:
    """Return the rows where one model's error is smaller, by difference, then by the confidence of that model."""
    gain = worse.errors - better.errors
    rows = np.flatnonzero(gain > 0)
    confidence = np.zeros(len(gain)) if better.confidence is None else better.confidence
    order: list[int] = rows[np.lexsort((-confidence[rows], -gain[rows]))[:count]].tolist()
    return order


@in_style
def versus_figure(differences: list[Difference], names: tuple[str, str]) -> Figure:
    """Draw the difference of every metric with its interval; above 0 the first model is better.

    Differences of metrics of which lower values are better are drawn with the opposite sign.
    """
    title = f"{names[0]} against {names[1]}: difference with 95 % interval"
    figure, (axes,) = axes_row(title, 1, NARROW, 1.4 + 0.42 * len(differences))
    axes.axvline(0, color=SOFT, linewidth=1)
    for i, item in enumerate(differences):
        sign = 1 if higher_is_better(item.metric) else -1
        low, high = sorted(sign * end for end in item.interval)
        colour = COLOURS[0] if low > 0 else COLOURS[1] if high < 0 else COLOURS[7]
        axes.plot([low, high], [i, i], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot(sign * item.difference, i, "o", color=colour, markersize=8)
    axes.set_yticks(range(len(differences)), [_axis_label(d) for d in differences])
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlabel(f"← {names[1]} better | {names[0]} better →")
    hide_grid(axes, keep="x")
    return figure
