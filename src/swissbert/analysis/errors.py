"""Where a model errs: error rates of buckets of rows against all other rows, and errors by word overlap."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.observe import Observed
from swissbert.analysis.style import COLOURS, SOFT, axes_row, in_style, percent, plain

FEW = 10
"""Below so many rows distances get no interval."""


@dataclass(frozen=True)
class BucketErrors:
    """A bucket's mean error (share that is wrong, or distance of scores), that of the rest, and their difference.

    `interval` is the difference's 95 % interval: Newcombe's of shares; Welch's of distances, None for fewer than `FEW` rows.
    """

    name: str
    about: str
    rows: int
    error: float
    rest: float
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """The bucket's error less that of the rest."""
        return self.error - self.rest

    @property
    def telling(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def bucket_errors(observed: Observed) -> list[BucketErrors]:
    """Errors of every bucket that has rows and leaves some."""
    found = []
    for i, bucket in enumerate(observed.buckets):
        inside, rest = observed.error[observed.flags[:, i]], observed.error[~observed.flags[:, i]]
        if len(inside) and len(rest):
            found.append(
                BucketErrors(
                    bucket.name,
                    bucket.about,
                    len(inside),
                    float(inside.mean()),
                    float(rest.mean()),
                    _interval(inside, rest, shares=not observed.scored),
                )
            )
    return found


def _interval(a: np.ndarray, b: np.ndarray, shares: bool) -> tuple[float, float] | None:
    """95 % interval of the difference of two means, None where it cannot be had."""
    if shares:
        return newcombe(int(a.sum()), len(a), int(b.sum()), len(b))
    return welch(a, b) if min(len(a), len(b)) >= FEW and a.var() > 0 and b.var() > 0 else None


def newcombe(hits: int, of: int, other_hits: int, of_others: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares (Newcombe, 1998, method 10), right for few rows and for none or all."""
    p, (low, high) = hits / of, _wilson(hits, of)
    q, (other_low, other_high) = other_hits / of_others, _wilson(other_hits, of_others)
    below = ((p - low) ** 2 + (other_high - q) ** 2) ** 0.5
    above = ((high - p) ** 2 + (q - other_low) ** 2) ** 0.5
    return p - q - below, p - q + above


def _wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    z = 1.959963984540054
    p, spread = hits / of, z * z / of
    half = z * (p * (1 - p) / of + spread / of / 4) ** 0.5
    return (p + spread / 2 - half) / (1 + spread), (p + spread / 2 + half) / (1 + spread)


def welch(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """95 % interval of the difference of two means whose variances may differ (Welch, 1947)."""
    from scipy.stats import t

    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    difference, variance = float(a.mean() - b.mean()), float(va + vb)
    freedom = variance**2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    reach = float(t.ppf(0.975, freedom)) * variance**0.5
    return difference - reach, difference + reach


def error_name(observed: Observed) -> str:
    """What is measured of each row."""
    return "distance from the true score" if observed.scored else "error rate"


@in_style
def bucket_figure(observed: Observed) -> Figure:
    """Each bucket's error less that of all other rows, with its 95 % interval."""
    found = sorted(bucket_errors(observed), key=lambda each: each.difference, reverse=True)
    share = not observed.scored
    overall = float(observed.error.mean())
    title = f"{observed.task.name}: which rows are harder"
    figure, (axes,) = axes_row(title, 1, 8.4, 1.5 + 0.42 * len(found))
    axes.axvline(0, color=SOFT, linewidth=1)
    for i, each in enumerate(found):
        colour = COLOURS[1] if each.telling and each.difference > 0 else COLOURS[2] if each.telling else COLOURS[7]
        if each.interval:
            axes.plot(each.interval, [i, i], color=colour, linewidth=2.5, alpha=0.5, solid_capstyle="round")
        axes.plot(each.difference, i, "o" if each.interval else "D", color=colour, markersize=8 if each.interval else 5)
    axes.set_yticks(range(len(found)), [f"{each.name} ({each.rows:,})" for each in found])
    axes.set_ylim(max(1, len(found)) - 0.5, -0.5)
    shown = f"{overall:.1%}" if share else f"{overall:.2f}"
    axes.set_title(f"{error_name(observed)} of a bucket less that of the rest; {shown} over all rows", fontsize=10)
    if share:
        percent(axes.xaxis)
    axes.set_xlabel("← easier | harder →")
    for label, colour in (
        ("harder: interval above 0", COLOURS[1]),
        ("easier: interval below 0", COLOURS[2]),
        ("may be chance", COLOURS[7]),
    ):
        axes.plot([], [], "o", color=colour, label=label)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plain(axes, grid="x")
    return figure


@in_style
def overlap_figure(observed: Observed) -> Figure:
    """Pairs by their share of common words: what is true, what the model says, and how often it errs."""
    assert observed.overlap is not None, "overlap is of pairs"
    task = observed.task
    place = np.minimum((observed.overlap.astype(float) * 10 + 1e-6).astype(int), 9)  # 0.7 as float32 is below 0.7
    used = [i for i in range(10) if (place == i).any()]
    centre = [(i + 0.5) / 10 for i in used]
    title = f"{task.name}: words that both sentences have"
    figure, (left, right) = axes_row(title, 2, 10, 3.6)
    if task.outputs > 1:
        left.bar(centre, [float((place == i).mean()) for i in used], 0.08, color=COLOURS[0])
        left.set_title("share of rows")
        percent(left.yaxis)
    else:
        for values, name, colour in ((observed.labels, "true", COLOURS[0]), (observed.said, "predicted", COLOURS[1])):
            left.plot(centre, [float(values[place == i].mean()) for i in used], "o-", color=colour, label=name)
        positive = task.labels[1] if task.labels else ""
        left.set_title(f"share of '{positive}'" if positive else "mean score")
        if positive:
            percent(left.yaxis)
            left.set_ylim(0, 1)
        left.legend(loc="upper left")
    left.set_xlabel("share of words in common")
    right.bar(centre, [float(observed.error[place == i].mean()) for i in used], 0.08, color=COLOURS[7])
    for at, i in zip(centre, used, strict=True):
        right.annotate(
            f"{(place == i).sum():,}",
            (at, float(observed.error[place == i].mean())),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    right.set_title(f"{error_name(observed)} (rows above the bars)")
    right.set_xlabel("share of words in common")
    if task.kind.error_is_share:
        percent(right.yaxis)
    for axes in (left, right):
        axes.set_xlim(0, 1)
        percent(axes.xaxis)
        plain(axes)
    return figure
