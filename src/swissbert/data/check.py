"""What a data directory holds: files, rows, bad rows, label balance, lengths, and rows shared between splits."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swissbert.data.dataset import tokenize
from swissbert.data.reader import ENDINGS, find_split_file, head, read_split, text_key
from swissbert.data.rows import BadRow
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.kinds import Label
from swissbert.tasks import SPLITS, Split, Task


@dataclass(frozen=True)
class SplitReport:
    """One split of one task. `lengths` are tokens at the median, the 95th percentile and the longest row."""

    task: str
    split: Split
    file: str
    rows: int
    bad: list[BadRow]
    balance: dict[str, float]
    lengths: tuple[int, int, int]
    repeated: int


@dataclass(frozen=True)
class Shared:
    """Rows of `split` whose texts stand in the train split too, and how many of them have another label there."""

    task: str
    split: Split
    rows: int
    other_label: int
    first: str


@dataclass(frozen=True)
class Problem:
    """A split that cannot be used, and why."""

    task: str
    split: Split
    sentence: str


@dataclass(frozen=True)
class Report:
    """Everything that `check` found; `other`: columns of the files that no given task reads."""

    splits: list[SplitReport]
    shared: list[Shared]
    other: dict[str, list[str]]
    problems: list[Problem] = field(default_factory=list)


def check(directory: Path, tasks: list[Task], tokenizer: Tokenizer) -> Report:
    """Look at every file of `directory` that one of `tasks` declares. A file that cannot be used is one of `problems`.

    Raises SwissbertError where `directory` is none.
    """
    if not directory.is_dir():
        raise SwissbertError(f"{directory}: there is no such directory")
    splits: list[SplitReport] = []
    shared: list[Shared] = []
    problems: list[Problem] = []
    used: set[str] = set()
    for task in tasks:
        texts: dict[tuple[str, str], Label | None] = {}
        for split in SPLITS:
            path = find_split_file(task, split, directory)
            if path is None:
                continue
            used.add(path.name)
            try:
                found = read_split(task, split, directory)
            except SwissbertError as error:
                problems.append(Problem(task.name, split, str(error)))
                continue
            lengths = tokenize(tokenizer, task, found.rows, separate=False, max_length=2**20).lengths
            quantiles = np.quantile(lengths, [0.5, 0.95, 1.0])
            keys = [text_key(row) for row in found.rows]
            splits.append(
                SplitReport(
                    task.name,
                    split,
                    path.name,
                    len(found),
                    found.bad,
                    _balance(task, [row.label for row in found.rows if row.label is not None]),
                    (int(quantiles[0]), int(quantiles[1]), int(quantiles[2])),
                    len(keys) - len(set(keys)),
                )
            )
            if split == "train":
                texts = {key: row.label for key, row in zip(keys, found.rows, strict=True)}
                continue
            both = [(key, row) for key, row in zip(keys, found.rows, strict=True) if key in texts]
            if both:
                other = sum(row.label is not None and row.label != texts[key] for key, row in both)
                shared.append(Shared(task.name, split, len(both), other, both[0][1].text))
    unread = sorted(path for path in directory.iterdir() if path.suffix.lower() in ENDINGS and path.name not in used)
    return Report(splits, shared, {path.name: _column_names(path) for path in unread}, problems)


def _balance(task: Task, labels: list[Label]) -> dict[str, float]:
    """Return the share of rows with each label, or in each fifth of a regression's range."""
    if not labels:
        return {}
    counts = task.kind.group_counts(task, labels, bins=5)
    names = task.kind.groups(task, bins=5)
    return {name: int(count) / len(labels) for name, count in zip(names, counts, strict=True)}


def _column_names(path: Path) -> list[str]:
    """Names of a file's columns; the course's files end in .csv and have tabs."""
    names: list[str] = []
    for format in ["auto", "tsv"] if path.suffix.lower() == ".csv" else ["auto"]:
        try:
            first = head(path, 1, format)
        except SwissbertError:
            return []
        names = [name for name in first[0] if name] if first else []
        if names and not any("\t" in name for name in names):
            break
    return names
