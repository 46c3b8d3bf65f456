"""Prediction files of the Stanford CS224N course."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from swissbert.data.cs224n import write_submission
from swissbert.data.rows import BadRow
from swissbert.data.source_files import has_split_files
from swissbert.data.splits import read_split
from swissbert.display import Display
from swissbert.inference.model import Model
from swissbert.tasks import Split


def submission(
    model: Model, directory: Path | None, out: Path, display: Display | None = None
) -> Iterator[tuple[Path, int, Sequence[BadRow]]]:
    """Write the course's files for dev and test rows of every task that has them.

    Args:
        model: The model.
        directory: Directory with the tasks' files.
        out: Folder for the prediction files.
        display: Shows progress; nothing is shown if left out.

    Yields:
        Path of a file, number of its rows, and the rows that were left out.

    Raises:
        SwissbertError: If a task has neither split, or a file cannot be read or written.
    """
    for task in model.tasks.values():
        splits: list[Split] = ["dev", "test"]
        available = [s for s in splits if (task.hub and s in task.hub.splits) or has_split_files(task, s, directory)]
        for split in available or splits:  # with neither, read_split reports what is missing
            rows = read_split(task, split, directory, labelled=False)
            decisions = task.kind.decide(model.answer_rows(task, rows.rows, display))
            ids = [row.id for row in rows.rows]
            path = write_submission(out, task, split, zip(ids, decisions, strict=True))
            yield path, len(ids), rows.bad
