"""Decision thresholds of heads, fitted on train rows after each epoch."""

import numpy as np

from swissbert.data.dataset import TaskData
from swissbert.data.packing import take
from swissbert.distributed.world import ALONE, World
from swissbert.evaluation import table_answers
from swissbert.model.multitask import MultitaskModel

ROWS = 2000
"""Number of train rows, the first ones, that thresholds are fitted on: enough for an error of about a hundredth."""


def fit_heads(network: MultitaskModel, train: dict[str, TaskData], world: World = ALONE) -> None:
    """Fit the thresholds of every head that has some, in place; the processes of `world` share the rows out."""
    for name, data in train.items():
        head = network.head(name)
        if head.can_fit:
            head.reset_fit()
            rows = np.arange(min(len(data), ROWS))
            answers = table_answers(network, data.task, take(data.table, rows), world=world)
            head.fit(answers, data.labels[rows])
