"""One pass over the labelled rows of a task: answers, and for each row the few numbers that every figure needs.

Rows are read, answered and let go a chunk at a time. What stays of a row is some tens of bytes; the few texts that are
shown are fetched afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from swissbert.analysis.buckets import Bucket, buckets_for, overlap
from swissbert.data.rows import BadRow, Row
from swissbert.data.splits import open_split
from swissbert.errors import SwissbertError
from swissbert.inference.model import CHUNK, Model
from swissbert.tasks import Split, Task

BAD_SHOWN = 20
"""Rows that could not be used, as many as are shown."""


@dataclass(frozen=True)
class Observed:
    """A labelled split of one task as a model answers it; row n is the n-th usable one.

    ``labels[N]`` and ``answers[N, C]`` (probabilities) or ``[N]`` (scores), ``flags[N, buckets]``, and of pairs
    ``overlap[N]``. `bad` holds the first rows that could not be used, of `bad_count`.
    """

    task: Task
    split: Split
    source: str
    bad: list[BadRow]
    bad_count: int
    labels: np.ndarray
    answers: np.ndarray
    flags: np.ndarray
    overlap: np.ndarray | None
    buckets: list[Bucket]

    @property
    def said(self) -> np.ndarray:
        """Predicted classes or scores ``[N]``."""
        return self.task.kind.decide(self.answers)

    @property
    def error(self) -> np.ndarray:
        """How wrong each answer is, float64 ``[N]``: 0 or 1 for a class, the absolute distance for a score."""
        return self.task.kind.error(self.labels, self.said)

    @property
    def scored(self) -> bool:
        """Whether answers are scores."""
        return not self.task.kind.error_is_share

    def mistakes(self, count: int) -> list[int]:
        """Rows of the surest wrong answers, or of the scores farthest off, the worst first."""
        return _strongest(self.error if self.scored else self.answers.max(1), self.error > 0, count)

    def successes(self, count: int) -> list[int]:
        """Rows of the surest right answers, or of the nearest scores."""
        if self.scored:
            return _strongest(-self.error, np.ones(len(self.labels), bool), count)
        return _strongest(self.answers.max(1), self.error == 0, count)


def _strongest(strength: np.ndarray, among: np.ndarray, count: int) -> list[int]:
    rows = np.flatnonzero(among)
    found: list[int] = rows[np.argsort(-strength[rows], kind="stable")[:count]].tolist()
    return found


def observe(
    trained: Model, task: Task, split: Split, directory: Path | None, told: Callable[[int], None] = lambda _: None
) -> Observed:
    """Answer a labelled split and keep what figures need; `told` hears how many rows each chunk had.

    Raises SwissbertError where rows lack labels, cannot be read or are missing.
    """
    source, rows = open_split(task, split, directory)
    buckets = buckets_for(task)
    labels, answers, flags, overlaps = [], [], [], []
    bad: list[BadRow] = []
    count = 0
    while chunk := list(islice(rows, CHUNK)):
        good = [row for row in chunk if isinstance(row, Row)]
        count += len(chunk) - len(good)
        bad += [row for row in chunk if isinstance(row, BadRow)][: BAD_SHOWN - len(bad)]
        if any(row.label is None for row in good):
            raise SwissbertError(
                f"{source}: the {split} rows of task '{task.name}' have no labels to look at answers by"
            )
        if good:
            labels.append(np.array([row.label for row in good]))
            answers.append(trained.answer_rows(task, good))
            flags.append(np.array([[bucket.holds(row) for bucket in buckets] for row in good]))
            overlaps.append(np.array([overlap(row) for row in good], np.float32))
        told(len(chunk))
    if not labels:
        raise SwissbertError(f"{source}: no usable row for task '{task.name}'")
    return Observed(
        task,
        split,
        source,
        bad,
        count,
        np.concatenate(labels),
        np.concatenate(answers),
        np.concatenate(flags),
        np.concatenate(overlaps) if task.is_pair else None,
        buckets,
    )


def texts_of(observed: Observed, numbers: Sequence[int], directory: Path | None) -> dict[int, Row]:
    """Usable rows by their place in the split, read once more."""
    wanted = set(numbers)
    rows = (row for row in open_split(observed.task, observed.split, directory)[1] if isinstance(row, Row))
    last = max(wanted, default=-1)
    return {place: row for place, row in enumerate(islice(rows, last + 1)) if place in wanted}


def in_words(observed: Observed, number: int) -> tuple[str, str, float]:
    """True and predicted answer of a row as text, and how sure the model was, or how far off."""
    if observed.scored:
        return f"{observed.labels[number]:.2f}", f"{observed.answers[number]:.2f}", float(observed.error[number])
    names = observed.task.labels
    return (
        names[int(observed.labels[number])],
        names[int(observed.said[number])],
        float(observed.answers[number].max()),
    )
