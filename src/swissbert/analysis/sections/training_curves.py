"""Section on training: curves of the run's log, and cosines of task gradients by layer."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from swissbert.analysis.history import History, conflict_figure, layer_figure, training_figure, weights_figure
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.analysis.task_gradients import gradient_cosines
from swissbert.errors import SwissbertError
from swissbert.inference.model import Model

BATCHES = 6
"""Batches of each task whose gradients are compared."""
BATCH_WORK = 100
"""Work of one backward pass, in answered rows."""

Cosines = dict[str, dict[str, list[float]]]
"""Part of the encoder to pair of tasks to cosines."""


def gradient_work(model: Model, history: History | None) -> int:
    """Return the work of comparing gradients, in answered rows; 0 if the log has them or there is one task."""
    logged = history is not None and bool(history.by_layer)
    return 0 if logged or len(model.tasks) < 2 else BATCH_WORK * BATCHES * len(model.tasks)


class TaskCosines(NamedTuple):
    """Cosines of task gradients.

    Attributes:
        cosines: The cosines; empty if they are not known.
        note: Where they are from.
        problem: Why they are not known, if there are several tasks.
    """

    cosines: Cosines
    note: str = ""
    problem: str = ""


def task_cosines(
    model: Model, history: History | None, directory: Path | None, on_progress: Callable[[int], None]
) -> TaskCosines:
    """Take the cosines of task gradients from the log of a run, or compute some; arguments as for `training_section`."""
    if history and history.by_layer:
        cosines = {part: {pair: v for pair, (_, v) in series.items()} for part, series in history.by_layer.items()}
        return TaskCosines(cosines, "sampled during the run; bars are interquartile ranges")
    if len(model.tasks) < 2:
        return TaskCosines({})
    try:
        cosines = gradient_cosines(model, directory, BATCHES, on_progress=lambda n: on_progress(BATCH_WORK * n))
    except SwissbertError as error:
        return TaskCosines({}, problem=str(error))
    return TaskCosines(cosines, f"{BATCHES} batches of train rows after training; bars are interquartile ranges")


def training_section(model: Model, history: History | None, gradients: TaskCosines) -> Section:
    """Build the section.

    Args:
        model: The model.
        history: Log of the run that trained it, if there is one.
        gradients: Cosines of task gradients.
    """
    parts: list[Part] = []
    text = "There is no metrics.jsonl beside this model, so its training curves are not known."
    if history and history.loss:
        parts += _curves(model, history)
        text = "From the metrics.jsonl of the run."
    if gradients.problem:
        text += f" The gradients of the tasks cannot be compared: {gradients.problem}."
    if gradients.cosines:
        parts += _cosine_parts(gradients.cosines, gradients.note)
    return Section("training", "Training", text, parts)


def _curves(model: Model, history: History) -> list[Part]:
    metrics = {task.name: task.metric for task in model.tasks.values()}
    parts: list[Part] = [Picture("training", training_figure(history, metrics), "Losses and dev scores over steps")]
    if any(len(set(values)) > 1 for _, values in history.weight.values()):
        parts.append(Picture("weights", weights_figure(history), "Task weights over steps"))
    if any(any(values) for _, values in history.cosine.values()):
        parts.append(Picture("conflicts", conflict_figure(history), "Cosines of task gradients over steps"))
    return parts


def _cosine_parts(cosines: Cosines, note: str) -> list[Part]:
    rows = [
        [part, pair, float(np.mean(values)), min(values), max(values), len(values)]
        for part, pairs in cosines.items()
        for pair, values in pairs.items()
    ]
    header = ["part", "tasks", "mean cosine", "lowest", "highest", "batches"]
    picture = Picture("gradients", layer_figure(cosines, note), "Cosines of task gradients by layer")
    return [picture, Table("gradients", "Cosine of task gradients in each part of the encoder", header, rows)]
