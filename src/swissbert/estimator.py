"""A task of one's own as scikit-learn has it: fit, predict, score, in pipelines and searches. Needs scikit-learn.

::

    model = SwissbertClassifier(epochs=2).fit(texts, labels)
    model.predict(["a good film"]), model.score(more_texts, more_labels)

X is a list, array or Series of texts, or of pairs of texts: tuples, or two columns. Parameters are few:

- `encoder`: ``minilm``, a folder or a hub id. `lr` is its rate, a tenth of the head's; a larger one takes less (2e-5).
- `epochs`, `batch_size`, `seed` and `device`, as in the settings of a run; `verbose` shows progress on standard error.
- `max_length`: tokens of a text, special ones included, beyond which it is cut.
- `validation_fraction`: the share of rows, chosen by their texts, that is not learned from and says which epoch was
  best. With 0, or where there are too few rows to share, all rows do both.

Fitted, an estimator has `model_`, a `swissbert.Model` of one task, ``label`` or ``score``.
"""

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

from swissbert.config import make_config
from swissbert.data.formats import unreadable
from swissbert.data.holdout import held_out
from swissbert.data.rows import Row
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import rows_of
from swissbert.inference.model import Model, load
from swissbert.model_folder.save import save_model
from swissbert.settings import shown
from swissbert.tasks import make_task
from swissbert.training.loop import Stopped, train

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise SwissbertError(
        "SwissbertClassifier and SwissbertRegressor need scikit-learn: pip install 'swissbert[sklearn]'"
    ) from error


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators are: one task on one encoder, trained by the ordinary loop in a folder that is then gone."""

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

    def _fit(self, X: object, labels: Sequence[str | float], kind: Mapping[str, object], scale: float) -> None:  # noqa: N803
        """Train on texts and what the data file says of them; `kind` is that part of the declaration.

        Raises SwissbertError for settings, texts and labels that a person has to put right.
        """
        texts = _texts(X)
        _same_length(texts, labels)
        settings = self._settings()
        columns = {"text": "text", "label": "label"}
        if isinstance(texts[0], tuple):
            columns["text_pair"] = "text_pair"
        files = {"train": "train.jsonl", "dev": "dev.jsonl"}
        task = make_task({"name": self.name, "columns": columns, "files": files, **kind}, type(self).__name__)
        with TemporaryDirectory(prefix="swissbert-") as place:
            _write(Path(place), list(rows_of(texts, task)), labels, float(self.validation_fraction))
            table = {
                "tasks": [task],
                "data": {"dir": place, "cache": False},
                "loss": {"scale": {self.name: scale}},
                **settings,
            }
            config = make_config(table, type(self).__name__)
            try:
                result = train(config, Path(place) / "run", display=Display(quiet=not self.verbose))
            except Stopped as stopped:  # what it has saved goes with the folder
                raise KeyboardInterrupt from stopped
            trained = load(result.model, config.train.device)
        about = {**trained.description.provenance, "data": f"{len(texts)} rows given to fit"}
        description = trained.description.model_copy(update={"provenance": about})
        place_name = Path(f"{type(self).__name__} in memory")
        self.model_ = Model(trained.network, trained.tokenizer, description, place_name, trained.precision)

    def _settings(self) -> dict[str, Any]:
        """The settings table of these parameters, without tasks and data. Raises SwissbertError for a bad share."""
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
            "encoder": {"name": given["encoder"], "max_length": given["max_length"]},
            "train": {
                "epochs": given["epochs"],
                "batch_size": given["batch_size"],
                "lr": lr,
                "head_lr": min(1.0, 10 * lr) if isinstance(lr, float) else None,  # a bad one is named as lr
                "schedule": "linear",
                "warmup": 0.1,
                "device": given["device"],
                "keep": 1,
                "tensorboard": False,
            },
        }

    def _numbers(self, X: object) -> np.ndarray:  # noqa: N803
        """Probabilities ``[N, C]`` or scores ``[N]``, float32."""
        check_is_fitted(self, "model_")
        return self.model_.numbers(self.name, _texts(X))

    def save(self, folder: str | Path) -> None:
        """Write the model folder, which `swissbert.load` and the command line read.

        Another model there is replaced. Raises SwissbertError where something else is, or it cannot be written.
        """
        check_is_fitted(self, "model_")
        path = Path(folder).resolve()
        if path.exists() and not (path / "swissbert.json").is_file():
            raise SwissbertError(f"{folder}: is there already and no model folder; choose a new name")
        trained = self.model_
        save_model(path, trained.network, trained.tokenizer, trained.description)

    def __getstate__(self) -> Any:
        """Parameters, as searches in several processes need them. Raises SwissbertError once there is a model."""
        if "model_" in vars(self):
            raise SwissbertError(
                f"a fitted {type(self).__name__} cannot be pickled or copied, since swissbert keeps no model in a "
                "pickle; save(folder) writes it, and swissbert.load(folder) reads it"
            )
        return super().__getstate__()

    def __sklearn_tags__(self) -> Any:
        """Input is text, one a row (or two), and no matrix of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class SwissbertClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A class for a text or a pair of texts; labels are of any hashable kind. Parameters: see the module.

    `classes_` are the labels, sorted where they can be; the columns of `predict_proba` are in their order.
    """

    name = "label"

    def fit(self, X: object, y: object) -> Self:  # noqa: N803
        """Train on texts and their labels. Raises SwissbertError for what a person has to put right."""
        values = _labels(y)
        for number, value in enumerate(values):
            if value is None or (isinstance(value, float) and math.isnan(value)):
                raise SwissbertError(f"y[{number}] is {value}: every text needs a label")
        classes = _classes(values)
        names = [str(value) for value in classes]
        if len(set(names)) < len(names) or any(not n or n != n.strip() or unreadable(n) for n in names):
            names = [f"class {number}" for number in range(len(classes))]  # what a model folder can hold
        by_class = dict(zip(classes, names, strict=True))
        kind = {"kind": "classification", "labels": names, "loss": "cross_entropy", "metric": "accuracy"}
        self._fit(X, [by_class[value] for value in values], kind, 1.0)
        self.classes_ = _array(classes)
        return self

    def predict_proba(self, X: object) -> np.ndarray:  # noqa: N803
        """Probabilities ``[N, C]``, float32, a column for each of `classes_`."""
        return self._numbers(X)

    def predict(self, X: object) -> np.ndarray:  # noqa: N803
        """The likeliest class of each row, ``[N]``."""
        likeliest = self._numbers(X).argmax(1)  # before `classes_`, which one that is not fitted lacks
        found: np.ndarray = self.classes_[likeliest]
        return found

    def score(self, X: object, y: object, sample_weight: Any = None) -> float:  # noqa: N803
        """Accuracy. (scikit-learn's own knows labels that are numbers or strings only.)"""
        said, true = self.predict(X).tolist(), _labels(y)
        _same_length(said, true)
        right = [a == b for a, b in zip(said, true, strict=True)]
        return float(np.average(right, weights=sample_weight))


class SwissbertRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A number for a text or a pair of texts. Parameters: see the module.

    Predictions lie between the smallest and the largest number that were learned from.
    """

    name = "score"

    def fit(self, X: object, y: object) -> Self:  # noqa: N803
        """Train on texts and their numbers. Raises SwissbertError for what a person has to put right."""
        values = _labels(y)
        for number, value in enumerate(values):
            if not isinstance(value, Real) or not math.isfinite(value):
                raise SwissbertError(f"y[{number}] is {shown(value)}, not a finite number")
        numbers = [float(value) for value in values]
        low, high = min(numbers), max(numbers)
        span = high - low
        if not 1e-15 < span < 1e15 or span < 1e-4 * max(abs(low), abs(high)):  # what float32 tells apart
            raise SwissbertError(
                f"y lies between {low} and {high}, which is too narrow or too wide to learn; shift or scale it"
            )
        kind = {"kind": "regression", "range": [low, high], "loss": "mse", "metric": "pearson"}
        # Squared errors in units of the range: whether y is in millions or millionths, the steps are the same.
        self._fit(X, numbers, kind, span**-2)
        return self

    def predict(self, X: object) -> np.ndarray:  # noqa: N803
        """The number of each row, ``[N]``, float32."""
        return self._numbers(X)


def _list(values: object, what: str) -> list[Any]:
    """Plain values of a list, array or Series, with a row of two columns as a list."""
    for method in ("to_numpy", "tolist"):
        if hasattr(values, method):
            values = getattr(values, method)()
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SwissbertError(f"{what} is {shown(values)}, but it is a list, array or Series with a value for each row")
    return list(values)


def _labels(y: object) -> list[Any]:
    values = _list(y, "y")
    if not values:
        raise SwissbertError("y has no rows")
    return values


def _same_length(texts: Sequence[Any], labels: Sequence[Any]) -> None:
    if len(texts) != len(labels):
        raise SwissbertError(f"X has {len(texts)} rows and y has {len(labels)}, but each text has one label")


def _texts(X: object) -> list[Any]:  # noqa: N803
    """Texts, or tuples of them; a column of its own is a text. What is neither is left for `rows_of` to name."""
    items = [list(item) if isinstance(item, list | tuple | np.ndarray) else [item] for item in _list(X, "X")]
    plain = [[str(part) if isinstance(part, str) else part for part in item] for item in items]  # no numpy strings
    return [parts[0] if len(parts) == 1 else tuple(parts) for parts in plain]


def _classes(values: list[Hashable]) -> list[Any]:
    """Different labels, sorted. Raises SwissbertError where they are no labels, or fewer than two."""
    try:
        classes: list[Any] = list(set(values))
    except TypeError as error:
        raise SwissbertError("y is one label for each row, and a label is hashable, as strings and ints are") from error
    try:
        classes.sort()
    except TypeError:  # these have no order
        classes.sort(key=lambda value: (type(value).__name__, repr(value)))
    if len(classes) < 2:
        raise SwissbertError(f"y has {len(classes)} class(es), but a classifier tells at least 2 apart")
    return classes


def _array(values: list[Any]) -> np.ndarray:
    """An array ``[N]`` of the values as they are: numbers or strings if all are, else objects."""
    if {type(value) for value in values} in ({str}, {int}, {float}, {bool}):
        return np.asarray(values)
    array = np.empty(len(values), object)
    for number, value in enumerate(values):  # one by one, or numpy would take tuples apart
        array[number] = value
    return array


def _write(folder: Path, rows: list[Row], labels: Sequence[str | float], share: float) -> None:
    """``train.jsonl`` and ``dev.jsonl``, between which `held_out` chooses; all rows in both where one would be empty."""
    held = [held_out(row, share) for row in rows]
    shared = any(held) and not all(held)
    for name, side in (("train", False), ("dev", True)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row, label, out in zip(rows, labels, held, strict=True):
                if not shared or out == side:
                    cells = {"text": row.text, "text_pair": row.text_pair, "label": label}
                    file.write(json.dumps(cells) + "\n")
