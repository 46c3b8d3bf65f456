"""Checks of ``sample_weight`` and ``class_weight``."""

import math
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

from swissbert.errors import SwissbertError
from swissbert.estimator.texts import listed
from swissbert.settings import shown


def row_weights(sample_weight: object, rows: int) -> list[float] | None:
    """Return the weight of each row; None if no weights are given.

    Args:
        sample_weight: A weight for each row, one number for all rows, or None.
        rows: Number of rows.

    Raises:
        SwissbertError: If the length differs, a weight is negative or not finite, or all are 0.
    """
    if sample_weight is None:
        return None
    values: list[Any] = [sample_weight] * rows if _is_number(sample_weight) else listed(sample_weight, "sample_weight")
    if len(values) != rows:
        raise SwissbertError(f"sample_weight has {len(values)} values, but X has {rows} rows")
    for number, value in enumerate(values):
        if not _is_weight(value):
            raise SwissbertError(f"sample_weight[{number}] is {shown(value)}, but a weight is a finite number from 0")
    weights = [float(value) for value in values]
    if weights and not any(weights):
        raise SwissbertError("sample_weight is 0 for every row, but some row must count")
    return weights


def weights_of_labels(
    class_weight: object, classes: Sequence[Any], names: Sequence[str]
) -> str | dict[str, float] | None:
    """Return what a task's ``class_weights`` is to be: ``balanced``, or weights by the names of labels.

    Args:
        class_weight: ``balanced``, a dictionary of labels and weights, or None.
        classes: The labels.
        names: Their names in the task.

    Raises:
        SwissbertError: If it is anything else, names a label that y does not have, or has a weight that is none.
    """
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return class_weight
    if not isinstance(class_weight, Mapping):
        raise SwissbertError(
            f"class_weight is {shown(class_weight)}, but it must be 'balanced', a dictionary of labels and weights, "
            "or None"
        )
    name = dict(zip(classes, names, strict=True))
    for label, weight in class_weight.items():
        if not isinstance(label, Hashable) or label not in name:
            raise SwissbertError(
                f"class_weight has {shown(label)}, which is not a label of y; the labels are {shown(list(classes))}"
            )
        if not _is_weight(weight):
            raise SwissbertError(f"class_weight[{label!r}] is {shown(weight)}, but a weight is a finite number from 0")
    return {name[label]: float(weight) for label, weight in class_weight.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_weight(value: object) -> bool:
    return _is_number(value) and 0 <= float(value) < math.inf  # type: ignore[arg-type]  # mypy does not narrow to Real
