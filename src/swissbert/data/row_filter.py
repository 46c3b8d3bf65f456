"""Choice of train rows: texts that are long enough, are no dev or test texts, and labels of another data set."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from swissbert.data.guard import HeldTexts
from swissbert.data.rows import Row
from swissbert.errors import SwissbertError
from swissbert.kinds import Label
from swissbert.task_extra import ExtraFile, Guard
from swissbert.tasks import Task
from swissbert.wording import joined


class RowFilter:
    """Chooses the rows of a train file, and counts those that it leaves out.

    Args:
        held: Dev and test texts.
        guard: Which of them rule out a row.
        min_words: Least number of words of each text.
        labels: The label that stands for each class number of the file, None for rows that are left out; without it
            labels stay.
        ranges: Of a regression: the range of the file and that of the task; without it scores stay.

    Attributes:
        fingerprint: A SHA-256 checksum that changes with anything on which the choice depends.
    """

    def __init__(
        self,
        held: HeldTexts,
        guard: Guard,
        *,
        min_words: int = 1,
        labels: Sequence[Label | None] | None = None,
        ranges: tuple[tuple[float, float], tuple[float, float]] | None = None,
    ) -> None:
        self._held, self._guard, self._min_words = held, guard, min_words
        self._labels, self._ranges = labels, ranges
        self.begin()
        parts = [held.digest(), guard, min_words, labels, ranges]
        self.fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def begin(self) -> None:
        """Forget what was counted: a reading of the rows begins."""
        self._owners: Counter[str] = Counter()
        self._short = self._without_label = 0

    def __call__(self, row: Row) -> Row | None:
        """Return a row with the label that it has in the task; None if it is left out."""
        if self._labels is not None:
            label = self._labels[int(row.label)]  # type: ignore[arg-type]  # a class number of the file
            if label is None:
                self._without_label += 1
                return None
            row = row._replace(label=label)
        if min(len(text.split()) for text in (row.text, row.text_pair) if text is not None) < self._min_words:
            self._short += 1
            return None
        if (owner := self._held.owner(row, self._guard)) is not None:
            self._owners[owner] += 1
            return None
        if self._ranges is not None:
            (low, high), (lowest, highest) = self._ranges
            share = (float(row.label) - low) / (high - low)  # type: ignore[arg-type]  # a score
            row = row._replace(label=lowest + share * (highest - lowest))
        return row

    def notes(self, source: str) -> list[str]:
        """Word how many rows were left out so far, and why.

        Args:
            source: Name of the file.
        """
        lines = []
        if self._without_label:
            lines.append(f"{_rows(self._without_label)} of {source} left out: labels gives their label no meaning")
        if self._short:
            lines.append(f"{_rows(self._short)} of {source} left out: a text has fewer than {self._min_words} words")
        if self._owners:
            each = [f"{task} ({count:,})" for task, count in self._owners.most_common()]
            where = joined(each) if len(each) > 1 else next(iter(self._owners))
            text = "their text is" if self._guard == "rows" else "a text of theirs is"
            lines.append(f"{_rows(self._owners.total())} of {source} left out: {text} in a dev or test file of {where}")
        return lines


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def extra_filter(task: Task, extra: ExtraFile, held: HeldTexts) -> RowFilter:
    """Return the choice of the rows of an extra file of a task.

    Raises:
        SwissbertError: If its labels stand for what is no label of the task.
    """
    labels = None
    if extra.labels:
        try:
            labels = [task.parse_label(name) if name else None for name in extra.labels.values()]
        except ValueError as error:
            raise SwissbertError(f"extra file '{extra.file}': labels of task '{task.name}': {error}") from error
    ranges = (extra.range, task.range) if extra.range is not None and task.range is not None else None
    return RowFilter(held, extra.guard, min_words=extra.min_words, labels=labels, ranges=ranges)
