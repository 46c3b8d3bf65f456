"""Labels of the rows of a run: classes without train rows, weights in the loss, and dev rows that are train rows."""

from dataclasses import replace

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.data.overlap import overlap_note
from swissbert.data.weighting import labels_without_weight, make_weighting
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation.notes import absent_labels, label_counts, labels_reason
from swissbert.model.heads.base import Head
from swissbert.tasks import Task
from swissbert.wording import in_list, shortened

SHOWN = 6
"""Labels that a message names; of balanced weights, so many of the largest and of the smallest."""


def weighted(train: TaskData, head: Head, display: Display) -> TaskData:
    """Check the labels of train rows, and give the rows their weights in the loss.

    Args:
        train: Train rows of a task.
        head: Its head.
        display: Receives a line on labels that do not occur, one on those whose rows all have the weight 0, and one on
            balanced weights.

    Raises:
        SwissbertError: If rows of a task with one label per row all have the same, all weights are 0, or the head has no
            loss for each row that could be weighted.
    """
    task = train.task
    counts, reason = label_counts(task, train.labels), labels_reason(task, train.labels)
    if counts is not None and reason:
        names = shortened([f"'{label}'" for label in task.labels], SHOWN)
        raise SwissbertError(
            f"{train.source}: {reason}, so task '{task.name}' has nothing to tell apart; train rows of at least two of its "
            f"labels ({names}) are needed"
        )
    if reason:
        display.say(f"  {task.name}: {reason}, so there is nothing to learn from the train rows")
    for sentence in [] if counts is None else absent_labels(task, counts, "train row"):
        display.say(f"  {task.name}: {sentence}")
    weighting = make_weighting(task, train.labels, train.row_weights, train.source)
    extra = next((extra.file.file for extra in train.extra if extra.data.row_weights is not None), None)
    if not head.has_row_losses and (weighting is not None or extra is not None):
        key = "class_weights" if task.class_weights is not None else "columns.weight"
        whose = f"task '{task.name}'" if weighting is not None else f"extra file '{extra}' of task '{task.name}'"
        raise SwissbertError(
            f"{key} of {whose} needs losses of single rows, but its head {type(head).__name__} has a loss of "
            "its own and no row_losses"
        )
    if weighting is None:
        return train
    if unweighted := labels_without_weight(weighting, train.labels, train.row_weights):
        names = shortened([f"'{label}'" for label in unweighted], SHOWN)
        display.say(f"  {task.name}: every train row of {names} has the weight 0, so nothing is learned from them")
    if task.class_weights == "balanced" and weighting.factors is not None:
        display.say(f"  {task.name} class_weights: {_in_words(task, weighting.factors)}")
    return replace(train, weighting=weighting)


def annotated(dev: TaskData, train: TaskData) -> TaskData:
    """Give dev rows the class weights of the task and a note on those that are train rows."""
    shared = int(np.isin(dev.keys, train.keys).sum())
    weighting = train.weighting if train.weighting is not None and train.weighting.factors is not None else None
    notes = tuple(overlap_note(shared, len(dev), "dev", dev.task.metric))
    return replace(dev, weighting=weighting, row_weights=None, notes=notes)


def _in_words(task: Task, factors: np.ndarray) -> str:
    """List classes with their weights, the highest first; of many classes both ends."""
    order = np.argsort(-factors, kind="stable")
    parts = [f"{in_list(task.labels[i])} {factors[i]:.3g}" for i in order]
    if len(parts) > 2 * SHOWN:
        parts = [*parts[:SHOWN], "...", *parts[-SHOWN:]]
    return ", ".join(parts)
