"""Decision thresholds of heads, fitted on train rows after each epoch."""

import numpy as np

from swissbert.data.batches import take
from swissbert.data.dataset import TaskData
from swissbert.evaluation import table_answers
from swissbert.model.multitask import MultitaskModel

ROWS = 2000
"""Train rows that thresholds are fitted on, the first ones: enough to place one within about a hundredth."""


def fit_heads(model: MultitaskModel, train: dict[str, TaskData]) -> None:
    """Fit the thresholds of every head that has some, in place."""
    for name, data in train.items():
        head = model.head(name)
        if head.is_fitted:
            head.reset_fit()
            rows = np.arange(min(len(data), ROWS))
            head.fit(table_answers(model, data.task, take(data.table, rows)), data.labels[rows])
