"""Answers of heads on numpy arrays, for models that answer without torch.

Sums are computed in float64, so that the number of rows of a batch, which decides on the order of summation, does not show in
an answer. Does not import torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from swissbert.kinds import Array
from swissbert.kinds.binary import Binary
from swissbert.kinds.regression import Regression
from swissbert.tasks import Task

NEGATIVE_SLOPE = 0.01
"""Slope of the leaky ReLU of a hidden layer below 0."""
LEAST_NORM = 1e-8
"""Smallest length of a vector that a cosine is divided by."""


class PlainHead(ABC):
    """A trained head. Shapes as in `swissbert.model.heads.Head`, whose subclasses have the loss and are trained.

    Args:
        task: The task that it answers.
        parameters: Its parameters by name, as the head stores them.
    """

    def __init__(self, task: Task, parameters: Mapping[str, Array]) -> None:
        self.task = task
        self.parameters = {name: values.astype(np.float64) for name, values in parameters.items()}

    @abstractmethod
    def logits(self, features: Array) -> Array:
        """Turn features ``[B, width]``, float64, into logits ``[B, outputs]``."""

    def answers(self, features: Array) -> Array:
        """Turn features ``[B, width]``, float64, into probabilities ``[B, C]`` or scores ``[B]``."""
        return self.task.kind.plain_answers(self.task, self.logits(features))

    def extra_metrics(self, answers: Array, labels: Array) -> dict[str, float]:
        """Return metrics that only this head has, by name."""
        return {}


class PlainLinear(PlainHead):
    """One linear layer, and thresholds where the kind of task fits them."""

    def logits(self, features: Array) -> Array:
        """``[B, width] -> [B, outputs]``."""
        logits: Array = features @ self.parameters["out.weight"].T + self.parameters["out.bias"]
        return logits

    def answers(self, features: Array) -> Array:
        """Probabilities ``[B, C]`` or scores ``[B]``, with fitted thresholds at a probability of 0.5."""
        return self.task.kind.plain_answers(self.task, self.logits(features) - self.parameters.get("shift", 0.0))


class PlainBiEncoder(PlainLinear):
    """One linear layer on a comparison of two sentence vectors."""

    def logits(self, features: Array) -> Array:
        """``[B, 2W] -> [B, outputs]``."""
        u, v = np.split(features, 2, axis=1)
        return super().logits(np.concatenate([u, v, np.abs(u - v), u * v, cosine(u, v)[:, None]], axis=1))


class PlainSimilarity(PlainHead):
    """A logistic curve on the cosine of two sentence vectors."""

    def logits(self, features: Array) -> Array:
        """``[B, 2W] -> [B, 1]``."""
        cosines = cosine(*np.split(features, 2, axis=1))[:, None]
        logits: Array = self.parameters["slope"] * cosines + self.parameters["offset"]
        return logits


class PlainCosine(PlainHead):
    """The cosine of two sentence vectors."""

    def logits(self, features: Array) -> Array:
        """``[B, 2W] -> [B, 1]``: cosines, from -1 to 1."""
        return cosine(*np.split(features, 2, axis=1))[:, None]

    def answers(self, features: Array) -> Array:
        """Probabilities ``[B, 2]`` that are 0.5 at the threshold, or scores ``[B]``."""
        return self._of_cosines(self.logits(features)[:, 0])

    def _of_cosines(self, cosines: Array) -> Array:
        if isinstance(self.task.kind, Regression):
            assert self.task.range is not None, "a regression has a range"
            low, high = self.task.range
            scores: Array = low + (high - low) * (cosines + 1) / 2
            return scores
        threshold = self.parameters["threshold"]
        room = np.maximum(np.where(cosines >= threshold, 1 - threshold, 1 + threshold), 1e-6)
        positive = np.clip(0.5 + 0.5 * (cosines - threshold) / room, 0, 1)
        return np.stack([1 - positive, positive], axis=1)

    def extra_metrics(self, answers: Array, labels: Array) -> dict[str, float]:
        """``accuracy_at_0`` of a binary task: the accuracy of the fixed threshold 0, beside that of the fitted one."""
        if not isinstance(self.task.kind, Binary):
            return {}
        at_zero = self._of_cosines(np.zeros(1)).astype(np.float32)[0, 1]
        return {"accuracy_at_0": float(((answers[:, 1] >= at_zero) == (labels > 0.5)).mean())}


PLAIN_HEADS: dict[str, type[PlainHead]] = {
    "linear": PlainLinear,
    "cosine": PlainCosine,
    "similarity": PlainSimilarity,
    "bi_encoder": PlainBiEncoder,
}
"""The heads by the names that `swissbert.model.heads.HEADS` has."""


def cosine(u: Array, v: Array) -> Array:
    """Return the cosine of each row of ``[B, W]`` with that of another array, ``[B]``; 0 for rows of zeros."""
    lengths = np.maximum(np.sqrt((u * u).sum(1)), LEAST_NORM) * np.maximum(np.sqrt((v * v).sum(1)), LEAST_NORM)
    cosines: Array = (u * v).sum(1) / lengths
    return cosines


def leaky_relu(values: Array) -> Array:
    """Return values with those below 0 times `NEGATIVE_SLOPE`."""
    return np.where(values > 0, values, NEGATIVE_SLOPE * values)
