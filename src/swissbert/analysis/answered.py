"""Answers of a model to a labelled split, and the values per row that figures use.

The split is read and answered in chunks, and only tens of bytes per row are kept. The few texts that a report shows are
read again afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeGuard

import numpy as np

from swissbert.analysis.buckets import Bucket, buckets_for, overlap
from swissbert.data.formats.limits import chunks
from swissbert.data.holdout import row_hash
from swissbert.data.overlap import overlap_notes
from swissbert.data.rows import BadRow, Row, text_size
from swissbert.data.splits import open_split
from swissbert.errors import SwissbertError
from swissbert.evaluation import task_scores
from swissbert.evaluation.notes import labels_reason, notes_on
from swissbert.inference.model import CHUNK, Model
from swissbert.kinds import Array
from swissbert.tasks import Split, Task

BAD_SHOWN = 20
"""Largest number of unusable rows that a report lists for each task."""


@dataclass(frozen=True)
class AnsweredSplit:
    """A labelled split of one task with a model's answers; row n is the n-th usable row.

    Attributes:
        task: The task.
        split: The split.
        source: File or data set that the rows are from.
        bad: The first unusable rows, at most `BAD_SHOWN`.
        bad_count: Number of unusable rows; rows without a label are not among them.
        labels: ``[N]``, or ``[N, C]`` for several labels per row.
        answers: Probabilities ``[N, C]`` or scores ``[N]``.
        flags: Whether each row is in each bucket, bool ``[N, len(buckets)]``.
        overlap: Word overlap of the sentences of each pair, 0 to 1, ``[N]``; None for single sentences.
        buckets: The buckets of the columns of `flags`.
        shared: A note on rows that are train rows, if there are any.
        unlabelled: Number of rows that are left out because they have no label.
    """

    task: Task
    split: Split
    source: str
    bad: list[BadRow]
    bad_count: int
    labels: Array
    answers: Array
    flags: Array
    overlap: Array | None
    buckets: list[Bucket]
    shared: tuple[str, ...] = ()
    unlabelled: int = 0

    @cached_property
    def notes(self) -> list[str]:
        """Notes on the scores, as `swissbert.evaluation.TaskScores` has them."""
        values = task_scores(self.task, self.labels, self.answers, decisions=self.decisions)
        return [*self.shared, *notes_on(self.task, self.labels, self.decisions, values)]

    @property
    def labels_reason(self) -> str | None:
        """Why scores on these rows are undefined whatever is answered; None if they are not."""
        return labels_reason(self.task, self.labels)

    @cached_property
    def decisions(self) -> Array:
        """Predicted labels, in the shape of `labels`."""
        return self.task.kind.decide(self.answers)

    @cached_property
    def errors(self) -> Array:
        """Error of each row, float64 ``[N]``; 0 is right (see `swissbert.kinds.Kind.error`)."""
        return self.task.kind.error(self.labels, self.decisions)

    @cached_property
    def confidence(self) -> Array | None:
        """Confidence of each answer, 0 to 1, ``[N]``; None for scores."""
        return self.task.kind.confidence(self.answers)

    @cached_property
    def severity(self) -> Array:
        """How bad each answer is, float64 ``[N]`` (see `swissbert.kinds.Kind.severity`)."""
        return self.task.kind.severity(self.task, self.labels, self.answers)

    @property
    def is_right_or_wrong(self) -> bool:
        """Whether the error of every row is 0 or 1, so that its mean is a proportion of rows."""
        return self.task.kind.error_is_share and bool(np.isin(self.errors, (0.0, 1.0)).all())

    def worst(self, count: int) -> list[int]:
        """Return the mistakes with the largest severity, of equal ones those of higher confidence first."""
        return self._ordered(-self.severity, self.errors > 0, count)

    def best(self, count: int) -> list[int]:
        """Return right rows by confidence; of scores the rows with the smallest errors."""
        right = self.errors == 0 if self.task.kind.error_is_share else np.ones(len(self.errors), bool)
        return self._ordered(self.errors, right, count)

    def _ordered(self, key: Array, chosen: Array, count: int) -> list[int]:
        rows = np.flatnonzero(chosen)
        confidence = np.zeros(len(key)) if self.confidence is None else self.confidence
        order: list[int] = rows[np.lexsort((-confidence[rows], key[rows]))[:count]].tolist()
        return order


def answer_split(
    model: Model,
    task: Task,
    split: Split,
    directory: Path | None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> AnsweredSplit:
    """Answer a labelled split.

    Args:
        model: The model.
        task: One of its tasks.
        split: The split.
        directory: Directory of the data files.
        on_progress: Called with the number of rows of each finished chunk.

    Raises:
        SwissbertError: If the split cannot be read, has no usable rows, or its rows have no labels.
    """
    source, rows = open_split(task, split, directory)
    buckets = buckets_for(task)
    labels, answers, flags, overlaps, keys = [], [], [], [], []
    bad: list[BadRow] = []
    bad_count = unlabelled = 0
    for chunk in chunks(rows, CHUNK, text_size):
        good = [row for row in chunk if _is_labelled(row)]
        unusable = [row for row in chunk if isinstance(row, BadRow)]
        unlabelled += len(chunk) - len(good) - len(unusable)
        bad_count += len(unusable)
        bad += unusable[: BAD_SHOWN - len(bad)]
        if good:
            labels.append(np.array([row.label for row in good]))
            answers.append(model.answer_rows(task, good))
            flags.append(np.array([[bucket.matches(row) for bucket in buckets] for row in good]))
            overlaps.append(np.array([overlap(row) for row in good], np.float32))
            keys += [row_hash(row) for row in good]
        on_progress(len(chunk))
    if not labels and unlabelled:
        raise SwissbertError(f"{source}: the {split} rows of task '{task.name}' have no labels to score against")
    if not labels:
        raise SwissbertError(f"{source}: no usable row for task '{task.name}'")
    return AnsweredSplit(
        task,
        split,
        source,
        bad,
        bad_count,
        np.concatenate(labels),
        np.concatenate(answers),
        np.concatenate(flags),
        np.concatenate(overlaps) if task.is_pair else None,
        buckets,
        tuple(overlap_notes(task, split, directory, keys)),
        unlabelled,
    )


def _is_labelled(row: Row | BadRow) -> TypeGuard[Row]:
    """Return whether a row is one that scores are computed on."""
    return isinstance(row, Row) and row.label is not None


def read_rows(answered: AnsweredSplit, numbers: Sequence[int], directory: Path | None) -> dict[int, Row]:
    """Read usable rows again, by their position in the split."""
    wanted = set(numbers)
    rows = filter(_is_labelled, open_split(answered.task, answered.split, directory)[1])
    last = max(wanted, default=-1)
    return {number: row for number, row in enumerate(islice(rows, last + 1)) if number in wanted}


def in_words(answered: AnsweredSplit, number: int) -> tuple[str, str]:
    """Return true and predicted label of a row as text."""
    task = answered.task
    return task.kind.in_words(task, answered.labels[number]), task.kind.in_words(task, answered.decisions[number])


def text_header(task: Task) -> list[str]:
    """Return the column heads of the texts of a row."""
    return ["text", "second text"] if task.is_pair else ["text"]


def text_cells(row: Row) -> list[str]:
    """Return the texts of a row."""
    return [row.text] if row.text_pair is None else [row.text, row.text_pair]
