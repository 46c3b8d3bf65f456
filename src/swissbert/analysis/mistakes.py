"""Errors by bucket of rows, and by word overlap of pairs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.difference_intervals import MISSES, newcombe, welch
from swissbert.analysis.style import COLOURS, NARROW, SOFT, axes_row, hide_grid, in_style, legend_below, percent
from swissbert.kinds import Array

HEADROOM = 1.15
"""Height of an axis for a highest bar of 1, so that a number above the bar is inside."""
FEWEST_ROWS = 10
"""Rows that a bucket and its complement need for an interval of a difference of means."""


@dataclass(frozen=True)
class BucketErrors:
    """Mean error of a bucket of rows and of all other rows.

    Attributes:
        name: Name of the bucket.
        phrase: Its rows in a sentence.
        description: What its rows have in common.
        rows: Number of its rows.
        error: Mean error of its rows.
        rest: Mean error of all other rows.
        interval: Interval of the difference, by default of 95 %: Newcombe's for error rates, Welch's for other errors; None
            for fewer than `FEWEST_ROWS` rows or no variance.
    """

    name: str
    phrase: str
    description: str
    rows: int
    error: float
    rest: float
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """Error of the bucket minus that of all other rows."""
        return self.error - self.rest

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def bucket_errors(answered: AnsweredSplit, misses: float = MISSES) -> list[BucketErrors]:
    """Return the errors of every bucket that holds some but not all rows.

    Args:
        answered: Answers to a split.
        misses: Share of intervals that miss the true difference.
    """
    buckets = []
    for i, bucket in enumerate(answered.buckets):
        inside, rest = answered.errors[answered.flags[:, i]], answered.errors[~answered.flags[:, i]]
        if len(inside) and len(rest):
            means = float(inside.mean()), float(rest.mean())
            interval = _interval(inside, rest, misses, proportions=answered.is_right_or_wrong)
            buckets.append(BucketErrors(bucket.name, bucket.phrase, bucket.description, len(inside), *means, interval))
    return buckets


def _interval(a: Array, b: Array, misses: float, *, proportions: bool) -> tuple[float, float] | None:
    if proportions:
        return newcombe(int(a.sum()), len(a), int(b.sum()), len(b), misses)
    return welch(a, b, misses) if min(len(a), len(b)) >= FEWEST_ROWS and a.var() > 0 and b.var() > 0 else None


@in_style
def bucket_figure(answered: AnsweredSplit) -> Figure:
    """Draw each bucket's error minus that of all other rows, with its 95 % interval."""
    kind = answered.task.kind
    buckets = sorted(bucket_errors(answered), key=lambda bucket: bucket.difference, reverse=True)
    overall = float(answered.errors.mean())
    figure, (axes,) = axes_row(f"{answered.task.name}: errors by bucket of rows", 1, NARROW, 2.2 + 0.42 * len(buckets))
    axes.axvline(0, color=SOFT, linewidth=1)
    for i, bucket in enumerate(buckets):
        colour = COLOURS[(1 if bucket.difference > 0 else 2) if bucket.is_significant else 7]
        if bucket.interval:
            axes.plot(bucket.interval, [i, i], color=colour, linewidth=2.5, alpha=0.5, solid_capstyle="round")
        marker, size = ("o", 8) if bucket.interval else ("D", 5)
        axes.plot(bucket.difference, i, marker, color=colour, markersize=size)
    axes.set_yticks(range(len(buckets)), [f"{bucket.name} ({bucket.rows:,})" for bucket in buckets])
    axes.set_ylim(max(1, len(buckets)) - 0.5, -0.5)
    shown = f"{overall:.1%}" if kind.error_is_share else f"{overall:.2f}"
    axes.set_title(f"{kind.error_name} minus that of all other rows\noverall {shown}", fontsize=10)
    if kind.error_is_share:
        percent(axes.xaxis)
    axes.set_xlabel("← easier | harder →")
    for label, colour in (
        ("harder, interval above 0", COLOURS[1]),
        ("easier, interval below 0", COLOURS[2]),
        ("not significant", COLOURS[7]),
    ):
        axes.plot([], [], "o", color=colour, label=label)
    legend_below(axes, NARROW - 2)
    hide_grid(axes, keep="x")
    return figure


@in_style
def overlap_figure(answered: AnsweredSplit) -> Figure:
    """Draw labels, predictions and errors of pairs by their word overlap, in ten bins."""
    assert answered.overlap is not None, "single sentences have no word overlap"
    bins = np.minimum((answered.overlap.astype(float) * 10 + 1e-6).astype(int), 9)  # 0.7 as float32 is below 0.7
    figure, (left, right) = axes_row(f"{answered.task.name}: word overlap of the two sentences", 2, 10, 3.6)
    _labels_by_bin(left, answered, bins)
    _errors_by_bin(right, answered, bins)
    for axes in (left, right):
        axes.set_xlabel("word overlap (Jaccard)")
        axes.set_xlim(0, 1)
        percent(axes.xaxis)
        hide_grid(axes)
    return figure


def _centre(number: int) -> float:
    return (number + 0.5) / 10


def _labels_by_bin(axes: Axes, answered: AnsweredSplit, bins: Array) -> None:
    """Draw the mean true and predicted label of each bin where a task has one output, else the share of rows."""
    task, used = answered.task, np.unique(bins).tolist()
    centres = [_centre(number) for number in used]
    if task.outputs > 1:
        axes.bar(centres, [float((bins == number).mean()) for number in used], 0.08, color=COLOURS[0])
        axes.set_title("share of rows")
        percent(axes.yaxis)
        return
    for values, name, colour in ((answered.labels, "true", COLOURS[0]), (answered.decisions, "predicted", COLOURS[1])):
        axes.plot(centres, [float(values[bins == number].mean()) for number in used], "o-", color=colour, label=name)
    if task.labels:
        axes.set_title(f"share of '{task.labels[1]}'")
        percent(axes.yaxis)
        axes.set_ylim(0, 1)
    else:
        axes.set_title("mean score")
    axes.legend(loc="upper left")


def _errors_by_bin(axes: Axes, answered: AnsweredSplit, bins: Array) -> None:
    """Draw the mean error of each bin with its number of rows."""
    used = np.unique(bins).tolist()
    means = [float(answered.errors[bins == number].mean()) for number in used]
    axes.bar([_centre(number) for number in used], means, 0.08, color=COLOURS[7])
    for number, mean in zip(used, means, strict=True):
        text, at = f"{(bins == number).sum():,}", (_centre(number), mean)
        axes.annotate(text, at, (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axes.set_title(f"{answered.task.kind.error_name} (rows above the bars)")
    if max(means) > 0:
        axes.set_ylim(0, HEADROOM * max(means))
    if answered.task.kind.error_is_share:
        percent(axes.yaxis)
