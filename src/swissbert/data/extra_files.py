"""Extra train files of a task: none is read twice, and what to do about labels that their declaration does not name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swissbert.data.source_files import file_name, split_files
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
