"""Training curves from the log of a run: losses, dev scores, task weights, cosines of task gradients."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from swissbert.analysis.style import COLOURS, NARROW, SOFT, axes_row, hide_grid, in_style, legend_below, percent
from swissbert.checksums import warn
from swissbert.errors import SwissbertError
from swissbert.kinds import Array
from swissbert.training.log import read_entries

Series = dict[str, tuple[list[int], list[float]]]
"""Steps and values, by name."""


@dataclass
class History:
    """The contents of a run's ``metrics.jsonl``, as series over steps.

    Attributes:
        loss: Loss by task.
        weight: Weight of the loss by task.
        cosine: Cosine of gradients by pair of tasks.
        conflicts: Share of task pairs in conflict.
        dev: Dev scores by dotted name.
        by_layer: Part of the encoder to cosine by pair of tasks.
    """

    loss: Series = field(default_factory=dict)
    weight: Series = field(default_factory=dict)
    cosine: Series = field(default_factory=dict)
    conflicts: Series = field(default_factory=dict)
    dev: Series = field(default_factory=dict)
    by_layer: dict[str, Series] = field(default_factory=dict)


def read_history(path: Path) -> History:
    """Read a run's ``metrics.jsonl``. An incomplete last line is ignored; other lines that cannot be read are counted in one
    line to the log, as when the run is resumed.

    Raises:
        SwissbertError: If the file cannot be read.
    """
    if not path.exists():
        raise SwissbertError(f"{path}: cannot be read (there is no such file)")
    history = History()
    entries, damaged = read_entries(path)
    for entry in entries:
        try:
            _add(History(), entry)  # so that nothing of a damaged entry is added
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
            damaged += 1
        else:
            _add(history, entry)
    if damaged:
        warn(f"{path}: lines that cannot be read: {damaged:,}, which are left out")
    return history


def _add(history: History, record: dict[str, Any]) -> None:
    step = int(record["step"])
    for name in ("loss", "weight", "cosine", "conflicts", "dev"):
        _append(getattr(history, name), step, record.get(name, {}))
    for part, cosines in record.get("cosine_by_layer", {}).items():
        _append(history.by_layer.setdefault(part, {}), step, cosines)


def _append(series: Series, step: int, record: dict[str, Any]) -> None:
    for name, value in record.items():
        steps, values = series.setdefault(name, ([], []))
        steps.append(step)
        values.append(math.nan if value is None else float(value))


def moving_average(values: list[float], window: int) -> Array:
    """Return the mean of the last `window` values at each position; of fewer at the start."""
    sums = np.cumsum(np.insert(np.array(values, float), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    means: Array = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def _draw(axes: Axes, series: Series, width: float, *, smoothed: bool = True) -> None:
    """Draw a line for each name, with a legend below the axes in a room of `width` inches."""
    for i, (name, (steps, values)) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        if smoothed:
            window = max(1, len(steps) // 25)
            axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
            axes.plot(steps, moving_average(values, window), color=colour, linewidth=1.8, label=name)
        else:
            axes.plot(steps, values, "o-", color=colour, markersize=5, label=name)
    axes.set_xlabel("step")
    legend_below(axes, width)
    hide_grid(axes)


@in_style
def training_figure(history: History, metrics: Mapping[str, str]) -> Figure:
    """Draw the losses of every step, and the dev score of each task after each evaluation.

    Args:
        history: Log of a run.
        metrics: Metric to draw of each task.
    """
    figure, (left, right) = axes_row("Training: losses and dev scores", 2, 10, 4.2)
    _draw(left, history.loss, 4.2)
    left.set_yscale("log")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter(NullFormatter())
    left.set_title("loss of each task, smoothed")
    scores = {f"{task} {metric}": history.dev.get(f"{task}.{metric}", ([], [])) for task, metric in metrics.items()}
    _draw(right, scores | {"overall": history.dev.get("overall", ([], []))}, 4.2, smoothed=False)
    right.set_title("score on dev rows")
    return figure


@in_style
def weights_figure(history: History) -> Figure:
    """Draw the weight of each task's loss over steps."""
    figure, (axes,) = axes_row("Training: weight of each task's loss", 1, NARROW, 3.7)
    _draw(axes, history.weight, NARROW - 1)
    axes.set_title("factor on the loss of each task, smoothed")
    return figure


@in_style
def conflict_figure(history: History) -> Figure:
    """Draw the cosine of the gradients of each pair of tasks, and the share of pairs that conflict."""
    figure, (left, right) = axes_row("Training: cosine of task gradients", 2, 10, 4)
    _draw(left, history.cosine, 4.2)
    left.axhline(0, color=SOFT, linewidth=1)
    left.set_title("cosine of two tasks' gradients (conflict below 0)")
    _draw(right, history.conflicts, 4.2)
    right.set_ylim(0, 1)
    percent(right.yaxis)
    right.set_title("share of task pairs in conflict")
    if (legend := right.get_legend()) is not None:
        legend.remove()
    return figure


@in_style
def layer_figure(parts: dict[str, dict[str, list[float]]], note: str) -> Figure:
    """Draw mean and interquartile range of the cosine of task gradients in each part of the encoder.

    Args:
        parts: Part of the encoder to pair of tasks to cosines.
        note: Where the cosines are from, for the title of the axes.
    """
    figure, (axes,) = axes_row("Cosine of task gradients by layer", 1, NARROW, 4.1)
    pairs = list(next(iter(parts.values())))
    for i, pair in enumerate(pairs):
        cosines = [parts[part].get(pair, []) for part in parts]
        at = np.arange(len(parts)) + (i - (len(pairs) - 1) / 2) * 0.18
        colour = COLOURS[i % len(COLOURS)]
        for x, values in zip(at, cosines, strict=True):
            if values:
                axes.plot([x, x], np.quantile(values, [0.25, 0.75]), color=colour, linewidth=3, alpha=0.45)
        axes.plot(at, [float(np.mean(v)) if v else np.nan for v in cosines], "o", color=colour, label=pair)
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.set_xticks(range(len(parts)), list(parts))
    axes.set_ylabel("cosine")
    axes.set_xlabel("part of the encoder, layers by number")
    axes.set_title(note)
    legend_below(axes, NARROW - 1)
    hide_grid(axes)
    return figure
