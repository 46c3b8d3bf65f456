"""Bootstrap intervals of metrics."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from swissbert.kinds import Array
from swissbert.metrics import METRICS, Metric
from swissbert.tasks import Task

RESAMPLES = 1000
"""Bootstrap samples of an interval."""


def intervals(
    task: Task,
    labels: Array,
    answers: Array,
    *,
    metrics: Sequence[Metric] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    on_resample: Callable[[], object] | None = None,
) -> dict[str, tuple[float, float]]:
    """Compute 95 % percentile bootstrap intervals of every metric of a task; rows are drawn with replacement.

    Samples for which a metric is undefined are left out of its interval. Metrics that are undefined for the rows
    themselves have no interval.

    Args:
        task: The task.
        labels: ``[N]`` or ``[N, C]``.
        answers: Probabilities ``[N, C]`` or scores ``[N]``.
        metrics: Further metrics, from outside the table.
        resamples: Number of bootstrap samples.
        seed: Seed of the random generator.
        on_resample: Called after each bootstrap sample.
    """
    rng = np.random.default_rng(seed)
    decisions = task.kind.decide(answers)
    metrics = [*(METRICS[name] for name in task.kind.metrics), *metrics]
    needs_answers = any(metric.needs_answers for metric in metrics)
    values: dict[str, list[float]] = {metric.name: [] for metric in metrics}
    for _ in range(resamples):
        rows = rng.integers(0, len(labels), len(labels))
        drawn = labels[rows], decisions[rows], answers[rows] if needs_answers else answers
        for metric in metrics:
            values[metric.name].append(metric.compute(*drawn))
        if on_resample is not None:
            on_resample()
    defined = {metric.name for metric in metrics if not math.isnan(metric.compute(labels, decisions, answers))}
    return {name: percentiles(column) for name, column in values.items() if name in defined}


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return where the middle 95 % of resampled values begin and end; NaN among them is left out."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return math.nan, math.nan
    return float(np.quantile(defined, 0.025)), float(np.quantile(defined, 0.975))
