"""Precision, recall and F1 of each label, and confusion matrices."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.style import (
    COLOURS,
    FULL,
    HEAT,
    INK,
    NARROW,
    axes_row,
    hide_grid,
    in_style,
    legend_below,
    percent,
)
from swissbert.kinds import Array

MOST_NAMED = 24
"""Labels up to which figures name each one; tables name all."""

LabelScores = tuple[str, int, float, float, float]
"""Label, true rows, precision, recall and F1."""


def label_scores(answered: AnsweredSplit) -> list[LabelScores]:
    """Return the scores of each label of a task with labels; 0 where a denominator is 0."""
    task = answered.task
    true = task.kind.one_hot(task, answered.labels)
    predicted = task.kind.one_hot(task, answered.decisions)
    assert true is not None, "scores have no labels"
    assert predicted is not None, "scores have no labels"
    hits, rows, guesses = (true & predicted).sum(0), true.sum(0), predicted.sum(0)
    return [
        (
            label,
            int(rows[i]),
            float(hits[i] / max(1, guesses[i])),
            float(hits[i] / max(1, rows[i])),
            float(2 * hits[i] / max(1, rows[i] + guesses[i])),
        )
        for i, label in enumerate(task.labels)
    ]


@in_style
def confusion_figure(answered: AnsweredSplit) -> Figure:
    """Draw the confusion matrix as shares of each true label with counts, beside precision and recall of each label."""
    task = answered.task
    counts = np.array(task.kind.confusion(task, answered.labels, answered.decisions))
    size = 0.62 * min(len(task.labels), MOST_NAMED)
    title = f"{task.name}: confusion matrix"
    figure, (left, right) = axes_row(title, 2, 5.4 + 1.5 * size, 2.2 + size, width_ratios=[1.25, 1])
    _matrix(left, counts, task.labels)
    _bars(right, label_scores(answered), ("precision", "recall"))
    return figure


@in_style
def label_figure(answered: AnsweredSplit) -> Figure:
    """Draw precision, recall and F1 of each label, for tasks whose rows have several labels."""
    task = answered.task
    height = 1.9 + 0.55 * min(len(task.labels), MOST_NAMED)
    figure, (axes,) = axes_row(f"{task.name}: precision, recall and F1", 1, NARROW, height)
    _bars(axes, label_scores(answered), ("precision", "recall", "F1"))
    return figure


def _matrix(axes: Axes, counts: Array, labels: list[str]) -> None:
    """Draw counts ``[true][predicted]``, divided by the rows of each true label."""
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    axes.imshow(shares, cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    if len(labels) <= MOST_NAMED:
        for (i, j), count in np.ndenumerate(counts):
            colour = "#ffffff" if shares[i, j] > FULL else INK
            axes.text(j, i, f"{shares[i, j]:.0%}\n{count}", ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
        axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("share of each true label")
    hide_grid(axes, keep=None)


def _bars(axes: Axes, scores: list[LabelScores], names: tuple[str, ...]) -> None:
    """Draw a horizontal bar for each label and score."""
    at = np.arange(len(scores))
    height = 0.8 / len(names)
    for i, (name, colour) in enumerate(zip(names, (COLOURS[0], COLOURS[4], COLOURS[2]), strict=False)):
        offset = (i - (len(names) - 1) / 2) * height
        axes.barh(at + offset, [row[2 + i] for row in scores], 0.9 * height, color=colour, label=name)
    if len(scores) <= MOST_NAMED:
        axes.set_yticks(at, [f"{label} ({rows:,})" for label, rows, *_ in scores])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    percent(axes.xaxis)
    axes.set_title("by label (rows)")
    legend_below(axes, 3)
    hide_grid(axes, keep="x")
