"""Places of texts in figures: legends outside the axes, labels beside each other, numbers of bars inside."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.buckets import buckets_for
from swissbert.analysis.history import History, conflict_figure, layer_figure, training_figure, weights_figure
from swissbert.analysis.label_figures import confusion_figure, label_figure
from swissbert.analysis.mistakes import bucket_figure, overlap_figure
from swissbert.analysis.score_figures import metric_scores, scatter_figure, scores_figure
from swissbert.analysis.style import NARROW, axes_row, in_style, percent, styled
from swissbert.analysis.thresholds import threshold_figure
from swissbert.tasks import find_task


def answers(name: str) -> AnsweredSplit:
    rng = np.random.default_rng(0)
    task, rows = find_task(name), 3000
    labels = rng.integers(0, len(task.labels) or 6, rows).astype(float)
    given = rng.dirichlet(np.ones(len(task.labels)), rows) if task.labels else rng.uniform(0, 5, rows)
    buckets = buckets_for(task)
    flags = rng.random((rows, len(buckets))) < 0.3
    overlap = rng.uniform(0, 1, rows).astype(np.float32) if task.is_pair else None
    return AnsweredSplit(task, "dev", "rows", [], 0, labels, given.astype(np.float32), flags, overlap, buckets)


def run_history() -> History:
    steps = list(range(0, 800, 100))
    names = {"sst": 0.5, "para": 0.8, "sts": 0.86}
    metrics = {"sst": "accuracy", "para": "accuracy", "sts": "pearson"}
    series = {name: (steps, [1 + value + step / 1e3 for step in steps]) for name, value in names.items()}
    dev = {f"{name}.{metrics[name]}": (steps, [value] * 8) for name, value in names.items()}
    pairs = {"sst-para": (steps, [0.1] * 8), "sst-sts": (steps, [-0.1] * 8), "para-sts": (steps, [0.0] * 8)}
    return History(series, series, pairs, {"all": (steps, [0.3] * 8)}, dev | {"overall": (steps, [0.72] * 8)})


HISTORY = run_history()
METRICS = {"sst": "accuracy", "para": "accuracy", "sts": "pearson"}
FIGURES = {
    "training": lambda: training_figure(HISTORY, METRICS),
    "weights": lambda: weights_figure(HISTORY),
    "conflicts": lambda: conflict_figure(HISTORY),
    "layers": lambda: layer_figure({str(i): {"sst-para": [0.1, 0.2], "para-sts": [-0.1]} for i in range(12)}, "note"),
    "thresholds": lambda: threshold_figure(answers("para")),
    "scores": lambda: scores_figure([s for n in METRICS for s in metric_scores(answers(n), resamples=5)]),
    "scatter": lambda: scatter_figure(answers("sts")),
    "buckets": lambda: bucket_figure(answers("para")),
    "labels": lambda: label_figure(answers("sst")),
    "confusion-sst": lambda: confusion_figure(answers("sst")),
    "confusion-para": lambda: confusion_figure(answers("para")),
}


def laid_out(figure: Figure) -> Figure:
    """Compute the places of everything at the resolution of the figure, which that of a saved file is not."""
    with styled():
        figure.draw_without_rendering()
    return figure


def drawn(name: str) -> Figure:
    return laid_out(FIGURES[name]())


@pytest.mark.parametrize("name", FIGURES)
def test_legends_are_below_the_axes_and_inside_the_figure(name: str) -> None:
    figure = drawn(name)
    legends = [(axes, legend) for axes in figure.axes if (legend := axes.get_legend()) is not None]
    assert legends
    for axes, legend in legends:
        box, ticks = legend.get_window_extent(), axes.xaxis.get_tightbbox()
        assert ticks is not None
        assert box.y1 < ticks.y0 < axes.get_window_extent().y0, "below the tick labels and the axis label"
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
    boxes = [legend.get_window_extent() for _, legend in legends]
    assert not any(Bbox.intersection(one, other) for one, other in pairwise(boxes))


@pytest.mark.parametrize("name", ["weights", "layers", "thresholds", "scores", "scatter", "buckets", "labels"])
def test_figures_with_one_plot_fit_a_phone(name: str) -> None:
    assert FIGURES[name]().get_figwidth() <= NARROW


@pytest.mark.parametrize("name", ["confusion-sst", "confusion-para", "labels", "buckets", "conflicts"])
def test_ticks_in_percent_have_room_beside_each_other(name: str) -> None:
    figure = drawn(name)
    for axes in figure.axes:
        for axis, ends in ((axes.xaxis, ("x0", "x1")), (axes.yaxis, ("y0", "y1"))):
            texts = [text for text in axis.get_ticklabels() if text.get_text().endswith("%")]
            boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: getattr(box, ends[0]))
            for one, other in pairwise(boxes):
                assert getattr(other, ends[0]) - getattr(one, ends[1]) > 3 * figure.dpi / 72, "3 points"


@pytest.mark.parametrize("name", ["para", "sts"])
def test_numbers_above_bars_are_inside_the_axes_and_below_the_title(name: str) -> None:
    figure = laid_out(overlap_figure(answers(name)))
    bars = figure.axes[1]
    numbers = [text for text in bars.texts if isinstance(text, Text)]
    assert len(numbers) == 10
    for number in numbers:
        assert number.get_window_extent().y1 < bars.get_window_extent().y1


@in_style
def _wide() -> Figure:
    figure, (axes,) = axes_row("Shares", 1, NARROW, 3)
    axes.set_xlim(0, 1)
    percent(axes.xaxis)
    return figure


def test_a_long_axis_in_percent_has_a_tick_at_every_fifth() -> None:
    figure = laid_out(_wide())
    shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert shown == ["0%", "20%", "40%", "60%", "80%", "100%"]
