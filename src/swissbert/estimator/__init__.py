"""scikit-learn estimators for texts and pairs of texts: fit, predict and score, in pipelines and searches.

Needs scikit-learn (``pip install 'swissbert[sklearn]'``). See `SwissbertClassifier` and `SwissbertRegressor`.
"""

from swissbert.errors import SwissbertError

try:
    import sklearn.base  # noqa: F401
except ImportError as error:
    raise SwissbertError(
        "SwissbertClassifier and SwissbertRegressor need scikit-learn: pip install 'swissbert[sklearn]'"
    ) from error

from swissbert.estimator.classifier import SwissbertClassifier
from swissbert.estimator.regressor import SwissbertRegressor

__all__ = ["SwissbertClassifier", "SwissbertRegressor"]
