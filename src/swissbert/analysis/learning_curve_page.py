"""The page of a learning curve: a figure, a table, and what the last step gained."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from swissbert.analysis.page import Picture, Section, Table, write_page
from swissbert.analysis.style import COLOURS, NARROW, axes_row, hide_grid, in_style, legend_below
from swissbert.config import RunConfig

if TYPE_CHECKING:
    from swissbert.analysis.train_shares import Point


def curve_table(config: RunConfig, points: Sequence["Point"]) -> list[list[object]]:
    """Return share, rows, number of seeds, and mean and deviation of each task's metric and of overall."""
    table: list[list[object]] = []
    for fraction in sorted({point.fraction for point in points}):
        same = [point for point in points if point.fraction == fraction]
        row: list[object] = [fraction, sum(same[0].rows.values()), len(same)]
        for name in score_names(config):
            values = [point.scores[name] for point in same if name in point.scores]
            row.append(statistics.fmean(values) if values else float("nan"))
            row.append(statistics.stdev(values) if len(values) > 1 else float("nan"))
        table.append(row)
    return table


def score_names(config: RunConfig) -> list[str]:
    """Return the scores of a curve: the metric of each task, and overall for several tasks."""
    names = [f"{task.name}.{task.metric}" for task in config.tasks]
    return [*names, "overall"] if len(names) > 1 else names


@in_style
def curve_figure(config: RunConfig, points: Sequence["Point"]) -> Figure:
    """Draw the mean score over the seeds, and each seed as a point, against the number of train rows of the task."""
    figure, (axes,) = axes_row("Dev scores by number of train rows", 1, NARROW, 4.6)
    for i, name in enumerate(score_names(config)):
        task = name.partition(".")[0]
        has_task = any(task in point.rows for point in points)
        at = [point.rows[task] if has_task else sum(point.rows.values()) for point in points]
        values = [point.scores.get(name, float("nan")) for point in points]
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(at, values, "o", color=colour, alpha=0.5, markersize=5)
        counts = sorted(set(at))
        means = [np.mean([v for a, v in zip(at, values, strict=True) if a == count]) for count in counts]
        axes.plot(counts, means, "-", color=colour, linewidth=1.8, label=name.replace("_", " "))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("train rows (of the task; of all tasks for overall), logarithmic")
    axes.set_title("line: mean over seeds; points: single runs")
    legend_below(axes, NARROW - 1)
    hide_grid(axes, keep="both")
    return figure


def write_curve_page(config: RunConfig, points: Sequence["Point"], name: str, out: Path) -> Path:
    """Write the page of a curve into a folder; return its path."""
    parts = [part for score in score_names(config) for part in (score, "±")]
    header = ["share", "train rows", "seeds", *parts]
    rows = curve_table(config, points)
    sections = [
        Section(
            "curve",
            "Learning curve",
            "Every point is a run of its own with the settings of the run and a share of the train rows of every task; the rows "
            "of a smaller share are among those of a larger one with the same seed. Dev rows are the same for all. Extra files "
            "of tasks are read whole, so that an epoch takes the same share of them.",
            [
                Picture("learning-curve", curve_figure(config, points), "Dev scores by number of train rows"),
                Table("learning-curve", "Mean over seeds and standard deviation", header, rows),
            ],
            _reading(config, rows),
        )
    ]
    return write_page(out, f"Learning curve: {name}", [("tasks", ", ".join(t.name for t in config.tasks))], sections)


def _reading(config: RunConfig, rows: Sequence[Sequence[object]]) -> list[str]:
    """Say what the last step of the curve gained."""
    if len(rows) < 2:
        return []
    before, last = rows[-2], rows[-1]
    sentences = []
    if config.train.max_steps is not None:
        sentences.append(
            f"train.max_steps is set: every point has at most {config.train.max_steps:,} steps, whatever its rows."
        )
    for number, name in enumerate(score_names(config)):
        column = 3 + 2 * number
        gain = float(str(last[column])) - float(str(before[column]))
        if gain == gain:
            figure = f"{gain:+.3f}".replace("-", "−")
            sentences.append(f"{name}: {figure} from {before[1]:,} to {last[1]:,} train rows of all tasks.")
    return sentences
