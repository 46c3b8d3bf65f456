"""Evaluate a model on labelled data."""

from collections.abc import Sequence
from pathlib import Path

from swissbert.evaluation import Scores
from swissbert.inference.model import Model, load
from swissbert.metrics import Metric
from swissbert.tasks import Split


def evaluate(
    model: Model | str | Path, data: str | Path | None = None, split: Split = "dev", metrics: Sequence[Metric] = ()
) -> Scores:
    """Score a labelled split of every task of a model, with 95 % intervals.

    Args:
        model: A `Model`, or a name that `load` takes.
        data: Directory with the tasks' files, or ``starter`` for the corpus that ships.
        split: Which split.
        metrics: Further metrics, computed for the kinds that they name.

    Raises:
        SwissbertError: If the model cannot be loaded, or rows are missing or lack labels.
    """
    return (model if isinstance(model, Model) else load(model)).evaluate(data, split, metrics)
