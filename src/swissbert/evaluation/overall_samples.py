"""Bootstrap samples of the overall score."""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from swissbert.evaluation.scores import overall
from swissbert.kinds import Array
from swissbert.metrics import METRICS, higher_is_better
from swissbert.tasks import Task

SAMPLES = 1000
"""Number of bootstrap samples."""


def overall_samples(
    tasks: Sequence[Task], labels: Mapping[str, Array], answers: Mapping[str, Array], samples: int = SAMPLES
) -> list[float]:
    """Compute ``overall`` on bootstrap samples: the rows of each task are drawn with replacement.

    The rows that are drawn depend only on the name of the task, their number and the number of the sample. So the samples
    of two models on the same rows can be compared one by one, and their mean over several runs has samples too.

    Args:
        tasks: The tasks.
        labels: Labels by task, ``[N]`` or ``[N, C]``.
        answers: Answers by task, probabilities ``[N, C]`` or scores ``[N]``.
        samples: Number of samples.

    Returns:
        One value for each sample; empty if ``overall`` is undefined for the rows themselves or for a sample. A task whose
        metric these rows do not define is left out, as in the score itself.
    """
    columns: dict[str, tuple[str, list[float]]] = {}
    for task in tasks:
        metric = METRICS[task.metric]
        truth, given = labels[task.name], answers[task.name]
        decisions = task.kind.decide(given)
        if not higher_is_better(task.metric) or math.isnan(metric.compute(truth, decisions, given)):
            continue
        rng = np.random.default_rng(zlib.crc32(task.name.encode()))
        values = []
        for _ in range(samples):
            rows = rng.integers(0, len(truth), len(truth))
            values.append(metric.compute(truth[rows], decisions[rows], given[rows]))
        columns[task.name] = (task.metric, values)
    means = [
        overall({name: (metric, values[number]) for name, (metric, values) in columns.items()})["overall"]
        for number in range(samples)
    ]
    return [] if any(map(math.isnan, means)) else means
