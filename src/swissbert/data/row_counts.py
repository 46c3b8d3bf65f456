"""How many rows files have, about, so that progress of reading them has a time left."""

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from swissbert.data.formats import ENDINGS, ending_of
from swissbert.data.formats.parquet import Parquet
from swissbert.data.memory import MemoryRows
from swissbert.data.source_files import split_files
from swissbert.data.splits import Source, holds_out
from swissbert.errors import SwissbertError
from swissbert.tasks import Split, Task

PLAIN = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
"""Endings of files in which a line is about a row."""


def about_rows(paths: Sequence[Path]) -> int:
    """Return the number of rows of files, about; 0 if that is not known without reading them."""
    total = 0
    for path in paths:
        ending = ending_of(path)
        try:
            if ending in PLAIN:
                total += _lines(path)
            elif isinstance(format := ENDINGS.get(ending), Parquet):
                total += format.count_rows(path) or 0
            else:
                return 0
        except (OSError, SwissbertError):  # said where the file is read
            return 0
    return total


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(io.DEFAULT_BUFFER_SIZE * 64), b""))


def share_read(task: Task, split: Split, source: Source) -> Callable[[int], float]:
    """Return a function that maps rows that have been read of a split to the share of them, 0 to 1; 0 if that is not known.

    Files are counted at its first call with a number above 0, so not at all where no progress is shown.
    """

    @cache
    def total() -> int:
        if not isinstance(source, MemoryRows) and task.hub is None:
            with suppress(SwissbertError):
                return about_rows(
                    split_files(task, "train" if split == "dev" and holds_out(task, source) else split, source)
                )
        return 0

    return lambda rows: min(rows / total(), 0.99) if rows and total() else 0.0
