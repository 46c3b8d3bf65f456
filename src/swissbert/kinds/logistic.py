"""Logistic regression on given features: the linear model of kinds with classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def logistic_answers(features: Any, labels: NDArray[Any], others: Any, classes: int) -> NDArray[Any] | None:
    """Fit a logistic regression and return probabilities of other rows, ``[M, classes]``.

    Returns None if only one class occurs in `labels` ``[N]``, class numbers.
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return None
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, labels.astype(int))
    answers = np.zeros((others.shape[0], classes))
    answers[:, model.classes_] = model.predict_proba(others)
    return answers
