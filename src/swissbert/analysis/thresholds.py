"""Scores of a binary task by decision threshold."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.style import COLOURS, INK, NARROW, axes_row, hide_grid, in_style, legend_below, percent
from swissbert.kinds import Array

CURRENT = 0.5
"""Probability from which the model decides for the positive label."""
NAMES = ("precision", "recall", "F1", "accuracy")


@dataclass(frozen=True)
class ThresholdCurve:
    """Scores of a binary task at every threshold that decides some row differently.

    Attributes:
        thresholds: Probabilities at or above which a row is decided to be positive, ascending, ``[T]``.
        scores: `NAMES` at each threshold, ``[T, 4]``; a precision or recall with denominator 0 is 0.
    """

    thresholds: Array
    scores: Array

    def at(self, threshold: float) -> list[float]:
        """Return the scores at a threshold."""
        row = min(int(np.searchsorted(self.thresholds, threshold)), len(self.thresholds) - 1)
        return [float(value) for value in self.scores[row]]

    def best(self, name: str) -> float:
        """Return the threshold with the highest score of a name; of several the one nearest to the current one."""
        column = self.scores[:, NAMES.index(name)]
        candidates = self.thresholds[column >= column.max() - 1e-12]
        return float(candidates[np.abs(candidates - CURRENT).argmin()])


def has_threshold(answered: AnsweredSplit) -> bool:
    """Whether the decisions of a task are one probability against one threshold."""
    task = answered.task
    return task.kind.takes_threshold and not task.kind.label_shape(task)


def threshold_curve(answered: AnsweredSplit) -> ThresholdCurve:
    """Compute precision, recall, F1 and accuracy at every threshold.

    The thresholds are the different probabilities of the rows and one above them all, at which no row is positive.
    """
    probability = answered.answers[:, 1].astype(float)
    true = answered.labels > 0.5
    order = np.argsort(probability, kind="stable")
    thresholds, first = np.unique(probability[order], return_index=True)
    thresholds = np.append(thresholds, np.nextafter(max(1.0, thresholds[-1]), 2))
    first = np.append(first, len(order))
    below = np.concatenate([[0], np.cumsum(true[order])])[first]  # positive rows under each threshold
    hits, guesses = true.sum() - below, len(order) - first
    rights = hits + first - below
    scores = np.stack(
        [
            hits / np.maximum(1, guesses),
            hits / max(1, true.sum()),
            2 * hits / np.maximum(1, guesses + true.sum()),
            rights / len(order),
        ],
        axis=1,
    )
    return ThresholdCurve(thresholds, scores)


@in_style
def threshold_figure(answered: AnsweredSplit) -> Figure:
    """Draw precision, recall, F1 and accuracy against the threshold, with the current one and that of the best F1."""
    curve, task = threshold_curve(answered), answered.task
    title = f"{task.name}: scores by threshold of '{task.labels[1]}'"
    figure, (axes,) = axes_row(title, 1, NARROW, 4.2)
    for i, name in enumerate(NAMES):
        width = 2.2 if name == "F1" else 1.5
        at = np.append(0.0, curve.thresholds)  # a step ends at its threshold
        axes.step(
            at,
            np.append(curve.scores[0, i], curve.scores[:, i]),
            where="pre",
            color=COLOURS[i],
            label=name,
            linewidth=width,
        )
    best = curve.best("F1")
    axes.axvline(CURRENT, color=INK, linewidth=1, label=f"current threshold, {CURRENT:g}")
    axes.axvline(best, color=COLOURS[2], linewidth=1, linestyle="--", label=f"best F1, {best:.2g}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"probability from which a row is '{task.labels[1]}'")
    axes.set_title(f"on the {len(answered.labels):,} {answered.split} rows")
    percent(axes.yaxis)
    legend_below(axes, NARROW - 1)
    hide_grid(axes)
    return figure


def threshold_table(answered: AnsweredSplit) -> list[list[object]]:
    """Return what each threshold is, the threshold and its scores: the current one, and those of best F1 and accuracy."""
    curve = threshold_curve(answered)
    chosen = {"current": CURRENT, "best F1": curve.best("F1"), "best accuracy": curve.best("accuracy")}
    return [[name, value, *curve.at(value)] for name, value in chosen.items()]
