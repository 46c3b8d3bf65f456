"""Calibration: confidence of decisions against their accuracy (Guo et al., 2017)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.style import COLOURS, SOFT, axes_row, hide_grid, in_style, percent
from swissbert.kinds import Array

BINS = 10
"""Equal bins of confidence from 0 to 1."""
SMALLEST_ERROR = 0.005
"""Expected calibration error from which a model is called overconfident or underconfident."""


def decision_confidence(answered: AnsweredSplit) -> tuple[Array, Array]:
    """Return confidence and correctness of each decision, float ``[N]``, or ``[N * C]`` for several labels per row.

    With several labels per row, each of the C labels is a decision of its own, with the probability of the outcome that
    was chosen as its confidence.
    """
    task = answered.task
    assert answered.confidence is not None, "scores have no confidence"
    if task.kind.label_shape(task):
        confidence = np.maximum(answered.answers, 1 - answered.answers)  # [N, C]
        right = answered.labels.astype(int) == answered.decisions.astype(int)
        return confidence.ravel().astype(float), right.ravel().astype(float)
    return answered.confidence.astype(float), 1 - answered.errors


def calibration_bins(answered: AnsweredSplit) -> tuple[list[tuple[float, float, int]], float]:
    """Compute calibration by bins of confidence.

    Returns:
        Mean confidence, accuracy and number of decisions of each bin that is not empty; and the expected calibration
        error: the distance of accuracy from confidence, averaged over bins weighted by decisions.
    """
    confidence, right = decision_confidence(answered)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = []
    error = 0.0
    for number in range(BINS):
        inside = place == number
        count = int(inside.sum())
        if count:
            mean, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
            bins.append((mean, accuracy, count))
            error += count / len(confidence) * abs(accuracy - mean)
    return bins, error


@dataclass(frozen=True)
class Tendency:
    """How sure a model is beside how often it is right.

    Attributes:
        sign: ``over`` or ``under`` for a model that is overconfident or underconfident; empty below `SMALLEST_ERROR`.
        confidence: Mean confidence.
        accuracy: Share of right decisions.
        error: Expected calibration error.
    """

    sign: Literal["", "over", "under"]
    confidence: float
    accuracy: float
    error: float


def tendency(answered: AnsweredSplit) -> Tendency:
    """Compare the mean confidence of decisions with their accuracy."""
    bins, error = calibration_bins(answered)
    total = sum(count for *_, count in bins)
    confidence = sum(mean * count for mean, _, count in bins) / total
    accuracy = sum(share * count for _, share, count in bins) / total
    sign: Literal["", "over", "under"] = "" if error < SMALLEST_ERROR else "over" if confidence > accuracy else "under"
    return Tendency(sign, confidence, accuracy, error)


def decisions_name(answered: AnsweredSplit) -> str:
    """Return what is counted: rows, or decisions where each row has one for each label."""
    return "decisions" if answered.task.kind.label_shape(answered.task) else "rows"


@in_style
def calibration_figure(answered: AnsweredSplit) -> Figure:
    """Draw accuracy against confidence, and the distribution of confidence."""
    bins, _ = calibration_bins(answered)
    figure, (left, right) = axes_row(f"{answered.task.name}: calibration", 2, 9, 3.8)
    _reliability(left, bins, tendency(answered))
    confidence, _, counts = (np.array(column) for column in zip(*bins, strict=True))
    centres = (np.minimum((confidence * BINS).astype(int), BINS - 1) + 0.5) / BINS
    right.bar(centres, counts / counts.sum(), 0.09, color=COLOURS[0])
    right.set_xlabel("confidence")
    right.set_ylabel(f"share of {decisions_name(answered)}")
    right.set_title("distribution of confidence")
    right.set_xlim(0, 1.02)
    percent(right.xaxis)
    percent(right.yaxis)
    hide_grid(right)
    return figure


def _reliability(axes: Axes, bins: list[tuple[float, float, int]], result: Tendency) -> None:
    """Draw accuracy against mean confidence of each bin."""
    confidence, accuracy, _ = (np.array(column) for column in zip(*bins, strict=True))
    suffix = f", {result.sign}confident" if result.sign else ""
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1, label="perfect calibration")
    axes.plot(confidence, accuracy, "o-", color=COLOURS[1], label="model")
    axes.set_xlabel("mean confidence")
    axes.set_ylabel("accuracy")
    axes.set_title(f"expected calibration error {result.error:.1%}{suffix}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    percent(axes.xaxis)
    percent(axes.yaxis)
    axes.legend(loc="upper left")
    hide_grid(axes, keep="both")
