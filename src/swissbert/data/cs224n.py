"""Prediction files of the Stanford CS224N course. Its data files have the format ``cs224n`` of `FORMATS`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swissbert.files import write_text
from swissbert.tasks import Split, Task


def submission_file(task: Task, split: Split) -> str:
    """Return the name of a prediction file, ``sst-dev-output.csv`` for instance."""
    return f"{task.name}-{split}-output.csv"


def write_submission(folder: Path, task: Task, split: Split, decisions: Iterable[tuple[str, Any]]) -> Path:
    """Write a prediction file atomically: the course's header, and an ``id , value`` line for each decision.

    Args:
        folder: Folder to write to.
        task: The task; its kind formats values, and ``submit_column`` is their header.
        split: The split.
        decisions: Ids and decisions, in the order of the file.

    Returns:
        Path of the file.
    """
    column = task.submit_column or f"Predicted_{task.name.title()}"
    rows = (f"{id} , {task.kind.in_file(decision)} \n" for id, decision in decisions)
    path = folder / submission_file(task, split)
    write_text(path, f"id \t {column} \n" + "".join(rows))
    return path
