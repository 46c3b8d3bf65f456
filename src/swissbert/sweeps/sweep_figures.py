"""Figures of a sweep: history of the scores, importance of the settings, parallel coordinates."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from swissbert.analysis.style import COLOURS, NARROW, SOFT, axes_row, hide_grid, in_style, legend_below, percent
from swissbert.selection import is_better_higher
from swissbert.sweeps.space import Dimension, value_text
from swissbert.sweeps.trials import Trial, score_text, short_names

MARGIN = 0.09
"""Share of an axis of the parallel coordinates above and below its values."""


@in_style
def sweep_history_figure(trials: Sequence[Trial], best_by: str) -> Figure:
    """Draw the score of each trial, and the best score so far."""
    figure, (axes,) = axes_row("Scores of the trials", 1, NARROW, 4.1)
    for state, marker, colour, fill in (("complete", "o", COLOURS[0], None), ("pruned", "o", COLOURS[7], "none")):
        points = [(trial.number, trial.score) for trial in trials if trial.state == state and trial.score is not None]
        if points:
            numbers, scores = zip(*points, strict=True)
            axes.plot(numbers, scores, marker, color=colour, markerfacecolor=fill or colour, label=state)
    failed = [trial.number for trial in trials if trial.state == "failed"]
    if failed:
        low = axes.get_ylim()[0]
        axes.plot(failed, [low] * len(failed), "x", color=COLOURS[1], label="failed (no score)", clip_on=False)
    if recipe := next((trial for trial in trials if trial.is_recipe and trial.score is not None), None):
        assert recipe.score is not None
        axes.axhline(recipe.score, color=SOFT, linewidth=1, linestyle="--", label="the recipe as it was")
    complete = [
        (trial.number, trial.score) for trial in trials if trial.state == "complete" and trial.score is not None
    ]
    if complete:
        better = np.maximum if is_better_higher(best_by) else np.minimum
        numbers, scores = zip(*complete, strict=True)
        axes.step(
            numbers, better.accumulate(scores), where="post", color=COLOURS[2], linewidth=1.6, label="best so far"
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{best_by} on dev rows")
    legend_below(axes, NARROW - 1)
    hide_grid(axes)
    return figure


@in_style
def importance_figure(importance: Mapping[str, float]) -> Figure:
    """Draw the share of each setting in reaching the best scores."""
    figure, (axes,) = axes_row("Importance of the settings", 1, NARROW, 1.2 + 0.42 * len(importance))
    names = list(importance)[::-1]
    axes.barh(names, [importance[name] for name in names], color=COLOURS[0], height=0.6)
    axes.set_xlim(0, 1)
    percent(axes.xaxis)
    axes.set_xlabel("share of the importance (PED-ANOVA)")
    hide_grid(axes, keep="x")
    return figure


@in_style
def parallel_figure(
    trials: Sequence[Trial], dimensions: Sequence[Dimension], best: Trial | None, best_by: str
) -> Figure:
    """Draw each trial with a score as a line through the values of its settings, the last axis being the score."""
    scored = [
        (trial, trial.score) for trial in trials if trial.score is not None and len(trial.values) == len(dimensions)
    ]
    figure, (axes,) = axes_row("Settings and scores of the trials", 1, max(6.0, 1.9 * (len(dimensions) + 1)), 4.2)
    scores = np.array([score for _, score in scored], float)
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 1.0)
    ranks = np.argsort(np.argsort(scores if is_better_higher(best_by) else -scores)) / max(1, len(scores) - 1)
    for (trial, score), rank in sorted(zip(scored, ranks, strict=True), key=lambda pair: pair[1]):
        places = [_place(one, trial.values[one.name]) for one in dimensions]
        places.append(0.5 if high == low else (score - low) / (high - low))
        is_best = best is not None and trial.number == best.number
        axes.plot(
            range(len(places)),
            places,
            color=COLOURS[1] if is_best else COLOURS[0],
            linewidth=2.6 if is_best else 1.1,
            alpha=1.0 if is_best else 0.2 + 0.6 * float(rank),
            linestyle="-" if trial.state == "complete" else ":",
        )
    short = short_names([one.name for one in dimensions])
    names = [short[one.name] for one in dimensions] + [best_by]
    axes.set_xlim(-0.3, len(names) - 0.55)
    axes.set_ylim(-MARGIN, 1 + MARGIN)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    ends = [(0.5, low)] if high == low else [(0.0, low), (1.0, high)]
    score_marks = [(place, score_text(best_by, score)) for place, score in ends]
    for column, marks in enumerate([*map(_marks, dimensions), score_marks]):
        axes.axvline(column, color=SOFT, linewidth=1)
        for place, text in marks:
            side = "top" if place == 0 else "bottom" if place == 1 else "center"  # clear of the lines at both ends
            shift = {"top": -0.015, "bottom": 0.015, "center": 0.0}[side]
            axes.text(column + 0.03, place + shift, text, color=SOFT, fontsize=8, va=side)
    axes.set_title("orange: the best trial; stronger lines: better scores; dotted: pruned")
    axes.grid(False)
    return figure


def _place(dimension: Dimension, value: object) -> float:
    """Return where a value lies on its axis, 0 to 1."""
    values = dimension.values
    if values.choices is not None:
        return values.choices.index(value) / (len(values.choices) - 1)  # type: ignore[arg-type]
    assert values.low is not None
    assert values.high is not None
    ends, at = (float(values.low), float(values.high)), float(value)  # type: ignore[arg-type]
    if values.log:
        ends, at = (math.log(ends[0]), math.log(ends[1])), math.log(at)
    return (at - ends[0]) / (ends[1] - ends[0])


def _marks(dimension: Dimension) -> list[tuple[float, str]]:
    """Return the labels of an axis with their places: all values of a list, both ends of a range."""
    return [(_place(dimension, value), value_text(value)) for value in dimension.ends]
