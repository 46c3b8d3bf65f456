"""Texts of dev and test rows, which train rows of other sources must not have: data sets for similar tasks share texts.

STS took pairs from MSRP, and SICK was built on sentences that STS has too, so training on the one and testing on the other
is training on test rows.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from swissbert.data.memory import MemoryRows, plain
from swissbert.data.row_checks import check_columns, with_late_columns
from swissbert.data.rows import Row
from swissbert.data.source_files import has_split_files
from swissbert.data.splits import Source, open_cells, open_split
from swissbert.errors import SwissbertError
from swissbert.task_extra import Guard
from swissbert.tasks import Task


def normalised(text: str) -> str:
    """Return a text without letter case, white space and punctuation; of a text without letters and digits the marks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))
    return kept or "".join(folded.split())


def row_key(text: str, pair: str | None) -> tuple[str, ...]:
    """Return the normalised text of a row, or those of a pair in alphabetical order."""
    if pair is None:
        return (normalised(text),)
    return tuple(sorted((normalised(text), normalised(pair))))


@dataclass
class HeldTexts:
    """Normalised texts of the dev and test rows of all tasks of a run.

    Attributes:
        rows: The first task that has a row, by its `row_key`.
        sentences: The first task that has a text, alone or in a pair.
    """

    rows: dict[tuple[str, ...], str] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)

    def add(self, task: str, text: str, pair: str | None) -> None:
        """Add the texts of a row."""
        key = row_key(text, pair)
        self.rows.setdefault(key, task)
        for sentence in key:
            self.sentences.setdefault(sentence, task)

    def owner(self, row: Row, guard: Guard) -> str | None:
        """Return the task of which a dev or test row rules out a train row; None if there is none.

        Args:
            row: The train row.
            guard: ``rows`` compares whole rows, whatever the order of a pair; ``sentences`` compares each text too.
        """
        key = row_key(row.text, row.text_pair)
        owner = self.rows.get(key)
        if owner is None and guard == "sentences":
            owner = next((self.sentences[sentence] for sentence in key if sentence in self.sentences), None)
        return owner

    def digest(self) -> str:
        """Return a SHA-256 of all rows, which tells whether others would be left out."""
        return hashlib.sha256(json.dumps(sorted([*key, task] for key, task in self.rows.items())).encode()).hexdigest()


def held_texts(
    tasks: Iterable[Task],
    source_of: Callable[[Task], Source],
    log: Callable[[str], object],
    directory: Path | None = None,
) -> HeldTexts:
    """Read the texts of the dev and test rows of all tasks. Of test rows nothing but the texts is read.

    Args:
        tasks: The tasks of a run.
        source_of: Returns where the rows of a task come from.
        log: Receives a line for each task whose test rows cannot be read.
        directory: Data directory with the declared test files of tasks whose train and dev rows are in memory.

    Raises:
        SwissbertError: If dev rows cannot be read.
    """
    held = HeldTexts()
    for task in tasks:
        source = source_of(task)
        for row in open_split(task, "dev", source)[1]:
            if isinstance(row, Row):
                held.add(task.name, row.text, row.text_pair)
        try:
            for text, pair in _test_texts(task, directory if isinstance(source, MemoryRows) else source):
                held.add(task.name, text, pair)
        except SwissbertError as error:
            log(f"{task.name}: train rows are not compared with its test rows, which cannot be read ({error})")
    return held


def _test_texts(task: Task, directory: Path | None) -> Iterator[tuple[str, str | None]]:
    """Yield the texts of the test rows; none where there are no test rows.

    Raises:
        SwissbertError: If they cannot be read, or lack a column of texts.
    """
    if task.hub is None and not has_split_files(task, "test", directory):
        return
    if task.hub is not None and "test" not in task.hub.splits:
        return
    columns = task.columns
    needed = [name for name in (columns.text, columns.text_pair) if name]
    for file, raw in open_cells(task, "test", directory)[1]:
        is_first = True
        for _, cells in with_late_columns(raw, needed):
            if isinstance(cells, str):
                continue
            if is_first:
                check_columns(cells, needed, task, file)
                is_first = False
            text, pair = (str(plain(cells.get(name or "")) or "") for name in (columns.text, columns.text_pair))
            if text.strip():
                yield text, pair if task.is_pair else None
