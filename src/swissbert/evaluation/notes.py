"""Sentences beside scores: which figures are undefined and why, and which labels do not occur."""

import math
from collections.abc import Mapping

import numpy as np

from swissbert.kinds import Array
from swissbert.tasks import Task
from swissbert.wording import joined, shortened

NAMED = 8
"""Labels that a sentence names; more are counted."""


def notes_on(task: Task, labels: Array, decisions: Array, values: Mapping[str, float]) -> list[str]:
    """Word what a reader of scores must know about the rows.

    Args:
        task: The task.
        labels: ``[N]`` or ``[N, C]``.
        decisions: Decisions of the model, in the shape of `labels`.
        values: Scores by metric, NaN where undefined.

    Returns:
        One sentence without a full stop for each peculiarity; empty for ordinary rows.
    """
    notes = []
    reason = labels_reason(task, labels)
    undefined = [name for name, value in values.items() if math.isnan(value)]
    if undefined:
        verb = "is" if len(undefined) == 1 else "are"
        why = reason or _decisions_reason(task, decisions) or "the rows do not define it"
        notes.append(f"{joined(undefined)} {verb} undefined: {why}")
    elif reason:
        notes.append(reason)
    counts = label_counts(task, labels)
    if counts is not None and (counts > 0).sum() == 1 and labels.ndim == 1:
        label = task.labels[int(counts.argmax())]
        notes.append(f"accuracy says nothing here: always answering '{label}' scores 1.000")
    elif counts is not None and counts.any():
        notes += absent_labels(task, counts, "row")
    return notes


def labels_reason(task: Task, labels: Array) -> str | None:
    """Say in a clause why scores on these rows are undefined whatever is answered; None if they are not."""
    if labels.ndim == 2:
        return None if labels.any() else "no row has a label"
    if len(labels) == 1:
        return f"there is 1 row only, with the label '{task.kind.in_words(task, labels[0])}'"
    if len(labels) and (labels == labels[0]).all():
        return f"all {len(labels):,} rows have the label '{task.kind.in_words(task, labels[0])}'"
    return None


def _decisions_reason(task: Task, decisions: Array) -> str | None:
    if decisions.ndim == 1 and len(decisions) and (decisions == decisions[0]).all():
        return f"the model answers '{task.kind.in_words(task, decisions[0])}' to every row"
    return None


def label_counts(task: Task, labels: Array) -> Array | None:
    """Count the rows that have each label, int64 ``[C]``; None for tasks without labels."""
    has_labels = task.kind.one_hot(task, labels)
    return None if has_labels is None else np.asarray(has_labels.sum(0))


def absent_labels(task: Task, counts: Array, row: str) -> list[str]:
    """Return a sentence on the labels that no row has; empty if all occur.

    Args:
        task: The task.
        counts: Rows of each label, ``[C]``.
        row: What a row is called: ``train row``, say.
    """
    absent = [label for label, count in zip(task.labels, counts, strict=True) if not count]
    if not absent:
        return []
    if len(absent) == 1:
        return [f"no {row} has the label '{absent[0]}'"]
    names = shortened([f"'{label}'" for label in absent], NAMED)
    return [f"no {row} has one of {len(absent)} of the {len(task.labels)} labels: {names}"]
