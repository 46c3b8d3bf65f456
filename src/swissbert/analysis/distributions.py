"""Labels and lengths of every task and split (the paper's Figure 4)."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from swissbert.analysis.style import COLOURS, axes_row, in_style, percent, plain
from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.splits import find_split_file, open_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.inference.model import CHUNK
from swissbert.tasks import SPLITS, Split, Task


@dataclass
class Distribution:
    """Counts of one split: rows by label (or bin of the range), and rows by number of tokens."""

    split: Split
    rows: int = 0
    bad: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)


def distributions(task: Task, directory: Path | None, tokenizer: Tokenizer) -> tuple[list[Distribution], list[str]]:
    """Count every split of a task that is there, in constant memory; and what is wrong with one that cannot be read.

    Sentences are counted as tokens of one sequence.
    """
    found, problems = [], []
    for split in SPLITS:
        there = task.source(split) in task.hub.splits if task.hub else find_split_file(task, split, directory)
        if not there:
            continue
        counts = Distribution(split)
        try:
            _, rows = open_split(task, split, directory)
            while chunk := list(islice(rows, CHUNK)):
                good = [row for row in chunk if isinstance(row, Row)]
                counts.rows += len(good)
                counts.bad += len(chunk) - len(good)
                if good:
                    table = tokenize(tokenizer, task, good, separate=False, max_length=2**20)
                    counts.lengths.update(table.lengths.tolist())
                labels = [row.label for row in good if row.label is not None]
                if labels:
                    counts.labels.update(dict(enumerate(task.kind.group_counts(task, labels).tolist())))
        except SwissbertError as error:
            problems.append(str(error))
            continue
        if counts.rows:
            found.append(counts)
    return found, problems


@in_style
def distribution_figure(task: Task, found: list[Distribution]) -> Figure:
    """Share of each label by split at the left, share of rows by number of tokens at the right."""
    names = task.kind.groups(task)
    labelled = [d for d in found if d.labels]
    title = f"{task.name}: labels and lengths"
    figure, (left, right) = axes_row(title, 2, 11.5, max(2.8, 1.2 + 0.34 * len(names)), width_ratios=[1.15, 1])
    height = 0.8 / max(1, len(labelled))
    for i, split in enumerate(labelled):
        total = sum(split.labels.values())
        at = np.arange(len(names)) + (i - (len(labelled) - 1) / 2) * height
        shares = [split.labels[place] / total for place in range(len(names))]
        left.barh(
            at, shares, height * 0.92, color=COLOURS[SPLITS.index(split.split)], label=f"{split.split}, {total:,} rows"
        )
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_title("share of rows by label" if task.kind.has_labels else "share of rows by score")
    percent(left.xaxis)
    plain(left, grid="x")
    longest = max(max(d.lengths) for d in found)
    for split in found:
        step = max(1, longest // 40)
        edges = np.arange(0, longest + step + 1, step)
        counts, _ = np.histogram(list(split.lengths), edges, weights=list(split.lengths.values()))
        right.stairs(
            counts / split.rows, edges, color=COLOURS[SPLITS.index(split.split)], linewidth=1.8, label=split.split
        )
    median = _median(found[0].lengths)
    right.set_title(f"tokens a row, up to {longest}; {found[0].split} median {median}")
    right.set_xlabel("tokens, special ones included")
    right.set_xlim(0, longest + 1)
    percent(right.yaxis)
    plain(right)
    handles, labels = left.get_legend_handles_labels()
    for split in found:
        if not split.labels:
            handles += [h for h, name in zip(*right.get_legend_handles_labels(), strict=True) if name == split.split]
            labels.append(f"{split.split}, {split.rows:,} rows, no labels")
    figure.legend(handles, labels, loc="outside right upper")
    return figure


def _median(lengths: Counter[int]) -> int:
    half, seen = sum(lengths.values()) / 2, 0
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= half:
            return length
    return 0
