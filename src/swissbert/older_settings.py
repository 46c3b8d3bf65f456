"""Settings of earlier releases whose meaning has changed since, converted when they are read.

A stored task comes from a model folder or a run folder of format 1, that of swissbert 0.1.0. Runs and records of
formats 1 and 2 pool by the pooler where they do not name ``model.pooling``. Settings that a person writes are not
converted, except for ``train.tensorboard``, which stands in many recipes and is a part of ``train.trackers`` now.
"""

from collections.abc import Mapping
from typing import Any

OLD_POOLING = "pooler"
"""The default of ``model.pooling`` before it was that of the encoder."""

OLD_TRACKER = "tensorboard"
"""The tracker that had a setting of its own before there were others."""


def upgraded_tasks(tasks: object) -> object:
    """Convert the tasks of a stored table of version 1; anything that is no list of tables stays as it is."""
    if not isinstance(tasks, list):
        return tasks
    return [upgraded_task(task) if isinstance(task, Mapping) else task for task in tasks]


def upgraded_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Convert one stored task of version 1.

    Args:
        task: Its table, valid or not.

    Returns:
        A table with the same meaning in the current version.
    """
    table = dict(task)
    files = table.get("files")
    if isinstance(files, Mapping):  # a list was the first that exists; now all of it is read
        table["files"] = {
            split: {"first_of": names} if isinstance(names, list) else names for split, names in files.items()
        }
    table.setdefault("stratify", False)  # held-out rows were chosen without regard to their labels
    if table.get("kind") == "regression":
        table.setdefault("scale", "labels")  # errors were measured on the scale of the labels
    return table


def with_pooler(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings of a run of version 1 or 2 with the ``model.pooling`` that it had.

    Args:
        settings: Their table, valid or not; one that names a pooling keeps it.
    """
    model = settings.get("model", {})
    if not isinstance(model, Mapping):
        return dict(settings)
    return {**settings, "model": {"pooling": OLD_POOLING, **model}}


def with_trackers(train: Mapping[str, Any], default: list[str]) -> dict[str, Any]:
    """Return a table ``train`` in which ``tensorboard = true`` or ``false`` is an entry more or less of ``trackers``.

    Args:
        train: The table, valid or not.
        default: Trackers where it names none.

    Raises:
        ValueError: If ``tensorboard`` is something else.
    """
    table = {key: value for key, value in train.items() if key != OLD_TRACKER}
    wanted = train.get(OLD_TRACKER)
    if wanted is None:
        return table
    if not isinstance(wanted, bool):
        raise ValueError(f"train.{OLD_TRACKER} is {wanted!r}, but it is true or false")
    trackers = table.get("trackers", default)
    trackers = [trackers] if isinstance(trackers, str) else trackers
    if isinstance(trackers, list) and wanted != (OLD_TRACKER in trackers):
        trackers = [OLD_TRACKER, *trackers] if wanted else [name for name in trackers if name != OLD_TRACKER]
    return {**table, "trackers": trackers}
