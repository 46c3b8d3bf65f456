"""Rows of further train files of a task, of which each pass over the task draws some."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.data.token_table import TokenTable
from swissbert.data.weighting import Weighting
from swissbert.errors import SwissbertError
from swissbert.task_extra import ExtraFile


@dataclass(frozen=True)
class ExtraRows:
    """The usable rows of an extra file.

    Attributes:
        file: Its declaration.
        data: Its rows, with labels of the task; NaN if they have none.
        number: Rows that a pass draws.
        wanted: Rows that a pass would draw if there were enough.
        quotas: Rows that a pass draws of each class, int64 ``[C]``; None if they are drawn whatever their labels are.
    """

    file: ExtraFile
    data: TaskData
    number: int
    wanted: int
    quotas: np.ndarray | None = None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the rows of a pass without replacement; return their numbers, int64 ``[number]``, in ascending order."""
        if self.quotas is None:
            rows = rng.permutation(len(self.data))[: self.number]
        else:
            classes = self.data.labels.astype(int)
            each = [rng.permutation(np.flatnonzero(classes == c))[:quota] for c, quota in enumerate(self.quotas)]
            rows = np.concatenate(each)
        return np.sort(rows)

    def line(self) -> str:
        """Word how many rows there are and how many of them an epoch draws."""
        rows = f"all {self.number:,}"
        if self.number < len(self.data):
            rows = f"{self.number:,} of {len(self.data):,}"
        less = ""
        if self.number < self.wanted:
            reason = "its rarest label allows no more" if self.quotas is not None else "it has no more"
            less = f"; {self.wanted:,} were to be drawn, but {reason}"
        kept = ", with the label proportions of the task's own rows" if self.quotas is not None else ""
        if self.file.unlabelled:
            kept = ", without labels, for which the teachers alone answer"
        task = self.data.task.name
        anew = ", drawn anew each time" if self.number < len(self.data) else ""
        return f"{task}: an epoch has {rows} rows of {self.data.source}{anew}{kept}{less}"


def make_extra(own: TaskData, files: Sequence[tuple[ExtraFile, TaskData]]) -> tuple[ExtraRows, ...]:
    """Decide how many rows a pass over a task draws from each extra file.

    Args:
        own: The task's own train rows.
        files: Declarations and rows of the extra files.

    Raises:
        SwissbertError: If labels are to be drawn in proportion, but a file lacks one of them.
    """
    total = sum(file.share or 0.0 for file, _ in files)
    extra = []
    for file, data in files:
        wanted = file.rows if file.rows is not None else max(1, round(len(own) * (file.share or 0.0) / (1 - total)))
        if file.match_labels:
            quotas = _quotas(own, data, wanted)
            extra.append(ExtraRows(file, data, int(quotas.sum()), wanted, quotas))
        else:
            extra.append(ExtraRows(file, data, min(wanted, len(data)), wanted))
    return tuple(extra)


def _quotas(own: TaskData, data: TaskData, wanted: int) -> np.ndarray:
    """Divide the rows of a pass among the classes as the task's own rows are divided, by the largest remainders.

    If a class has too few rows, the pass has as many rows as that class allows in these proportions.

    Returns:
        Rows of each class, int64 ``[C]``.
    """
    classes = max(int(own.labels.max()), int(data.labels.max())) + 1
    counts = np.bincount(own.labels.astype(int), minlength=classes)
    there = np.bincount(data.labels.astype(int), minlength=classes)
    if (lacking := np.flatnonzero((counts > 0) & (there == 0))).size:
        names = own.task.labels
        name = names[lacking[0]] if names else str(lacking[0])
        raise SwissbertError(
            f"{data.source}: match_labels is true, but no usable row has the label '{name}' of task '{own.task.name}'"
        )
    present = counts > 0
    number = min(wanted, int((there[present] * counts.sum() // counts[present]).min()))
    exact = number * counts / counts.sum()
    quotas: np.ndarray = np.floor(exact).astype(np.int64)
    order = np.argsort(quotas - exact, kind="stable")  # the largest remainder first
    quotas[order[: number - int(quotas.sum())]] += 1
    return quotas


def joined_rows(own: TaskData) -> TaskData:
    """Return the task's own rows followed by those of its extra files, with weights on one scale."""
    parts = [own, *(extra.data for extra in own.extra)]
    weights, weighting = None, own.weighting
    if any(part.row_weights is not None for part in parts):
        weights = np.concatenate([np.ones(len(p)) if p.row_weights is None else p.row_weights for p in parts])
        mean = 1.0 if own.row_weights is None else float(own.row_weights.mean())
        weighting = weighting or Weighting(own.task, None, mean)
    return replace(
        own,
        table=TokenTable.join([part.table for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        keys=np.concatenate([part.keys for part in parts]),
        row_weights=weights,
        weighting=weighting,
        extra=(),
    )
