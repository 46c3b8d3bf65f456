"""Training of an estimator's only task on rows in memory."""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import torch

from swissbert.config import RunConfig, make_config
from swissbert.data.holdout import held_out, held_out_by_label, row_hash
from swissbert.data.rows import Row
from swissbert.display import Display
from swissbert.distributed.world import ALONE
from swissbert.estimator.texts import TextInputs
from swissbert.files import temporary_folder
from swissbert.inference.inputs import rows_of
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.tasks import Task, make_task
from swissbert.training.loop import train
from swissbert.training.result import Stopped

Label = str | float | list[str]
"""The label of a row as a data file would hold it: a name, a number, or a list of names."""
Cells = dict[str, object]
"""A row as a data file would hold it: ``text``, ``text_pair``, ``label`` and perhaps ``weight``."""

_TRAINING = threading.Lock()
"""Held while a model is trained: threads share torch's random numbers, so two runs at a time would not be repeatable."""


def _in_child() -> None:
    """Free the lock in a forked process, which has random numbers of its own."""
    global _TRAINING
    _TRAINING = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@dataclass(frozen=True)
class Examples:
    """Rows that an estimator is fitted on.

    Attributes:
        texts: Texts or pairs of texts.
        labels: The label of each row.
        weights: The weight of each row; None if all count the same.
    """

    texts: TextInputs
    labels: Sequence[Label]
    weights: Sequence[float] | None = None


def train_model(
    name: str,
    examples: Examples,
    declaration: Mapping[str, object],
    settings: Mapping[str, object],
    *,
    share: float,
    where: str,
    display: Display,
) -> Model:
    """Train one task on rows in memory and return the best model.

    Args:
        name: Name of the task.
        examples: The rows; those with the weight 0 are left out.
        declaration: Keys of the task's declaration besides name and columns.
        settings: Settings of the run besides its tasks.
        share: Share of rows that is held out to choose the best epoch, 0 to below 1.
        where: Name of the estimator in messages.
        display: Receives progress.

    Raises:
        SwissbertError: If a setting or text is not valid.
    """
    columns = {"text": "text", "label": "label"}
    if isinstance(examples.texts[0], tuple):
        columns["text_pair"] = "text_pair"
    if examples.weights is not None:
        columns["weight"] = "weight"
    task = make_task({"name": name, "columns": columns, **declaration}, where)
    config = make_config({"tasks": [task], **settings}, where)
    checked = list(rows_of(examples.texts, task))
    weights = examples.weights if examples.weights is not None else [1.0] * len(checked)
    used = [index for index, weight in enumerate(weights) if weight > 0]
    rows = [_cells(checked[index], examples.labels[index], weights[index]) for index in used]
    split = _split(rows, _are_held_out(task, [checked[index] for index in used], rows, share))
    model = _train_rows(config, task, *split, display)
    provenance = {**model.description.provenance, "data": f"{len(checked)} rows given to fit"}
    description = model.description.model_copy(update={"provenance": provenance})
    return Model(model.network, model.tokenizer, description, Path(f"{where} in memory"), model.precision)


def _cells(row: Row, label: Label, weight: float) -> Cells:
    return {"text": row.text, "text_pair": row.text_pair, "label": label, "weight": weight}


def _are_held_out(task: Task, checked: list[Row], rows: list[Cells], share: float) -> list[bool]:
    """Choose the rows that are held out: by a hash of their texts, and label by label where rows have one label."""
    if share == 0 or not task.kind.can_stratify(task):
        return [held_out(row, share) for row in checked]
    hashes = np.array([row_hash(row) for row in checked], np.uint64)
    classes = np.array([task.parse_label(row["label"]) for row in rows], np.int64)
    return [bool(is_dev) for is_dev in np.isin(hashes, held_out_by_label(hashes, classes, share))]


def _split(rows: list[Cells], held: list[bool]) -> tuple[list[Cells], list[Cells]]:
    """Split rows into train and dev ones; if one side would be empty both are all rows."""
    if all(held) or not any(held):
        return rows, rows
    train_rows = [row for row, is_dev in zip(rows, held, strict=True) if not is_dev]
    return train_rows, [row for row, is_dev in zip(rows, held, strict=True) if is_dev]


def _train_rows(
    config: RunConfig, task: Task, train_rows: list[Cells], dev_rows: list[Cells], display: Display
) -> Model:
    """Train on rows in memory, in a temporary run folder that holds no rows, and return the best model.

    Raises:
        KeyboardInterrupt: If the run is stopped; its checkpoint would be deleted with the folder.
    """
    data: dict[str, Any] = {task.name: (train_rows, dev_rows)}
    with _TRAINING, temporary_folder(Path(gettempdir()), "swissbert-") as folder:
        try:
            result = train(config, folder / "run", display=display, data=data, world=ALONE)
        except Stopped as stopped:
            raise KeyboardInterrupt from stopped
        return load(result.model, config.train.device)


if hasattr(os, "register_at_fork"):
    # The threads of GNU OpenMP do not survive a fork, and a forked process that used more than one would wait for them
    # forever. joblib's backend "multiprocessing" forks.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
