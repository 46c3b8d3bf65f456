"""The classifier: one class, or any number of labels, for a text or a pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin

from swissbert.errors import SwissbertError
from swissbert.estimator.base import TextEstimator
from swissbert.estimator.checks import (
    array_of,
    check_classes,
    check_same_length,
    class_names,
    is_multilabel,
    label_sets,
    one_column,
    row_values,
    single_labels,
    sorted_classes,
)
from swissbert.estimator.fitting import Label
from swissbert.estimator.texts import text_inputs
from swissbert.estimator.weights import row_weights, weights_of_labels
from swissbert.kinds import Array
from swissbert.settings import shown
from swissbert.tasks import Task


class SwissbertClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """Classification and multilabel classification of texts or pairs of texts.

    X is a list, tuple, array or Series of texts, or of pairs of texts: tuples, or two columns. y decides what is learned:

    - *One label per row*: texts, numbers, True and False, tuples. `predict` returns a class for each row.
    - *Multilabel*: an indicator matrix ``[N, C]`` of 0 and 1 (array, DataFrame or sparse matrix; of a DataFrame the
      columns name the labels), or a list of lists or sets of labels, which may be empty. `predict` returns an
      indicator matrix for both, with columns in the order of `classes_`, so that ``sklearn.metrics`` take it.
      Tools that look at y themselves, such as `cross_val_score` and searches, need the matrix
      (``sklearn.preprocessing.MultiLabelBinarizer`` makes one of lists).

    Args:
        encoder: ``minilm``, a folder, or a hub id.
        epochs: Passes over the rows. None chooses from their number, 25 for few and 3 for many, and stops early.
        batch_size: Rows per step. None is 16 for few rows and 32 for many.
        lr: Learning rate of the encoder, at most 1; the head's is ten times as high. None is 2e-4 for small encoders and
            3e-5 or 1e-5 for large ones.
        max_length: Tokens per input, special ones included, from 8; longer texts are truncated.
        validation_fraction: Share of rows, from 0 to below 1, that is held out to choose the best epoch. Rows are
            chosen by a hash of their texts, and label by label unless y is multilabel. With 0, or where one side would be
            empty, all rows serve as both.
        class_weight: ``balanced`` lets labels count inversely to their number of rows; a dictionary gives the weights of
            labels, 1 for others. Of a multilabel y it is how much a label counts where a row has it.
        seed: Random seed.
        random_state: scikit-learn's name for the seed: a number, or a numpy ``RandomState`` that a seed is drawn from.
            None takes `seed`, so results are repeatable by default.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        verbose: Show progress on standard error.

    Attributes:
        classes_: The labels ``[C]``, sorted where they have an order; for an array the column numbers.
        multilabel_: Whether rows have any number of labels.
        model_: The trained `swissbert.Model`, whose only task is called ``label``.
        task_: Name of the task that the classifier answers.

    Example::

        model = SwissbertClassifier(epochs=2).fit(texts, labels)
        model.predict(["a good film"])
        model.score(test_texts, test_labels)
    """

    name = "label"

    def __init__(
        self,
        encoder: str = "minilm",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        max_length: int = 128,
        validation_fraction: float = 0.1,
        class_weight: str | Mapping[Any, float] | None = None,
        seed: int = 0,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            encoder,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            max_length=max_length,
            validation_fraction=validation_fraction,
            seed=seed,
            random_state=random_state,
            device=device,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:  # noqa: N803
        """Train on texts and their labels.

        Args:
            X: N texts or pairs of texts.
            y: One label per row, an indicator matrix, or a list of N lists or sets of labels.
            sample_weight: How much each row counts in the loss, N numbers from 0. Rows with 0 are left out. Weights and
                `class_weight` multiply.

        Raises:
            SwissbertError: If a parameter, a text, a label or a weight is not valid, or there are fewer than two labels.
        """
        y = one_column(y)
        multilabel = is_multilabel(y)
        if multilabel:
            sets, classes = label_sets(y)
            classes = sorted_classes([label for labels in sets for label in labels]) if classes is None else classes
        else:
            values = single_labels(y)
            classes = sorted_classes(values)
            check_classes(classes, len(values))
        names = class_names(classes)
        name = dict(zip(classes, names, strict=True))
        declaration: dict[str, object] = {"labels": names}
        class_weights = weights_of_labels(self.class_weight, classes, names)
        if class_weights is not None:
            declaration["class_weights"] = class_weights
        labels: list[Label]
        if multilabel:
            declaration |= {"kind": "multilabel", "loss": "binary_cross_entropy", "metric": "micro_f1"}
            labels = [sorted(name[label] for label in row) for row in sets]
        else:
            declaration |= {"kind": "classification", "loss": "cross_entropy", "metric": "accuracy"}
            labels = [name[value] for value in values]
        texts = text_inputs(X)
        weights = row_weights(sample_weight, len(texts))
        if weights is not None and not multilabel:
            _check_weighted(values, weights)
        self._fit(texts, labels, declaration, weights)
        self._keep_column_names(X)
        self.classes_, self.multilabel_ = array_of(classes), multilabel
        return self

    def predict_proba(self, X: object) -> Array:  # noqa: N803
        """Return probabilities, float32 ``[N, C]``, with columns in the order of `classes_`.

        Rows add up to 1 unless the classifier is multilabel.
        """
        return self._answers(X)

    def predict(self, X: object) -> Array:  # noqa: N803
        """Return the most probable class of each row, ``[N]``, or the indicator matrix, int64 ``[N, C]``."""
        decisions = self._task().kind.decide(self._answers(X))
        classes: Array = decisions if self.multilabel_ else self.classes_[decisions]
        return classes

    def score(self, X: object, y: object, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy on texts; multilabel, the share of rows with exactly the right labels.

        Args:
            X: N texts or pairs of texts.
            y: The true labels, in one of the forms that `fit` takes. Labels unknown to the classifier count as wrong if
                there are others.
            sample_weight: A weight for each row.

        Raises:
            SwissbertError: If a text is not valid, or y has another form or length.
        """
        predicted = self.predict(X)
        if self.multilabel_:
            classes = self.classes_.tolist()
            true, _ = label_sets(y, classes)
            rows, _ = label_sets(predicted, classes)
        else:
            true, rows = row_values(one_column(y)), predicted.tolist()
        check_same_length(rows, true)
        known = self.classes_.tolist()
        if not self.multilabel_ and not any(label in known for label in true):
            raise SwissbertError(
                f"y[0] is {shown(true[0])}, and no label of y is one of the classes {shown(known)}, so the accuracy is not "
                "defined"
            )
        hits = [a == b for a, b in zip(rows, true, strict=True)]
        return float(np.average(hits, weights=row_weights(sample_weight, len(rows))))

    def _take(self, task: Task, classes: list[Any] | None) -> None:
        """Set the labels of a loaded model."""
        if not task.kind.has_labels:
            raise SwissbertError(
                f"{self.model_.folder}: task '{task.name}' answers with numbers; SwissbertRegressor.load reads it"
            )
        self.classes_ = array_of(task.labels if classes is None else classes)
        self.multilabel_ = task.kind.label_shape(task) != ()

    def __sklearn_tags__(self) -> Any:
        """Declare multilabel support."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_weighted(values: Sequence[Any], weights: Sequence[float]) -> None:
    """Check that at least two labels have rows with a weight above 0."""
    weighted = {value for value, weight in zip(values, weights, strict=False) if weight > 0}
    if len(weighted) < 2:
        raise SwissbertError(
            f"only rows with the label {shown(next(iter(weighted)))} have a sample_weight above 0, but a classifier needs at "
            "least 2 different labels"
        )
