"""What a run wrote down while it trained, as curves: losses, dev scores, task weights, cosines of task gradients."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from swissbert.analysis.style import COLOURS, SOFT, axes_row, in_style, percent, plain
from swissbert.errors import SwissbertError

Series = dict[str, tuple[list[int], list[float]]]
"""Steps and values of each name."""


@dataclass
class History:
    """The numbers of a ``metrics.jsonl`` by kind and name, each with its steps."""

    loss: Series = field(default_factory=dict)
    weight: Series = field(default_factory=dict)
    cosine: Series = field(default_factory=dict)
    conflicts: Series = field(default_factory=dict)
    dev: Series = field(default_factory=dict)
    by_layer: dict[str, Series] = field(default_factory=dict)


def read_history(path: Path) -> History:
    """Read a run's ``metrics.jsonl``; a last line that is cut off is passed over. Raises SwissbertError."""
    history = History()
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise SwissbertError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            record = json.loads(line)
            _take(history, record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if number == len(lines):
                break
            raise SwissbertError(f"{path}:{number}: not a line that training wrote ({error})") from error
    return history


def _take(history: History, record: dict[str, Any]) -> None:
    step = int(record["step"])
    for kind in ("loss", "weight", "cosine", "conflicts", "dev"):
        _append(getattr(history, kind), step, record.get(kind, {}))
    for part, cosines in record.get("cosine_by_layer", {}).items():
        _append(history.by_layer.setdefault(part, {}), step, cosines)


def _append(series: Series, step: int, found: dict[str, Any]) -> None:
    for name, value in found.items():
        steps, values = series.setdefault(name, ([], []))
        steps.append(step)
        values.append(float(value))


def smooth(values: list[float], window: int) -> np.ndarray:
    """Mean over the last `window` values at each place, over fewer at the beginning."""
    sums = np.cumsum(np.insert(np.array(values, float), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    smoothed: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)
    return smoothed


def _window(steps: list[int]) -> int:
    return max(1, len(steps) // 25)


def _curves(axes: Axes, series: Series, *, smoothed: bool = True) -> None:
    for i, (name, (steps, values)) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        if smoothed:
            axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
            axes.plot(steps, smooth(values, _window(steps)), color=colour, linewidth=1.8, label=name)
        else:
            axes.plot(steps, values, "o-", color=colour, markersize=5, label=name)
    axes.set_xlabel("step")
    axes.legend()
    plain(axes)


@in_style
def training_figure(history: History, metrics: Mapping[str, str]) -> Figure:
    """Losses of every step, and the dev score of each task (`metrics`: task to metric) after each evaluation."""
    figure, (left, right) = axes_row("Training: losses and dev scores", 2, 10, 3.8)
    _curves(left, history.loss)
    left.set_yscale("log")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter(NullFormatter())
    left.set_title("loss of each task, smoothed")
    scores = {f"{task} {metric}": history.dev.get(f"{task}.{metric}", ([], [])) for task, metric in metrics.items()}
    _curves(right, scores | {"overall": history.dev.get("overall", ([], []))}, smoothed=False)
    right.set_title("score on dev rows")
    return figure


@in_style
def weights_figure(history: History) -> Figure:
    """The factor on each task's loss, step by step."""
    figure, (axes,) = axes_row("Training: weight of each task's loss", 1, 8, 3.4)
    _curves(axes, history.weight)
    axes.set_title("factor on the loss; what falls counts less")
    return figure


@in_style
def conflict_figure(history: History) -> Figure:
    """Cosine between the gradients of each pair of tasks, and the share of pairs that conflict."""
    figure, (left, right) = axes_row("Training: do the tasks' gradients agree?", 2, 10, 3.6)
    _curves(left, history.cosine)
    left.axhline(0, color=SOFT, linewidth=1)
    left.set_title("cosine of two tasks' gradients, below 0 they conflict")
    _curves(right, history.conflicts)
    right.set_ylim(0, 1)
    percent(right.yaxis)
    right.set_title("share of task pairs in conflict")
    if (legend := right.get_legend()) is not None:
        legend.remove()
    return figure


@in_style
def layer_figure(parts: dict[str, dict[str, list[float]]], note: str) -> Figure:
    """Cosine of each pair of tasks' gradients in each part of the encoder: mean, and where half of the values lie."""
    figure, (axes,) = axes_row("Do the tasks' gradients agree, layer by layer?", 1, 8.4, 3.8)
    names = list(next(iter(parts.values())))
    for i, name in enumerate(names):
        values = [parts[part].get(name, []) for part in parts]
        at = np.arange(len(parts)) + (i - (len(names) - 1) / 2) * 0.18
        for x, each in zip(at, values, strict=True):
            if each:
                axes.plot([x, x], np.quantile(each, [0.25, 0.75]), color=COLOURS[i % 8], linewidth=3, alpha=0.45)
        axes.plot(at, [float(np.mean(v)) if v else np.nan for v in values], "o", color=COLOURS[i % 8], label=name)
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.set_xticks(range(len(parts)), list(parts))
    axes.set_ylabel("cosine")
    axes.set_xlabel("part of the encoder, layers by number")
    axes.set_title(note)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plain(axes)
    return figure
