"""Scores of a model on labelled rows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.display import Display
from swissbert.distributed.world import ALONE, World
from swissbert.evaluation.intervals import RESAMPLES, intervals
from swissbert.evaluation.notes import labels_reason, notes_on
from swissbert.evaluation.predictions import Engine, answers_and_logits, table_answers
from swissbert.kinds import Array
from swissbert.metrics import METRICS, Metric, higher_is_better
from swissbert.tasks import Task
from swissbert.wording import joined

if TYPE_CHECKING:
    from swissbert.model.multitask import MultitaskModel

RESAMPLING = 0.3
"""Time that the intervals of a task take, as a share of the time in which its rows are answered, about."""


@dataclass(frozen=True)
class TaskScores:
    """Scores of one task; bad rows are left out.

    Attributes:
        metric: The declared metric.
        rows: Number of rows scored.
        bad_rows: Number of rows that could not be used.
        metrics: Every metric of the task's kind, by name; NaN where it is undefined.
        intervals: 95 % bootstrap interval of each metric that is defined, if asked for.
        confusion: Counts ``[true][predicted]``, if asked for and rows have one label each.
        labels: Label names, if asked for and the task has labels.
        baseline: Metrics of always giving the same answer (see `swissbert.kinds.Kind.baseline`), if asked for and
            defined.
        notes: What a reader of the scores must know: which are undefined and why, and what the rows lack.
        loss: Mean loss of the rows without dropout, if asked for.
    """

    metric: str
    rows: int
    bad_rows: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] | None = None
    confusion: list[list[int]] | None = None
    labels: list[str] | None = None
    baseline: dict[str, float] | None = None
    notes: list[str] = field(default_factory=list)
    loss: float | None = None

    @property
    def value(self) -> float:
        """The declared metric's value."""
        return self.metrics[self.metric]


@dataclass(frozen=True)
class Scores:
    """Scores of all tasks.

    Attributes:
        tasks: Scores by task.
        overall: Mean of the declared metrics (see `overall`); NaN where it is undefined.
        overall_normalised: The same with correlations mapped to 0 to 1.
        notes: Which tasks the overall scores leave out.
        loss: Sum of the losses of all tasks, each times its factor, if asked for.
    """

    tasks: dict[str, TaskScores]
    overall: float
    overall_normalised: float
    notes: list[str] = field(default_factory=list)
    loss: float | None = None

    def by_name(self, name: str) -> float:
        """Return ``overall``, ``overall_normalised``, ``loss``, ``task.metric`` or ``task.loss``."""
        return self.figures()[name]

    def figures(self) -> dict[str, float]:
        """Return every score under its dotted name, NaN where it is undefined."""
        scores = {f"{name}.{metric}": v for name, task in self.tasks.items() for metric, v in task.metrics.items()}
        scores |= {f"{name}.loss": task.loss for name, task in self.tasks.items() if task.loss is not None}
        scores |= {"overall": self.overall, "overall_normalised": self.overall_normalised}
        return scores if self.loss is None else scores | {"loss": self.loss}

    def flat(self) -> dict[str, float]:
        """Return every score that is defined, under its dotted name."""
        return {name: value for name, value in self.figures().items() if not math.isnan(value)}

    def all_notes(self) -> list[str]:
        """Return all notes, those of a task after its name."""
        return [*(f"{name}: {note}" for name, task in self.tasks.items() for note in task.notes), *self.notes]

    def as_json(self) -> dict[str, object]:
        """Return plain dictionaries and lists; null stands for a figure that is undefined."""
        return {key: _null_for_nan(value) for key, value in asdict(self).items() if key != "loss" or value is not None}


