"""Scores with intervals, confusion matrices, calibration, and scores against labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.observe import Observed
from swissbert.analysis.style import COLOURS, HEAT, INK, RULE, SOFT, axes_row, in_style, percent, plain
from swissbert.evaluation import intervals, task_scores

CALIBRATION_BINS = 10
MOST_NAMED = 24
"""Classes up to which each one is named in a figure; tables name them all."""


def chance(observed: Observed) -> dict[str, float]:
    """Return each metric of the best constant answer; 0 where such an answer has no score, as for correlations."""
    task = observed.task
    baseline = task.kind.baseline(task, observed.labels)
    if baseline is None:
        return dict.fromkeys(task.kind.metrics, 0.0)
    return task_scores(task, observed.labels, baseline)


@dataclass(frozen=True)
class Measured:
    """A metric of a task with its 95 % bootstrap interval, and what chance gives."""

    task: str
    metric: str
    declared: bool
    value: float
    interval: tuple[float, float]
    chance: float
    rows: int


def measured(observed: Observed, resamples: int = 1000) -> list[Measured]:
    """Every metric of a task."""
    task = observed.task
    values = task_scores(task, observed.labels, observed.answers)
    spans = intervals(task, observed.labels, observed.answers, resamples=resamples)
    luck, rows = chance(observed), len(observed.labels)
    return [Measured(task.name, m, m == task.metric, v, spans[m], luck[m], rows) for m, v in values.items()]


@in_style
def scores_figure(found: Sequence[Measured]) -> Figure:
    """The declared metric of every task with its 95 % bootstrap interval, and what chance gives."""
    shown = [each for each in found if each.declared]
    figure, (axes,) = axes_row("Scores on labelled rows, with 95 % intervals", 1, 8, 1.2 + 0.5 * len(shown))
    names = []
    for i, each in enumerate(shown):
        value, (low, high) = each.value, each.interval
        axes.plot([low, high], [i, i], color=COLOURS[0], linewidth=3, solid_capstyle="round", alpha=0.45)
        axes.plot(value, i, "o", color=COLOURS[0], markersize=8, label="score and 95 % interval" if i == 0 else None)
        axes.plot(
            each.chance,
            i,
            "|",
            color=SOFT,
            markersize=14,
            markeredgewidth=2,
            label="chance" if i == 0 else None,
        )
        axes.annotate(f"{value:.3f}", (value, i), (0, 9), textcoords="offset points", ha="center", color=INK)
        names.append(f"{each.task}\n{each.metric.replace('_', ' ')}, {each.rows:,} rows")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plain(axes, grid="x")
    return figure


def class_table(observed: Observed) -> list[tuple[str, int, float, float, float]]:
    """Label, rows, precision, recall and F1 of every class; 0 where nothing is to be divided."""
    counts = np.array(observed.task.kind.confusion(observed.task, observed.labels, observed.said))
    right, true, said = counts.diagonal(), counts.sum(1), counts.sum(0)
    return [
        (
            label,
            int(true[i]),
            float(right[i] / max(1, said[i])),
            float(right[i] / max(1, true[i])),
            float(2 * right[i] / max(1, true[i] + said[i])),
        )
        for i, label in enumerate(observed.task.labels)
    ]


@in_style
def confusion_figure(observed: Observed) -> Figure:
    """Confusion matrix, shares of each true class with counts, beside precision and recall of every class."""
    task = observed.task
    counts = np.array(task.kind.confusion(task, observed.labels, observed.said))
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    few = len(task.labels) <= MOST_NAMED
    size = 0.62 * min(len(task.labels), MOST_NAMED)
    title = f"{task.name}: which label is taken for which"
    figure, (left, right) = axes_row(title, 2, 5.4 + 1.5 * size, 2.2 + size, width_ratios=[1.25, 1])
    left.imshow(shares, cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(counts if few else []):
        for j, count in enumerate(row):
            dark = shares[i, j] > 0.5
            left.text(
                j,
                i,
                f"{shares[i, j]:.0%}\n{count}",
                ha="center",
                va="center",
                fontsize=8,
                color="#ffffff" if dark else "#1b2330",
            )
    if few:
        left.set_xticks(range(len(task.labels)), task.labels, rotation=30, ha="right")
        left.set_yticks(range(len(task.labels)), task.labels)
    left.set_xlabel("predicted")
    left.set_ylabel("true")
    left.set_title("share of each true label")
    plain(left, grid=None)
    table = class_table(observed)
    at = np.arange(len(table))
    right.barh(at - 0.2, [row[2] for row in table], 0.36, color=COLOURS[0], label="precision")
    right.barh(at + 0.2, [row[3] for row in table], 0.36, color=COLOURS[4], label="recall")
    if few:
        right.set_yticks(at, [f"{label} ({rows:,})" for label, rows, *_ in table])
    right.invert_yaxis()
    right.set_xlim(0, 1)
    percent(right.xaxis)
    right.set_title("by class (rows)")
    right.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2)
    plain(right, grid="x")
    return figure


def calibration(observed: Observed) -> tuple[list[tuple[float, float, int]], float]:
    """Mean confidence, accuracy and rows of each bin that has rows, and the expected calibration error.

    Confidence is the probability of the predicted label, in equal bins from 0 to 1; the error is the mean distance of
    accuracy from confidence, bins weighted by rows (Guo et al., 2017, Equation 3).
    """
    sure = observed.answers.max(1).astype(float)
    right = 1 - observed.error
    place = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    found = []
    error = 0.0
    for i in range(CALIBRATION_BINS):
        inside = place == i
        rows = int(inside.sum())
        if rows:
            confidence, accuracy = float(sure[inside].mean()), float(right[inside].mean())
            found.append((confidence, accuracy, rows))
            error += rows / len(sure) * abs(accuracy - confidence)
    return found, error


@in_style
def calibration_figure(observed: Observed) -> Figure:
    """How often the model is right against how sure it is, and how often it is that sure."""
    found, error = calibration(observed)
    sure, right, rows = (np.array(column) for column in zip(*found, strict=True))
    way = "overconfident" if (sure * rows).sum() > (right * rows).sum() else "underconfident"
    title = f"{observed.task.name}: how sure the model is, and how often right"
    way = "" if error < 0.005 else f", {way}"
    figure, (left, below) = axes_row(title, 2, 9, 3.8)
    left.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1, label="perfect")
    left.plot(sure, right, "o-", color=COLOURS[1], label="model")
    left.set_xlabel("mean probability of the predicted label")
    left.set_ylabel("share that is right")
    left.set_title(f"calibration error {error:.1%}{way}")
    left.set_xlim(0, 1)
    left.set_ylim(0, 1)
    percent(left.xaxis)
    percent(left.yaxis)
    left.legend(loc="upper left")
    plain(left, grid="both")
    centres = (np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1) + 0.5) / CALIBRATION_BINS
    below.bar(centres, rows / rows.sum(), 0.09, color=COLOURS[0])
    below.set_xlabel("probability of the predicted label")
    below.set_ylabel("share of rows")
    below.set_title("how often it is that sure")
    below.set_xlim(0, 1.02)
    percent(below.xaxis)
    percent(below.yaxis)
    plain(below)
    return figure


@in_style
def scatter_figure(observed: Observed) -> Figure:
    """Predicted against true scores with the regression line; many rows as a density."""
    task, true, said = observed.task, observed.labels, observed.answers.astype(float)
    assert task.range is not None
    low, high = task.range
    r = task_scores(task, true, said)["pearson"]
    figure, (axes,) = axes_row(f"{task.name}: predicted against true score, Pearson r {r:.3f}", 1, 6.4, 5)
    margin = 0.03 * (high - low)
    if len(true) > 4000:
        shade = axes.hexbin(true, said, gridsize=40, bins="log", cmap=HEAT, extent=(low, high, low, high), mincnt=1)
        figure.colorbar(shade, label="rows", shrink=0.8)
    else:
        axes.scatter(
            true, said, s=14, alpha=0.35, linewidths=0, color=COLOURS[0], label=f"{len(true):,} {observed.split} rows"
        )
    axes.plot([low, high], [low, high], color=SOFT, linestyle="--", linewidth=1, label="predicted = true")
    if np.ptp(true) > 0:
        slope, intercept = np.polyfit(true, said, 1)
        ends = np.array([low, high])
        axes.plot(
            ends,
            slope * ends + intercept,
            color=COLOURS[1],
            linewidth=2,
            label=f"fit: {slope:.2f} · true {intercept:+.2f}".replace("-", "−"),
        )
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("true score")
    axes.set_ylabel("predicted score")
    axes.set_aspect("equal")
    axes.legend(
        loc="upper left", frameon=True, facecolor="#ffffff", edgecolor=RULE, framealpha=0.85, labelcolor="#1b2330"
    )
    plain(axes, grid="both")
    return figure
