"""A baseline without an encoder: TF-IDF of word pieces with a linear model.

It learns in seconds what words alone tell about a label, so a fine-tuned encoder that does not beat it is seen at once.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.data.packing import take
from swissbert.data.token_table import TokenTable
from swissbert.evaluation.scores import task_scores

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NAME = "TF-IDF with a linear model"
"""Name of the baseline in messages."""
ROWS = 20_000
"""Largest number of train rows that it learns from, the first ones, so that it takes seconds."""


def tfidf_scores(train: TaskData, dev: TaskData) -> dict[str, float] | None:
    """Train the baseline and score it on dev rows.

    Features are TF-IDF values of word pieces and of neighbouring ones. Of a pair they are the absolute difference and
    the product of those of its two texts, and their cosine.

    Args:
        train: Train rows of a task.
        dev: Its dev rows.

    Returns:
        Every metric of the task's kind, or None if the kind has no linear model or the train rows have one label only.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = np.arange(min(len(train), ROWS))
    sides, dev_sides = _pieces(take(train.table, rows)), _pieces(dev.table)
    vectorizer = TfidfVectorizer(analyzer=_with_neighbours, sublinear_tf=True)
    vectorizer.fit([text for side in sides for text in side])
    features, dev_features = (_features([vectorizer.transform(side) for side in s]) for s in (sides, dev_sides))
    answers = train.task.kind.linear_answers(train.task, features, train.labels[rows], dev_features)
    return None if answers is None else task_scores(train.task, dev.labels, answers)


def _pieces(table: TokenTable) -> list[list[list[int]]]:
    """Return the token ids of each text, ``[sides][N]``; a pair has two sides."""
    sequences = [table.ids[start:end].tolist() for start, end in zip(table.offsets, table.offsets[1:], strict=False)]
    if table.per_row == 2:
        return [sequences[0::2], sequences[1::2]]
    parts = [[ids[:first] for ids, first in zip(sequences, table.first, strict=True)]]
    seconds = [ids[first:] for ids, first in zip(sequences, table.first, strict=True)]
    return [*parts, seconds] if any(seconds) else parts


def _with_neighbours(ids: list[int]) -> list[tuple[int, ...]]:
    return [(piece,) for piece in ids] + list(pairwise(ids))


def _features(sides: "list[csr_matrix]") -> "csr_matrix":
    """Return the features of texts, or of pairs of texts."""
    from scipy.sparse import csr_matrix, hstack

    if len(sides) == 1:
        return sides[0]
    first, second = sides
    product = first.multiply(second)
    return csr_matrix(hstack([abs(first - second), product, csr_matrix(product.sum(1))]))
