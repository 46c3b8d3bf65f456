"""The base class of the estimators: parameters, training on rows in memory, and saving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from swissbert.config import RunConfig, make_config
from swissbert.data.holdout import held_out
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.estimator.checks import check_same_length, text_inputs
from swissbert.inference.inputs import rows_of
from swissbert.inference.model import Model, load
from swissbert.kinds import Array
from swissbert.model_folder import layout
from swissbert.model_folder.save import save_model
from swissbert.settings import shown
from swissbert.tasks import Task, make_task
from swissbert.training.loop import Stopped, train

Label = str | float | list[str]
"""The label of a row as a data file would hold it: a name, a number, or a list of names."""
Cells = dict[str, object]
"""A row as a data file would hold it: ``text``, ``text_pair`` and ``label``."""


class TextEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One task on one encoder, trained as `swissbert.train` does.

    Args:
        encoder: ``minilm``, a folder, or a hub id.
        epochs: Passes over the rows.
        batch_size: Rows per step.
        lr: Learning rate of the encoder, at most 1; the head's is ten times as high. Large encoders need less (2e-5).
        max_length: Tokens per input, special ones included, from 8; longer texts are truncated.
        validation_fraction: Share of rows, from 0 to below 1, that is held out to choose the best epoch. Rows are
            chosen by a hash of their texts. With 0, or where one side would be empty, all rows serve as both.
        seed: Random seed.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        verbose: Show progress on standard error.

    Attributes:
        model_: The trained `swissbert.Model`, whose only task is called `name`.
    """

    name: str

    def __init__(
        self,
        encoder: str = "minilm",
        *,
        epochs: int = 3,
        batch_size: int = 32,
        lr: float = 2e-4,
        max_length: int = 128,
        validation_fraction: float = 0.1,
        seed: int = 0,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.encoder = encoder
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.max_length = max_length
        self.validation_fraction = validation_fraction
        self.seed = seed
        self.device = device
        self.verbose = verbose

    def _fit(self, X: object, labels: Sequence[Label], declaration: Mapping[str, object], scale: float = 1.0) -> None:  # noqa: N803
        """Train, and set `model_`.

        Args:
            X: Texts or pairs of texts.
            labels: The label of each row.
            declaration: Keys of the task's declaration besides name and columns.
            scale: Factor of the loss.

        Raises:
            SwissbertError: If a parameter, a text or the number of labels is not valid.
        """
        texts = text_inputs(X)
        check_same_length(texts, labels)
        settings = self._settings()
        columns = {"text": "text", "label": "label"}
        if isinstance(texts[0], tuple):
            columns["text_pair"] = "text_pair"
        task = make_task({"name": self.name, "columns": columns, **declaration}, type(self).__name__)
        checked = list(rows_of(texts, task))
        rows: list[Cells] = [
            {"text": row.text, "text_pair": row.text_pair, "label": label}
            for row, label in zip(checked, labels, strict=True)
        ]
        split = _split(rows, [held_out(row, float(self.validation_fraction)) for row in checked])
        table = {"tasks": [task], "loss": {"scale": {self.name: scale}}, **settings}
        config = make_config(table, type(self).__name__)
        model = _train_rows(config, task, *split, Display(quiet=not self.verbose))
        provenance = {**model.description.provenance, "data": f"{len(texts)} rows given to fit"}
        description = model.description.model_copy(update={"provenance": provenance})
        folder = Path(f"{type(self).__name__} in memory")
        self.model_ = Model(model.network, model.tokenizer, description, folder, model.precision)

    def _settings(self) -> dict[str, Any]:
        """Return the settings of a run that the parameters stand for, without tasks and loss.

        Raises:
            SwissbertError: If `validation_fraction` is out of range; the other parameters are checked as settings.
        """
        given = {key: value.item() if isinstance(value, np.generic) else value for key, value in vars(self).items()}
        share = given["validation_fraction"]
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise SwissbertError(
                f"{type(self).__name__}: validation_fraction is {shown(share)}, but it is a number from 0 to below 1"
            )
        lr = given["lr"]
        return {
            "name": "estimator",
            "seed": given["seed"],
            "data": {"cache": False},
            "encoder": {"name": given["encoder"], "max_length": given["max_length"]},
            "train": {
                "epochs": given["epochs"],
                "batch_size": given["batch_size"],
                "lr": lr,
                "head_lr": min(1.0, 10 * lr) if isinstance(lr, float) else None,  # the check of lr names other types
                "schedule": "linear",
                "warmup": 0.1,
                "device": given["device"],
                "keep": 1,
                "baseline": False,
                "tensorboard": False,
            },
        }

    def _answers(self, X: object) -> Array:  # noqa: N803
        """Return probabilities ``[N, C]`` or scores ``[N]``, float32."""
        check_is_fitted(self, "model_")
        return self.model_.numbers(self.name, text_inputs(X))

    def save(self, folder: str | Path) -> None:
        """Write a model folder, which `swissbert.load` and the command line read.

        Args:
            folder: Where; a model folder there is replaced.

        Raises:
            SwissbertError: If something else is there, or the folder cannot be written.
        """
        check_is_fitted(self, "model_")
        path = Path(folder).resolve()
        if path.exists() and not layout.is_model_folder(path):
            raise SwissbertError(f"{folder}: already exists and is not a model folder; choose another name")
        save_model(path, self.model_.network, self.model_.tokenizer, self.model_.description)

    def __getstate__(self) -> Any:
        """Return the parameters, which searches in several processes pickle.

        Raises:
            SwissbertError: If the estimator is fitted.
        """
        if "model_" in vars(self):
            raise SwissbertError(
                f"a fitted {type(self).__name__} cannot be pickled or copied, because swissbert stores no model in a "
                "pickle; save(folder) writes it, and swissbert.load(folder) reads it"
            )
        return super().__getstate__()

    def __sklearn_tags__(self) -> Any:
        """Declare that the input is text, one or two strings per row."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


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
    with TemporaryDirectory(prefix="swissbert-") as folder:
        try:
            result = train(config, Path(folder) / "run", display=display, data={task.name: (train_rows, dev_rows)})
        except Stopped as stopped:
            raise KeyboardInterrupt from stopped
        return load(result.model, config.train.device)
