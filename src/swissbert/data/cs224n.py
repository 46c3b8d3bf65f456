"""The Stanford CS224N course's prediction files. (Its data files are the format ``cs224n`` of `reader`.)"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swissbert.files import write_text
from swissbert.tasks import Split, Task


def submission_file(task: Task, split: Split) -> str:
    """``sst-dev-output.csv`` and so on."""
    return f"{task.name}-{split}-output.csv"


def write_submission(folder: Path, task: Task, split: Split, decisions: Iterable[tuple[str, Any]]) -> Path:
    """Write one file of ``id , value`` rows under the course's header, in the given order; whole or not at all.

    A class is written as its number, a score with four decimals.
    """
    column = task.submit_column or f"Predicted_{task.name.title()}"
    rows = (f"{id} , {task.kind.in_file(decision)} \n" for id, decision in decisions)
    path = folder / submission_file(task, split)
    write_text(path, f"id \t {column} \n" + "".join(rows))
    return path
