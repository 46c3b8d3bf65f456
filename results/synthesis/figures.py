"""Figures of rules that were tried and left out: labels of real rows and phrases of the kinds that they would make.

Usage: ``python results/synthesis/figures.py FOLDER``, where the folder has ``ids-sst-train.csv``, ``sts-train.csv`` and
``sst-phrases.tsv``, labelled phrases of the treebank's train sentences in columns ``phrase`` and ``sentiment``.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, pstdev

from swissbert.analysis.buckets import numbers_differ, overlap
from swissbert.data.rows import Row
from swissbert.data.splits import read_split
from swissbert.data.words import NEGATION, words
from swissbert.tasks import find_task

NOT = re.compile(r"(?:(?:is|are|was|were|does|do|did|'s) )?(?:not|n't) (?P<rest>.+)")
"""A negated phrase."""
MOST_WORDS = 8
"""Words of the phrase after "not"."""


def plain(text: str) -> str:
    """Return a text of the treebank with the marks that both of its files have."""
    for mark, other in (("``", '"'), ("''", '"'), ("\\/", "/"), ("\\*", "*"), ("-LRB-", "("), ("-RRB-", ")")):
        text = text.replace(mark, other)
    return " ".join(text.lower().split()).rstrip(" .")


def show(name: str, labels: Iterable[float], label: float) -> None:
    """Print how many of some labels are the expected one, and how many are at most one class from it."""
    counts = Counter(labels)
    total, near = sum(counts.values()), sum(n for other, n in counts.items() if abs(other - label) <= 1)
    print(f"{name:45} {total:4} rows, label {label:g}: {counts[label] / total:.0%}, within one {near / total:.0%}")


def sentiment(folder: Path) -> None:
    """Print the labels of negated praise, and of sentences with "but" by the labels of their parts."""
    task = find_task("sst")
    sentences = {plain(row.text): float(str(row.label)) for row in read_split(task, "train", folder).rows}
    columns = task.columns.model_copy(update={"text": "phrase", "id": None})
    files = {"train": "sst-phrases.tsv", "dev": "sst-phrases.tsv"}
    phrases = read_split(task.model_copy(update={"columns": columns, "files": files}), "train", folder)
    labels = {plain(row.text): float(str(row.label)) for row in phrases.rows} | sentences
    praised = {
        text: label
        for text, label in labels.items()
        if (match := NOT.fullmatch(text))
        and len(match["rest"].split()) <= MOST_WORDS
        and labels.get(match["rest"], 0) >= 3
    }
    show('"not P", P positive', praised.values(), 1)
    show('"is n\'t P", P positive', (label for text, label in praised.items() if text.startswith("is n't ")), 1)
    joined: dict[tuple[float, float], list[float]] = {}
    for text, label in sentences.items():
        first, _, second = text.partition(" but ")
        first = first.rstrip(" ,")
        if first in labels and second in labels:
            joined.setdefault((labels[first], labels[second]), []).append(label)
    for first_label, second_label, label in ((1, 3, 3), (1, 4, 3), (3, 1, 1), (4, 1, 1), (3, 0, 1), (2, 1, 1)):
        name = f'sentences "A , but B", A {first_label}, B {second_label}'
        show(name, joined[float(first_label), float(second_label)], label)


def similarity(folder: Path) -> None:
    """Print the scores of pairs with much overlap that differ in a number, a negation or a continuation."""
    rows = read_split(find_task("sts"), "train", folder).rows
    near = [row for row in rows if overlap(row) >= 0.6]
    kinds = {
        "other numbers": [row for row in near if numbers_differ(row)],
        "one negated": [row for row in near if is_negated(row.text) != is_negated(row.text_pair or "")],
        "one continues the other": [row for row in rows if continues(row)],
    }
    for name, some in kinds.items():
        scores = [float(str(row.label)) for row in some]
        print(f"{name:45} {len(scores):4} rows, score {mean(scores):.2f}, standard deviation {pstdev(scores):.2f}")


def is_negated(text: str) -> bool:
    """Return whether a text has a word of negation."""
    return any(word in NEGATION or word.endswith("n't") for word in words(text))


def continues(row: Row) -> bool:
    """Return whether one text of a pair begins with all words of the other, and has more."""
    short, long = sorted((words(row.text), words(row.text_pair or "")), key=len)
    return len(short) < len(long) and long[: len(short)] == short


if __name__ == "__main__":
    sentiment(Path(sys.argv[1]))
    similarity(Path(sys.argv[1]))
