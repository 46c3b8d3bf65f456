"""Scores with intervals and chance levels, and predicted against true scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.style import COLOURS, DENSITY, INK, NARROW, SOFT, axes_row, hide_grid, in_style, legend_below
from swissbert.evaluation import intervals, task_scores
from swissbert.kinds import Array
from swissbert.metrics import METRICS, higher_is_better, pearson, shown

MOST_POINTS = 4000
"""Rows up to which each one is a point of a scatter plot; more are shown as a density."""


@dataclass(frozen=True)
class MetricScore:
    """A metric of one task.

    Attributes:
        task: Name of the task.
        metric: Name of the metric.
        declared: Whether it is the metric that the task declares.
        value: Its value; NaN where it is undefined.
        interval: 95 % bootstrap interval; NaN where the value is undefined.
        chance: Value of the best constant answer, 0 for a correlation; NaN where neither is defined.
        rows: Number of rows scored.
    """

    task: str
    metric: str
    declared: bool
    value: float
    interval: tuple[float, float]
    chance: float
    rows: int


def chance_scores(answered: AnsweredSplit) -> dict[str, float]:
    """Return the chance level of each metric that has one, by name."""
    task = answered.task
    baseline = task.kind.baseline(task, answered.labels)
    scores = {} if baseline is None else task_scores(task, answered.labels, baseline)
    return scores | {name: 0.0 for name in task.kind.metrics if METRICS[name].is_correlation}


def metric_scores(answered: AnsweredSplit, resamples: int = 1000) -> list[MetricScore]:
    """Compute every metric of a task, with intervals from `resamples` bootstrap samples."""
    task = answered.task
    values = task_scores(task, answered.labels, answered.answers)
    spans = intervals(task, answered.labels, answered.answers, resamples=resamples)
    chance, rows = chance_scores(answered), len(answered.labels)
    return [
        MetricScore(
            task.name,
            name,
            name == task.metric,
            value,
            spans.get(name, (math.nan, math.nan)),
            chance.get(name, math.nan),
            rows,
        )
        for name, value in values.items()
    ]


@in_style
def scores_figure(scores: Sequence[MetricScore]) -> Figure:
    """Draw the declared metric of every task with its 95 % interval and chance level."""
    declared = [score for score in scores if score.declared]
    figure, (axes,) = axes_row("Scores on labelled rows, with 95 % intervals", 1, NARROW, 1.5 + 0.5 * len(declared))
    names = []
    for i, score in enumerate(declared):
        labels = ("score and 95 % interval", "chance") if i == 0 else (None, None)
        axes.plot(score.interval, [i, i], color=COLOURS[0], linewidth=3, solid_capstyle="round", alpha=0.45)
        axes.plot(score.value, i, "o", color=COLOURS[0], markersize=8, label=labels[0])
        axes.plot(score.chance, i, "|", color=SOFT, markersize=14, markeredgewidth=2, label=labels[1])
        at = (0.0 if math.isnan(score.value) else score.value, i)
        axes.annotate(shown(score.value), at, (0, 9), textcoords="offset points", ha="center", color=INK)
        direction = "" if higher_is_better(score.metric) else ", lower is better"
        names.append(f"{score.task}\n{score.metric.replace('_', ' ')}, {score.rows:,} rows{direction}")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    left, right = axes.get_xlim()
    in_units = any(not higher_is_better(score.metric) for score in declared)  # errors have no upper limit
    axes.set_xlim(min(0.0, left), max(1.0, right) if in_units else 1)
    legend_below(axes, NARROW - 2)
    hide_grid(axes, keep="x")
    return figure


@in_style
def scatter_figure(answered: AnsweredSplit) -> Figure:
    """Draw predicted against true scores with the regression line."""
    task, true, predicted = answered.task, answered.labels, answered.answers.astype(float)
    r = pearson(true, predicted, predicted)
    low, high = task.range or (min(true.min(), predicted.min()), max(true.max(), predicted.max()))
    figure, (axes,) = axes_row(f"{task.name}: predicted against true score, Pearson r {shown(r)}", 1, NARROW, 6.2)
    if len(true) > MOST_POINTS:
        box = (low, high, low, high)
        density = axes.hexbin(true, predicted, gridsize=40, bins="log", cmap=DENSITY, extent=box, mincnt=1)
        figure.colorbar(density, label="rows", shrink=0.8, format="%g")
    else:
        label = f"{len(true):,} {answered.split} rows"
        axes.scatter(true, predicted, s=16, alpha=0.65, linewidths=0, color=COLOURS[0], label=label)
    axes.plot([low, high], [low, high], color=SOFT, linestyle="--", linewidth=1, label="predicted = true")
    if np.ptp(true) > 0:
        _regression_line(axes, true, predicted, np.array([low, high]))
    margin = 0.03 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("true score")
    axes.set_ylabel("predicted score")
    axes.set_aspect("equal")
    legend_below(axes, NARROW - 1)
    hide_grid(axes, keep="both")
    return figure


def _regression_line(axes: Axes, true: Array, predicted: Array, ends: Array) -> None:
    slope, intercept = np.polyfit(true, predicted, 1)
    label = f"fit: {slope:.2f} · true {intercept:+.2f}".replace("-", "−")
    axes.plot(ends, slope * ends + intercept, color=COLOURS[1], linewidth=2, label=label)
