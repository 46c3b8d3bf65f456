"""The base class of the estimators: parameters, fitting, and keeping what was fitted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.estimator.checks import check_same_length
from swissbert.estimator.fitting import Examples, Label, train_model
from swissbert.estimator.keeping import FILES, Record, model_files, model_from_files, read_record, record_of
from swissbert.estimator.texts import TextInputs, column_names, text_inputs
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.kinds import Array
from swissbert.model_folder import layout
from swissbert.model_folder.load import resolve_folder
from swissbert.model_folder.save import save_model
from swissbert.model_folder.steady import read_steadily
from swissbert.settings import shown
from swissbert.tasks import Task

SEED_LIMIT = 2**31
"""Seeds are below this number."""


class TextEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One task on one encoder, trained as `swissbert.train` does.

    A fitted estimator can be pickled and copied: its state is its parameters, its labels and the bytes of a model folder.

    Args:
        encoder: ``minilm``, a folder, or a hub id.
        epochs: Passes over the rows. None chooses from their number, 25 for few and 3 for many, and stops early.
        batch_size: Rows per step. None is 16 for few rows and 32 for many.
        lr: Learning rate of the encoder, at most 1; the head's is ten times as high. None is 2e-4 for small encoders and
            3e-5 or 1e-5 for large ones.
        max_length: Tokens per input, special ones included, from 8; longer texts are truncated.
        validation_fraction: Share of rows, from 0 to below 1, that is held out to choose the best epoch. Rows are
            chosen by a hash of their texts, and of a classifier with one label per row label by label. With 0, or where
            one side would be empty, all rows serve as both.
        seed: Random seed.
        random_state: scikit-learn's name for the seed: a number, or a numpy ``RandomState`` that a seed is drawn from.
            None takes `seed`, so results are repeatable by default.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        verbose: Show progress on standard error.

    Attributes:
        model_: The trained `swissbert.Model`.
        task_: The name of its task that the estimator answers: `name`, unless a model of other origin was loaded.
        feature_names_in_: Names of the two columns of the DataFrame of pairs that it was fitted on; absent otherwise.
    """

    name: str

    def __init__(
        self,
        encoder: str = "minilm",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        max_length: int = 128,
        validation_fraction: float = 0.1,
        seed: int = 0,
        random_state: int | np.random.RandomState | None = None,
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
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _fit(
        self,
        texts: TextInputs,
        labels: Sequence[Label],
        declaration: Mapping[str, object],
        weights: Sequence[float] | None,
    ) -> None:
        """Train, and set `model_` and `task_`.

        Args:
            texts: Texts or pairs of texts.
            labels: The label of each row.
            declaration: Keys of the task's declaration besides name and columns.
            weights: The weight of each row, or None.

        Raises:
            SwissbertError: If a parameter or the number of labels is not valid.
        """
        check_same_length(texts, labels)
        settings = self._settings()
        self.model_ = train_model(
            self.name,
            Examples(texts, labels, weights),
            declaration,
            settings,
            share=float(self.validation_fraction),
            where=type(self).__name__,
            display=Display(quiet=not self.verbose),
        )
        self.task_ = self.name

    def _settings(self) -> dict[str, Any]:
        """Return the settings of a run that the parameters stand for, without tasks.

        Raises:
            SwissbertError: If `validation_fraction` or `random_state` is not valid; the others are checked as settings.
        """
        given = {key: value.item() if isinstance(value, np.generic) else value for key, value in vars(self).items()}
        share = given["validation_fraction"]
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise SwissbertError(
                f"{type(self).__name__}: validation_fraction is {shown(share)}, but it is a number from 0 to below 1"
            )
        train = {key: given[key] for key in ("epochs", "batch_size", "lr") if given[key] is not None}
        if isinstance(given["lr"], float):  # a rate of another type is refused by the check of settings
            train["head_lr"] = min(1.0, 10 * given["lr"])
        return {
            "name": "estimator",
            "seed": self._random_seed(given["seed"]),
            "data": {"cache": False},
            "encoder": {"name": given["encoder"], "max_length": given["max_length"]},
            "train": {
                **train,
                "schedule": "linear",
                "warmup": 0.1,
                "device": given["device"],
                "keep": 1,
                "baseline": False,
                "trackers": [],
            },
        }

    def _random_seed(self, seed: Any) -> Any:
        """Return the seed of `random_state`, or `seed` where that is None."""
        state: object = self.random_state
        if state is None:
            return seed
        if isinstance(state, np.random.RandomState):
            return int(state.randint(SEED_LIMIT - 1))
        if isinstance(state, bool) or not isinstance(state, int | np.integer) or not 0 <= state < SEED_LIMIT:
            raise SwissbertError(
                f"{type(self).__name__}: random_state is {shown(state)}, but it must be a whole number from 0 to "
                f"{SEED_LIMIT - 1}, a numpy RandomState, or None, which takes seed"
            )
        return int(state)

    def _task(self) -> Task:
        """Return the task that the estimator answers, after checking that it is fitted."""
        check_is_fitted(self, "model_")
        return self.model_.task(self.task_)

    def _answers(self, X: object) -> Array:  # noqa: N803
        """Return probabilities ``[N, C]`` or scores ``[N]``, float32."""
        task = self._task()
        self._check_column_names(X)
        return self.model_.numbers(task.name, text_inputs(X, task.is_pair))

    def _keep_column_names(self, X: object) -> None:  # noqa: N803
        """Set `feature_names_in_` to the names of the two columns of a DataFrame of pairs; remove it for any other X."""
        names = column_names(X)
        if len(names) == 2:
            self.feature_names_in_ = np.array(names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_column_names(self, X: object) -> None:  # noqa: N803
        """Raise SwissbertError if the two columns of a DataFrame of pairs have other names or another order than in `fit`."""
        given, fitted = column_names(X), list(getattr(self, "feature_names_in_", []))
        if len(given) == len(fitted) == 2 and given != fitted:
            raise SwissbertError(
                f"X has the columns {shown(given)}, but {type(self).__name__} was fitted on {shown(fitted)}; give it the same "
                "columns in the same order, or X.to_numpy() if their names do not matter"
            )

    def _take(self, task: Task, classes: list[Any] | None) -> None:
        """Set what `fit` learns of a task besides the model: labels.

        Args:
            task: The task of a model that was loaded.
            classes: Its labels with their types; None for the names that the task has.

        Raises:
            SwissbertError: If the estimator does not answer tasks of this kind.
        """
        raise NotImplementedError

    def save(self, folder: str | Path) -> None:
        """Write a model folder, which `load`, `swissbert.load` and the command line read.

        Besides the model it holds parameters and labels with their types. An encoder that is a folder is named without
        the folders above it, and `device` is left out.

        Args:
            folder: Where; a model folder there is replaced.

        Raises:
            SwissbertError: If something else is there, the folder cannot be written, or a label is neither text, number,
                True, False nor a tuple of these.
        """
        self._task()
        path = Path(folder).resolve()
        if path.exists() and not layout.is_model_folder(path):
            raise SwissbertError(f"{folder}: already exists and is not a model folder; choose another name")
        classes = getattr(self, "classes_", None)
        record = record_of(self.task_, classes, self.get_params(deep=False), self.model_)
        save_model(
            path, self.model_.network, self.model_.tokenizer, self.model_.description, extra={layout.ESTIMATOR: record}
        )

    @classmethod
    def load(cls, folder: str | Path, *, task: str | None = None, device: str = "auto") -> Self:
        """Load a fitted estimator.

        Args:
            folder: What `save` wrote, or any other trained model: a name that `swissbert.load` takes. Labels of the
                latter are the texts that its task names.
            task: The task to answer, for models of several tasks.
            device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

        Raises:
            SwissbertError: If the model cannot be read, has several tasks and `task` is left out, or the task is not one
                for this estimator.

        Example::

            SwissbertClassifier(epochs=2).fit(texts, labels).save("urgency")
            SwissbertClassifier.load("urgency").predict(texts)
        """

        def read(path: Path) -> tuple[Model, Record]:
            model = load(path, device)
            return model, read_record(model, task)

        model, kept = read_steadily(lambda: resolve_folder(folder), read)
        estimator = cls()
        known = estimator.get_params(deep=False)
        estimator.set_params(
            **{**{key: kept.parameters[key] for key in known if key in kept.parameters}, "device": device}
        )
        estimator.model_, estimator.task_ = model, kept.task
        estimator._take(model.task(kept.task), kept.classes)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and attributes, with the bytes of a model folder in the place of the model."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state[FILES] = model_files(state.pop("model_"))
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Restore an estimator; its model is put on its device, or on the best one here if there is no such device."""
        rest = {**type(self)().get_params(deep=False), **state}  # parameters that older versions did not have
        files = rest.pop(FILES, None)
        super().__setstate__(rest)
        if files is not None:
            self.model_ = model_from_files(files, self.device, type(self).__name__)

    def __sklearn_tags__(self) -> Any:
        """Declare that the input is text, one or two strings per row."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags
