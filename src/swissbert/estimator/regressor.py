"""The regressor: a number for a text or a pair of texts."""

from typing import Any, Self

from sklearn.base import RegressorMixin

from swissbert.errors import SwissbertError
from swissbert.estimator.base import TextEstimator
from swissbert.estimator.checks import one_column, single_numbers
from swissbert.estimator.texts import text_inputs
from swissbert.estimator.weights import row_weights
from swissbert.kinds import Array
from swissbert.tasks import Task


class SwissbertRegressor(RegressorMixin, TextEstimator):  # type: ignore[misc]
    """Regression on texts or pairs of texts. Predictions lie between the smallest and the largest y of `fit`.

    For parameters and input see `SwissbertClassifier`, which has `class_weight` besides.

    Example::

        model = SwissbertRegressor(epochs=2).fit(pairs, similarities)
        model.predict([("A dog runs.", "A dog is running.")])
    """

    name = "score"

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:  # noqa: N803
        """Train on texts and their numbers.

        Args:
            X: N texts or pairs of texts.
            y: N finite numbers, not all equal.
            sample_weight: How much each row counts in the loss, N numbers from 0. Rows with 0 are left out.

        Raises:
            SwissbertError: If a parameter, a text, a number or a weight is not valid.
        """
        numbers = single_numbers(one_column(y))
        declaration = {
            "kind": "regression",
            "range": [min(numbers), max(numbers)],
            "loss": "mse",
            "metric": "rmse",  # chooses the best epoch by what score measures; a correlation says nothing about units
        }
        texts = text_inputs(X)
        self._fit(texts, numbers, declaration, row_weights(sample_weight, len(texts)))
        self._keep_column_names(X)
        return self

    def predict(self, X: object) -> Array:  # noqa: N803
        """Return a number for each row, float32 ``[N]``."""
        return self._answers(X)

    def _take(self, task: Task, classes: list[Any] | None) -> None:
        """Check that a loaded model answers with numbers."""
        if task.kind.has_labels:
            raise SwissbertError(
                f"{self.model_.folder}: task '{task.name}' answers with labels; SwissbertClassifier.load reads it"
            )
