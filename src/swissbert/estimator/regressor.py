"""The regressor: a number for a text or a pair of texts."""

import math
from numbers import Real
from typing import Self

from sklearn.base import RegressorMixin

from swissbert.errors import SwissbertError
from swissbert.estimator.checks import row_values
from swissbert.estimator.fitting import TextEstimator
from swissbert.kinds import Array
from swissbert.settings import shown


class SwissbertRegressor(RegressorMixin, TextEstimator):  # type: ignore[misc]
    """Regression on texts or pairs of texts. Predictions lie between the smallest and the largest y of `fit`.

    For parameters and input see `SwissbertClassifier`.

    Example::

        model = SwissbertRegressor(epochs=2).fit(pairs, similarities)
        model.predict([("A dog runs.", "A dog is running.")])
    """

    name = "score"

    def fit(self, X: object, y: object) -> Self:  # noqa: N803
        """Train on texts and their numbers.

        Args:
            X: N texts or pairs of texts.
            y: N finite numbers, not all equal.

        Raises:
            SwissbertError: If a parameter, a text or a number is not valid.
        """
        values = row_values(y)
        for number, value in enumerate(values):
            if not isinstance(value, Real) or not math.isfinite(value):
                raise SwissbertError(f"y[{number}] is {shown(value)}, not a finite number")
        numbers = [float(value) for value in values]
        low, high = min(numbers), max(numbers)
        span = high - low
        if not 1e-15 < span < 1e15 or span < 1e-4 * max(abs(low), abs(high)):  # limits of fp32
            raise SwissbertError(
                f"y lies between {low} and {high}, which is too narrow or too wide to learn; shift or scale it"
            )
        declaration = {"kind": "regression", "range": [low, high], "loss": "mse", "metric": "pearson"}
        self._fit(X, numbers, declaration)
        return self

    def predict(self, X: object) -> Array:  # noqa: N803
        """Return a number for each row, float32 ``[N]``."""
        return self._answers(X)
