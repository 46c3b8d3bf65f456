"""The score of a finished run beside chance and beside a baseline without an encoder."""

import math
from collections.abc import Callable, Mapping

from swissbert.data.dataset import TaskData
from swissbert.evaluation import task_scores, tfidf_scores
from swissbert.evaluation.tfidf import NAME, ROWS
from swissbert.metrics import higher_is_better, shown_as
from swissbert.tasks import Task
from swissbert.training.preparation import Prepared

Baselines = dict[str, dict[str, float]]
"""Values of a task's declared metric by task, and by ``chance`` and ``tfidf``; what is not defined is left out."""
NAMES = {"chance": "best constant answer", "tfidf": NAME}
"""Names of the baselines in messages."""


def compare(prepared: Prepared, on_rows: Callable[[int], object] = lambda rows: None) -> Baselines:
    """Score the best constant answer and the TF-IDF baseline on the dev rows of every task.

    Args:
        prepared: The run, whose train rows the baseline learns from.
        on_rows: Called with the number of rows of each task that is done; they are `rows_to_compare` in all.
    """
    baselines = {}
    for dev in prepared.dev:
        train = prepared.train[dev.task.name]
        baselines[dev.task.name] = _baselines(train, dev)
        on_rows(_rows(train, dev))
    return baselines


def rows_to_compare(prepared: Prepared) -> int:
    """Return the number of rows that `compare` reads."""
    return sum(_rows(prepared.train[dev.task.name], dev) for dev in prepared.dev)


def _rows(train: TaskData, dev: TaskData) -> int:
    return min(len(train), ROWS) + len(dev)


def _baselines(train: TaskData, dev: TaskData) -> dict[str, float]:
    task, values = dev.task, {}
    constant = task.kind.baseline(task, dev.labels)
    if constant is not None:
        values["chance"] = task_scores(task, dev.labels, constant)[task.metric]
    learned = tfidf_scores(train, dev)
    if learned is not None:
        values["tfidf"] = learned[task.metric]
    return {name: value for name, value in values.items() if not math.isnan(value)}


def comparison_lines(prepared: Prepared, scores: Mapping[str, float], baselines: Baselines) -> list[str]:
    """Word the comparison, one line for each task.

    Args:
        prepared: The run.
        scores: Its best dev scores by dotted name.
        baselines: Result of `compare`.
    """
    lines = []
    for dev in prepared.dev:
        task, others = dev.task, baselines[dev.task.name]
        value = scores.get(f"{task.name}.{task.metric}")
        if value is None or math.isnan(value):
            continue
        parts = [f"{name} {shown_as(task.metric, others[key])}" for key, name in NAMES.items() if key in others]
        sign = 1 if higher_is_better(task.metric) else -1
        hint = ""
        if "tfidf" in others and sign * value < sign * others["tfidf"]:
            hint = "; the model does not beat words alone: more rows, more epochs or another learning rate may help"
        beside = f"; {', '.join(parts)}" if parts else ""
        lines.append(
            f"{task.name}: {task.metric} {shown_as(task.metric, value)}{_error(task, scores)} on {len(dev):,} dev "
            f"row{'' if len(dev) == 1 else 's'}{beside}{hint}"
        )
    return lines


def _error(task: Task, scores: Mapping[str, float]) -> str:
    """Return the mean absolute error of a regression, which is in the unit of its labels, if it is not the metric."""
    value = scores.get(f"{task.name}.mae", math.nan)
    return "" if task.metric == "mae" or math.isnan(value) else f" (mae {shown_as('mae', value)})"
