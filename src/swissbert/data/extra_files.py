"""Extra train files of a task: optional ones may be absent, none is read twice, and what to do about other labels."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swissbert.data.source_files import file_name, has_split_files, split_files
from swissbert.errors import SwissbertError
from swissbert.task_extra import ExtraFile
from swissbert.tasks import Task

_OTHER_LABEL = re.compile(r"label '([^']*)' is not one of ")
"""The reason for a bad row whose label is none of those that are declared."""


def check_read_once(task: Task, directory: Path | None, *, in_memory: bool = False) -> None:
    """Raise SwissbertError if an extra file of a task is one of its own train files, or belongs to two extra files.

    Args:
        task: The task.
        directory: Its data directory; None for the current one.
        in_memory: Whether its own rows are not read from files.

    Raises:
        SwissbertError: Also if an extra file is missing.
    """
    known: dict[Path, str] = {}
    if task.extra and task.files and not in_memory:
        known = {path.resolve(): "the own train files" for path in split_files(task, "train", directory)}
    for number, extra in enumerate(task.extra):
        for path in split_files(task.of_extra(number), "train", directory):
            if (other := known.get(path.resolve())) is not None:
                raise SwissbertError(
                    f"extra file '{extra.file}' of task '{task.name}': {file_name(path, directory)} is among {other} already; "
                    "each file is read once"
                )
            known[path.resolve()] = f"those of extra file '{extra.file}'"


def without_absent(task: Task, directory: Path | None) -> tuple[Task, list[str]]:
    """Leave out the optional extra files of a task that do not exist.

    Args:
        task: The task.
        directory: Its data directory; None for the current one.

    Returns:
        The task, the same object if nothing is left out, and a sentence about each file that is.
    """
    kept = [
        extra
        for number, extra in enumerate(task.extra)
        if not extra.optional or has_split_files(task.of_extra(number), "train", directory)
    ]
    if len(kept) == len(task.extra):
        return task, []
    absent = [extra.file for extra in task.extra if extra not in kept]
    notes = [f"{task.name}: the optional extra file {file} does not exist, so it is left out" for file in absent]
    return task.model_copy(update={"extra": kept}), notes


@contextmanager
def naming_labels(extra: ExtraFile) -> Iterator[None]:
    """Add to an error about labels that ``labels`` of an extra file does not name how rows with such a label are left out."""
    try:
        yield
    except SwissbertError as error:
        match = _OTHER_LABEL.search(str(error)) if extra.labels else None
        if match is None:
            raise
        raise SwissbertError(
            f'{error}; labels of extra file \'{extra.file}\' does not name this label: "{match[1]}" = "" leaves its rows out',
            argument=error.argument,
        ) from error
