"""Two models on the same rows: differences of every metric by a paired bootstrap, McNemar's test, and who is right where."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.observe import Observed
from swissbert.analysis.style import COLOURS, SOFT, axes_row, in_style, plain
from swissbert.errors import SwissbertError
from swissbert.evaluation import percentiles, task_scores


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same rows.

    `interval` is the 95 % interval of first less second, rows drawn for both at once. `p` is McNemar's exact two-sided
    probability for an accuracy, None for other metrics.
    """

    task: str
    metric: str
    first: float
    second: float
    interval: tuple[float, float]
    p: float | None

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second


def compare(first: Observed, second: Observed, *, resamples: int = 1000, seed: int = 0) -> list[Difference]:
    """Every metric of a task. Raises SwissbertError where the models have not answered the same rows."""
    if len(first.labels) != len(second.labels) or not np.array_equal(first.labels, second.labels):
        raise SwissbertError(f"task '{first.task.name}': the two models have not answered the same rows")
    task, labels = first.task, first.labels
    one, two = task_scores(task, labels, first.answers), task_scores(task, labels, second.answers)
    answers = first.answers, second.answers
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in one}
    for _ in range(resamples):
        rows = rng.integers(0, len(labels), len(labels))
        a, b = (task_scores(task, labels[rows], each[rows]) for each in answers)
        for name in one:
            drawn[name].append(a[name] - b[name])
    return [
        Difference(
            first.task.name,
            name,
            one[name],
            two[name],
            percentiles(drawn[name]),
            mcnemar(first.error == 0, second.error == 0) if name == "accuracy" else None,
        )
        for name in one
    ]


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """McNemar's exact two-sided test of two models' right answers ``[N]``: are their accuracies the same?"""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def who_is_right(first: Observed, second: Observed) -> tuple[int, int, int, int]:
    """Rows that both, only the first, only the second, and neither gets right; scores: whose is nearer, or equal."""
    if first.scored:
        nearer, farther = (first.error < second.error).sum(), (second.error < first.error).sum()
        return int((first.error == second.error).sum()), int(nearer), int(farther), 0
    a, b = first.error == 0, second.error == 0
    return int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum())


@in_style
def versus_figure(found: list[Difference], names: tuple[str, str]) -> Figure:
    """Difference of every metric with its interval: right of 0 the first model is better."""
    figure, (axes,) = axes_row(
        f"{names[0]} against {names[1]}: difference with 95 % interval", 1, 8, 1.4 + 0.42 * len(found)
    )
    axes.axvline(0, color=SOFT, linewidth=1)
    for i, each in enumerate(found):
        low, high = each.interval
        colour = COLOURS[0] if low > 0 else COLOURS[1] if high < 0 else COLOURS[7]
        axes.plot([low, high], [i, i], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot(each.difference, i, "o", color=colour, markersize=8)
    axes.set_yticks(range(len(found)), [f"{each.task} {each.metric.replace('_', ' ')}" for each in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel(f"← {names[1]} better | {names[0]} better →")
    plain(axes, grid="x")
    return figure
