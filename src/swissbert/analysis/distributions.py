"""Labels and lengths of every split of a task (the paper's Figure 4)."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.style import COLOURS, axes_row, hide_grid, in_style, percent
from swissbert.data.dataset import tokenize
from swissbert.data.formats.limits import chunks
from swissbert.data.rows import Row, text_size
from swissbert.data.source_files import has_split_files
from swissbert.data.splits import open_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.inference.model import CHUNK
from swissbert.tasks import SPLITS, Split, Task

LENGTH_BINS = 40
"""Number of bins of the histogram of lengths, about."""


@dataclass
class Distribution:
    """Counts of one split.

    Attributes:
        split: The split.
        rows: Number of usable rows.
        bad: Number of unusable rows.
        labelled: Number of rows with a label.
        labels: Rows by group of labels (see `swissbert.kinds.Kind.groups`).
        lengths: Rows by number of tokens.
    """

    split: Split
    rows: int = 0
    bad: int = 0
    labelled: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)

    def share(self, group: int) -> float:
        """Return the share of labelled rows in a group of labels."""
        return self.labels[group] / max(1, self.labelled)


def count_splits(task: Task, directory: Path | None, tokenizer: Tokenizer) -> tuple[list[Distribution], list[str]]:
    """Count every available split of a task, in constant memory.

    Args:
        task: The task.
        directory: Directory of the data files.
        tokenizer: Tokenizer; the sentences of a pair are counted as one sequence.

    Returns:
        Counts of the splits that have rows, and an error message for each split that cannot be read.
    """
    counts, problems = [], []
    for split in SPLITS:
        available = task.source(split) in task.hub.splits if task.hub else has_split_files(task, split, directory)
        if not available:
            continue
        try:
            distribution = _count_split(task, split, directory, tokenizer)
        except SwissbertError as error:
            problems.append(str(error))
            continue
        if distribution.rows:
            counts.append(distribution)
    return counts, problems


def _count_split(task: Task, split: Split, directory: Path | None, tokenizer: Tokenizer) -> Distribution:
    counts = Distribution(split)
    _, rows = open_split(task, split, directory)
    for chunk in chunks(rows, CHUNK, text_size):
        good = [row for row in chunk if isinstance(row, Row)]
        counts.rows += len(good)
        counts.bad += len(chunk) - len(good)
        if good:
            table = tokenize(tokenizer, task, good, separate=False, max_length=2**20)
            counts.lengths.update(table.lengths.tolist())
        labels = [row.label for row in good if row.label is not None]
        if labels:
            counts.labelled += len(labels)
            counts.labels.update(dict(enumerate(task.kind.group_counts(task, labels).tolist())))
    return counts


@in_style
def distribution_figure(task: Task, counts: list[Distribution]) -> Figure:
    """Draw the share of rows with each label, and the share of rows by number of tokens, for every split."""
    groups = task.kind.groups(task)
    height = max(2.8, 1.2 + 0.34 * len(groups))
    figure, (left, right) = axes_row(f"{task.name}: labels and lengths", 2, 11.5, height, width_ratios=[1.15, 1])
    _draw_labels(left, task, [split for split in counts if split.labelled])
    _draw_lengths(right, counts)
    handles, names = left.get_legend_handles_labels()
    for split in counts:
        if not split.labelled:
            handles += [h for h, name in zip(*right.get_legend_handles_labels(), strict=True) if name == split.split]
            names.append(f"{split.split}, {split.rows:,} rows, no labels")
    figure.legend(handles, names, loc="outside right upper")
    return figure


def _draw_labels(axes: Axes, task: Task, counts: list[Distribution]) -> None:
    groups = task.kind.groups(task)
    height = 0.8 / max(1, len(counts))
    for i, split in enumerate(counts):
        at = np.arange(len(groups)) + (i - (len(counts) - 1) / 2) * height
        shares = [split.share(group) for group in range(len(groups))]
        colour, label = COLOURS[SPLITS.index(split.split)], f"{split.split}, {split.labelled:,} rows"
        axes.barh(at, shares, height * 0.92, color=colour, label=label)
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.set_title("share of rows by label" if task.kind.has_labels else "share of rows by score")
    percent(axes.xaxis)
    hide_grid(axes, keep="x")


def _draw_lengths(axes: Axes, counts: list[Distribution]) -> None:
    longest = max(max(split.lengths) for split in counts)
    step = max(1, longest // LENGTH_BINS)
    edges = np.arange(0, longest + step + 1, step)
    for split in counts:
        rows, _ = np.histogram(list(split.lengths), edges, weights=list(split.lengths.values()))
        colour = COLOURS[SPLITS.index(split.split)]
        axes.stairs(rows / split.rows, edges, color=colour, linewidth=1.8, label=split.split)
    axes.set_title(f"tokens per row, at most {longest}; {counts[0].split} median {_median(counts[0].lengths)}")
    axes.set_xlabel("tokens, including special tokens")
    axes.set_xlim(0, longest + 1)
    percent(axes.yaxis)
    hide_grid(axes)


def _median(lengths: Counter[int]) -> int:
    half, count = sum(lengths.values()) / 2, 0
    for length in sorted(lengths):
        count += lengths[length]
        if count >= half:
            return length
    return 0
