"""scikit-learn estimators for texts and pairs of texts: fit, predict and score, in pipelines and searches."""

from swissbert.estimator.classifier import SwissbertClassifier
from swissbert.estimator.regressor import SwissbertRegressor

__all__ = ["SwissbertClassifier", "SwissbertRegressor"]
