"""Settings of earlier releases whose meaning has changed since, converted when they are read.

A stored task comes from a model folder or a run folder of format 1, that of swissbert 0.1.0. Runs and records of
formats 1 and 2 pool by the pooler where they do not name ``model.pooling``. Settings that a person writes are never
converted.
"""

from collections.abc import Mapping
from typing import Any

OLD_POOLING = "pooler"
"""The default of ``model.pooling`` before it was that of the encoder."""


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
