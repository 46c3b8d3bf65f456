"""Checks of what a declaration says about weights and smoothing."""

from typing import TYPE_CHECKING

from swissbert.kinds.ordinal_targets import LARGEST, SMALLEST
from swissbert.wording import in_list

if TYPE_CHECKING:
    from swissbert.kinds.base import Kind
    from swissbert.tasks import Task


def check_weighting(kind: "Kind", task: "Task") -> None:
    """Check ``class_weights``, ``label_smoothing``, ``ordinal_smoothing``, ``stratify`` and ``columns.weight`` of a declaration.

    Raises:
        ValueError: Names the key, the value and what is allowed.
    """
    given, column = task.class_weights, task.columns.weight
    if given is not None and not kind.takes_class_weights:
        raise ValueError(f"class_weights is given, but a {kind.name} task has no classes to weight")
    if task.label_smoothing and not (kind.takes_smoothing and kind.has_row_losses):
        raise ValueError(f"label_smoothing is {task.label_smoothing:g}, but a {kind.name} task takes none")
    if task.ordinal_smoothing:
        _check_ordinal(kind, task)
    if task.stratify and not kind.can_stratify(task):
        raise ValueError(f"stratify is true, but rows of a {kind.name} task do not have one label each")
    if (given is not None or column is not None) and not kind.has_row_losses:
        key = "class_weights" if given is not None else "columns.weight"
        raise ValueError(f"{key} is given, but the kind '{kind.name}' has no row_losses, which weights need")
    if not task.labels:
        return  # checked once they are taken from the train rows
    if isinstance(given, dict):
        labels = set(task.labels)
        for name in given:
            if name not in labels:
                raise ValueError(
                    f"class_weights names '{name}', but the labels are {', '.join(map(in_list, task.labels))}"
                )
    if isinstance(given, list) and len(given) != len(task.labels):
        raise ValueError(
            f"class_weights has {len(given)} numbers, but the task has {len(task.labels)} labels; "
            "a table { name = 2.0 } names those that differ from 1"
        )
    if (
        isinstance(given, list | dict)
        and (len(given) == len(task.labels))
        and not any(given.values() if isinstance(given, dict) else given)
    ):
        raise ValueError("class_weights are all 0, but at least one must be greater")


def _check_ordinal(kind: "Kind", task: "Task") -> None:
    """Check ``ordinal_smoothing`` of a declaration that has it; raise ValueError as `check_weighting`."""
    value = f"ordinal_smoothing is {task.ordinal_smoothing:g}"
    if not (kind.takes_ordinal_smoothing and kind.has_row_losses):
        raise ValueError(
            f"{value}, but a task of kind {kind.name} takes none; it is for more than two classes that are ordered"
        )
    if not SMALLEST <= task.ordinal_smoothing <= LARGEST:
        raise ValueError(f"{value}, but it is 0 (off) or from {SMALLEST:g} to {LARGEST:g}")
    if task.label_smoothing:
        raise ValueError(
            f"{value} and label_smoothing is {task.label_smoothing:g}, which exclude each other: both spread the targets, "
            "the one by the order of the labels and the other evenly"
        )
    if not task.labels:
        raise ValueError(f"{value}, which needs labels, given in their order")
