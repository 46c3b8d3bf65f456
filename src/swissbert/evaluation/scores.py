"""Scores of a model on labelled rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.evaluation.intervals import intervals
from swissbert.evaluation.predictions import table_answers
from swissbert.kinds import Array
from swissbert.metrics import METRICS, Metric
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task


@dataclass(frozen=True)
class TaskScores:
    """Scores of one task; bad rows are left out.

    Attributes:
        metric: The declared metric.
        rows: Number of rows scored.
        bad_rows: Number of rows that could not be used.
        metrics: Every metric of the task's kind, by name.
        intervals: 95 % bootstrap interval of each metric, if asked for.
        confusion: Counts ``[true][predicted]``, if asked for and rows have one label each.
        labels: Label names, if asked for and the task has labels.
        baseline: Metrics of always giving the best constant answer, if asked for and defined.
    """

    metric: str
    rows: int
    bad_rows: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] | None = None
    confusion: list[list[int]] | None = None
    labels: list[str] | None = None
    baseline: dict[str, float] | None = None

    @property
    def value(self) -> float:
        """The declared metric's value."""
        return self.metrics[self.metric]


@dataclass(frozen=True)
class Scores:
    """Scores of all tasks, and both overall scores (see `overall`)."""

    tasks: dict[str, TaskScores]
    overall: float
    overall_normalised: float

    def by_name(self, name: str) -> float:
        """Return ``overall``, ``overall_normalised`` or ``task.metric``."""
        if name in ("overall", "overall_normalised"):
            return float(getattr(self, name))
        task, metric = name.rsplit(".", 1)
        return self.tasks[task].metrics[metric]

    def flat(self) -> dict[str, float]:
        """Return every score under its dotted name."""
        scores = {f"{name}.{metric}": v for name, task in self.tasks.items() for metric, v in task.metrics.items()}
        return scores | {"overall": self.overall, "overall_normalised": self.overall_normalised}

    def as_json(self) -> dict[str, object]:
        """Return plain dictionaries and lists."""
        return asdict(self)


def task_scores(
    task: Task, labels: Array, answers: Array, metrics: Sequence[Metric] = (), decisions: Array | None = None
) -> dict[str, float]:
    """Compute every metric of a task's kind.

    Args:
        task: The task.
        labels: ``[N]``, or ``[N, C]`` for several labels per row.
        answers: Probabilities ``[N, C]`` or scores ``[N]``.
        metrics: Further metrics, from outside the table.
        decisions: Decisions on the answers, if they are at hand already.
    """
    if decisions is None:
        decisions = task.kind.decide(answers)
    chosen = [*(METRICS[name] for name in task.kind.metrics), *metrics]
    return {metric.name: metric.compute(labels, decisions, answers) for metric in chosen}


def overall(scores: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """Compute both overall scores of ``{task: (metric, value)}``, each task by its declared metric.

    ``overall`` is the plain mean (paper, Section 5.2). ``overall_normalised`` maps a correlation r to (r+1)/2 first.
    """
    plain = [value for _, value in scores.values()]
    normalised = [(value + 1) / 2 if _is_correlation(metric) else value for metric, value in scores.values()]
    return {"overall": float(np.mean(plain)), "overall_normalised": float(np.mean(normalised))}


def _is_correlation(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].is_correlation


def evaluate(
    model: MultitaskModel, splits: Iterable[TaskData], *, full: bool = False, metrics: Sequence[Metric] = ()
) -> Scores:
    """Score a model on labelled splits, one per task.

    Args:
        model: The network.
        splits: Labelled rows of each task.
        full: Add 95 % intervals (1000 bootstrap resamples), confusion matrices and baselines.
        metrics: Further metrics, computed for the kinds that they name.

    Raises:
        SwissbertError: If answers contain NaN or infinity.
    """
    scores: dict[str, TaskScores] = {}
    for data in splits:
        task, labels = data.task, data.labels
        answers = table_answers(model, task, data.table)
        decisions = task.kind.decide(answers)
        extra = [metric for metric in metrics if task.kind.name in metric.kinds]
        values = task_scores(task, labels, answers, extra, decisions) | model.head(task.name).extra_metrics(
            answers, labels
        )
        baseline = task.kind.baseline(task, labels) if full else None
        scores[task.name] = TaskScores(
            task.metric,
            len(data),
            len(data.bad),
            values,
            intervals(task, labels, answers, metrics=extra) if full else None,
            task.kind.confusion(task, labels, decisions) if full else None,
            task.labels if full and task.labels else None,
            task_scores(task, labels, baseline, extra) if baseline is not None else None,
        )
    return Scores(scores, **overall({name: (s.metric, s.value) for name, s in scores.items()}))
