"""Class names that a data set carries itself: a ``datasets.ClassLabel`` column holds numbers, and its names beside them."""

from collections.abc import Iterator, Mapping
from typing import Any

from swissbert.kinds.class_names import alike
from swissbert.tasks import Task


def class_names(features: Any, task: Task) -> list[str]:
    """Return the names that the numbers in the label column stand for, in the data set's order.

    Args:
        features: ``datasets.Features`` of the data set, or None.
        task: Its label column is looked up.

    Returns:
        The names; empty if the column has none, or shares none with the task, whose numbers then count positions in the
        task's own labels.
    """
    feature = features.get(task.columns.label) if isinstance(features, Mapping) else None
    feature = getattr(feature, "feature", feature)  # a list of classes
    names = [str(name) for name in getattr(feature, "names", None) or []]
    declared = set(map(alike, task.labels))
    return names if not declared or declared & set(map(alike, names)) else []


def with_names(rows: Iterator[Any], names: list[str], column: str) -> Iterator[Any]:
    """Yield rows with the class numbers of a column replaced by their names; numbers without a name stay."""
    for row in rows:
        yield (
            {**row, column: _named(row[column], names)} if names and isinstance(row, Mapping) and column in row else row
        )


def _named(cell: object, names: list[str]) -> object:
    if isinstance(cell, list):
        return [_named(item, names) for item in cell]
    if isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < len(names):
        return names[cell]
    return cell
