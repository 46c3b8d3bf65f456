"""Where a cosine counts as a paraphrase: fitted on train rows, never on dev (paper, Cosine-Similarity Fine-Tuning)."""

import numpy as np
from numpy.typing import NDArray

from swissbert.data.batches import take
from swissbert.data.dataset import TaskData
from swissbert.evaluation import table_answers
from swissbert.heads import CosineHead
from swissbert.model import MultitaskModel

ROWS = 2000
"""Train rows that a threshold is fitted on, the first ones: enough to place it within about a hundredth."""


def best_threshold(cosines: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """The threshold with the highest accuracy of ``cosine >= threshold``; of several the one nearest 0, in -1 to 1.

    `cosines` and `labels` (0 or 1) are ``[N]``. Candidates lie midway between neighbouring cosines and at both ends.
    """
    order = np.argsort(cosines, kind="stable")
    values, positive = cosines[order], labels[order] > 0.5
    middles = np.concatenate([[-1.0], (values[1:] + values[:-1]) / 2, [1.0]])
    below = np.concatenate([[0], np.cumsum(~positive)])  # negatives said to be negative, at each candidate
    above = np.concatenate([[0], np.cumsum(positive[::-1])])[::-1]  # positives said to be positive
    right = below + above
    splits = np.concatenate([[True], np.diff(values) > 0, [True]])  # equal cosines cannot be told apart
    best = middles[splits & (right == right[splits].max())]
    return float(best[np.argmin(np.abs(best))])


def fit_thresholds(model: MultitaskModel, train: dict[str, TaskData]) -> None:
    """Fit the threshold of every binary task whose head is a cosine, in place."""
    for name, data in train.items():
        head = model.head(name)
        if isinstance(head, CosineHead) and data.task.kind == "binary":
            head.threshold.zero_()  # the probability is then (1 + cosine) / 2
            rows = np.arange(min(len(data), ROWS))
            cosines = 2 * table_answers(model, data.task, take(data.table, rows))[:, 1] - 1
            head.threshold.fill_(best_threshold(cosines.astype(np.float64), data.labels[rows]))