def _null_for_nan(node: object) -> object:
    """Copy a tree of dictionaries and sequences with None in place of NaN."""
    if isinstance(node, dict):
        return {key: _null_for_nan(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_null_for_nan(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node


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
    Metrics of which lower values are better are left out. NaN if a value is, or none is left.
    """
    counted = [(metric, value) for metric, value in scores.values() if higher_is_better(metric)]
    if not counted:
        return {"overall": math.nan, "overall_normalised": math.nan}
    normalised = [(value + 1) / 2 if _is_correlation(metric) else value for metric, value in counted]
    return {
        "overall": float(np.mean([value for _, value in counted])),
        "overall_normalised": float(np.mean(normalised)),
    }


def _is_correlation(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].is_correlation


def evaluate(
    model: Engine,
    splits: Iterable[TaskData],
    *,
    full: bool = False,
    metrics: Sequence[Metric] = (),
    loss_scale: Mapping[str, float] | None = None,
    display: Display | None = None,
    world: World = ALONE,
) -> Scores:
    """Score a model on labelled splits, one per task.

    The overall scores leave out tasks whose rows define no score whatever is answered, and are undefined where the
    answers of the model are to blame: two models are then compared by the same tasks, and one that gives the same answer
    to everything is not preferred.

    Args:
        model: The network.
        splits: Labelled rows of each task.
        full: Add 95 % intervals (1000 bootstrap resamples), confusion matrices and baselines.
        metrics: Further metrics, computed for the kinds that they name.
        loss_scale: Add losses; the factors of the tasks in their sum, 1 for tasks that are not named.
        display: Shows progress; nothing is shown if left out.
        world: Processes that share the rows out; each of them returns the scores of all rows.

    Raises:
        SwissbertError: If answers contain NaN or infinity.
    """
    scores: dict[str, TaskScores] = {}
    reasons: dict[str, str | None] = {}
    display, splits = display or Display(quiet=True), list(splits)
    work = sum(int(data.table.lengths.sum()) * (1 + full * RESAMPLING) for data in splits)
    with display.work(f"scoring {sum(map(len, splits)):,} rows", work, announce=False) as on_progress:
        for data in splits:
            extra = [metric for metric in metrics if data.task.kind.name in metric.kinds]
            scores[data.task.name] = _score(
                model, data, extra, on_progress, full=full, with_loss=loss_scale is not None, world=world
            )
            reasons[data.task.name] = labels_reason(data.task, data.labels)
    return with_overall(scores, reasons, loss_scale or {})


def with_overall(
    scores: dict[str, TaskScores], reasons: Mapping[str, str | None], loss_scale: Mapping[str, float] | None = None
) -> Scores:
    """Add the overall scores to those of all tasks, and a note on the tasks that they leave out.

    Args:
        scores: Scores by task.
        reasons: By task, why scores on its rows are undefined whatever is answered, or None.
        loss_scale: Factors of the losses in their sum, 1 for tasks that are not named.
    """
    left_out: dict[str, str] = {}
    for name, task in scores.items():
        if not higher_is_better(task.metric):
            left_out[name] = f"{name}, whose {task.metric} is an error (lower is better)"
        elif math.isnan(task.value) and reasons[name]:
            left_out[name] = f"{name}, whose {task.metric} these rows do not define"
    counted = {name: (task.metric, task.value) for name, task in scores.items() if name not in left_out}
    notes = [f"overall leaves out {joined(list(left_out.values()))}"] if left_out and counted else []
    losses = [(loss_scale or {}).get(name, 1.0) * task.loss for name, task in scores.items() if task.loss is not None]
    return Scores(scores, **overall(counted), notes=notes, loss=sum(losses) if losses else None)


def _score(
    model: Engine,
    data: TaskData,
    extra: Sequence[Metric],
    on_progress: Callable[[float], object],
    *,
    full: bool,
    with_loss: bool,
    world: World,
) -> TaskScores:
    """Score one task; see `evaluate`."""
    task, labels, head = data.task, data.labels, model.head(data.task.name)
    loss = None
    if with_loss:
        from swissbert.evaluation.losses import dev_loss

        answers, logits = answers_and_logits(cast("MultitaskModel", model), task, data.table, on_progress, world=world)
        loss = dev_loss(head, data, logits)
    else:
        answers = table_answers(model, task, data.table, on_progress, world=world)
    decisions = task.kind.decide(answers)
    values = task_scores(task, labels, answers, extra, decisions) | head.extra_metrics(answers, labels)
    baseline = task.kind.baseline(task, labels) if full else None
    spans = None
    if full:
        share = RESAMPLING * int(data.table.lengths.sum()) / RESAMPLES
        spans = intervals(task, labels, answers, metrics=extra, on_resample=lambda: on_progress(share))
    return TaskScores(
        task.metric,
        len(data),
        len(data.bad),
        values,
        spans,
        task.kind.confusion(task, labels, decisions) if full else None,
        task.labels if full and task.labels else None,
        task_scores(task, labels, baseline, extra) if baseline is not None else None,
        [*data.notes, *notes_on(task, labels, decisions, values)],
        loss,
    )
