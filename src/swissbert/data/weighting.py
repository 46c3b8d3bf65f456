"""Weights of rows in the loss: class weights of a task times the weights of rows, with mean 1 over the train rows."""

from dataclasses import dataclass

import numpy as np

from swissbert.errors import SwissbertError
from swissbert.kinds import Array
from swissbert.tasks import Task


@dataclass(frozen=True)
class Weighting:
    """Weights of a task's rows in the loss.

    Attributes:
        task: The task.
        factors: Factor of each class, float64 ``[C]``; None without class weights.
        mean: Mean of all weights of the train rows, by which they are divided.
    """

    task: Task
    factors: Array | None
    mean: float

    def of(self, labels: Array, rows: Array | None) -> Array:
        """Return the weights of rows, float64 ``[B]`` or ``[B, C]``; arguments as in `swissbert.kinds.Kind.weights`.

        A row without a label, which is NaN, has no class and so no factor.
        """
        if self.factors is not None and labels.ndim == 1 and (missing := np.isnan(labels)).any():
            weights = np.ones(len(labels)) if rows is None else rows.astype(np.float64)
            weights[~missing] = self.task.kind.weights(self.task, labels[~missing], self.factors, weights[~missing])
            return weights / self.mean
        return self.task.kind.weights(self.task, labels, self.factors, rows) / self.mean


def make_weighting(task: Task, labels: Array, rows: Array | None, source: str) -> Weighting | None:
    """Return the weighting of a task; None where every weight is the same, so that the loss is the plain mean.

    Args:
        task: The task.
        labels: Labels of all train rows, ``[N]`` or ``[N, C]``.
        rows: Weights of the train rows ``[N]``; None without a column of weights.
        source: Name of the train rows, for the message.

    Raises:
        SwissbertError: If all weights are 0, or their mean is because they are below 1e-307.
    """
    if task.class_weights is None and rows is None:
        return None
    factors = task.kind.class_weights(task, labels)
    weights = task.kind.weights(task, labels, factors, rows)
    if not weights.mean():  # all are 0, or so small that their mean is
        column = f"column '{task.columns.weight}'" if task.columns.weight else "class_weights"
        raise SwissbertError(f"{source}: {column} gives every train row of task '{task.name}' the weight 0")
    return None if np.ptp(weights) == 0 else Weighting(task, factors, float(weights.mean()))


def labels_without_weight(weighting: Weighting, labels: Array, rows: Array | None) -> list[str]:
    """Return the labels that train rows have, but only with the weight 0; arguments as in `Weighting.of`."""
    known = ~np.isnan(labels if labels.ndim == 1 else labels[:, 0])
    assigned = weighting.task.kind.one_hot(weighting.task, labels[known])
    if assigned is None:
        return []
    weights = weighting.of(labels[known], None if rows is None else rows[known])
    counted = assigned & (weights.reshape(len(weights), -1) > 0)
    unweighted = np.any(assigned, axis=0) & ~np.any(counted, axis=0)
    return [weighting.task.labels[number] for number in np.flatnonzero(unweighted)]
