"""Answers of heads on numpy arrays, for models that answer without torch; and which tasks each head fits.

Sums are computed in float64, so that the number of rows of a batch, which decides on the order of summation, does not show in
an answer. Does not import torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

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

    uses_hidden_layer: ClassVar[bool] = True
    """Whether layer sharing puts its hidden layer before this head."""

    def __init__(self, task: Task, parameters: Mapping[str, Array]) -> None:
        self.task = task
        self.parameters = {name: values.astype(np.float64) for name, values in parameters.items()}

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """Say in a clause why this head cannot be used; None if it can. Arguments as of `swissbert.model.heads.Head.misfit`."""
        return None

    @staticmethod
    @abstractmethod
    def shapes(task: Task, width: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters by name, for features ``[B, width]``."""

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

    @staticmethod
    def shapes(task: Task, width: int) -> dict[str, tuple[int, ...]]:
        """Weight and bias of the layer, and the shift of each logit that fits thresholds."""
        shift = {"shift": (task.outputs,)} if task.kind.fits_threshold else {}
        return {"out.weight": (task.outputs, width), "out.bias": (task.outputs,), **shift}

    def logits(self, features: Array) -> Array:
        """``[B, width] -> [B, outputs]``."""
        logits: Array = features @ self.parameters["out.weight"].T + self.parameters["out.bias"]
        return logits

    def answers(self, features: Array) -> Array:
        """Probabilities ``[B, C]`` or scores ``[B]``, with fitted thresholds at a probability of 0.5."""
        return self.task.kind.plain_answers(self.task, self.logits(features) - self.parameters.get("shift", 0.0))


class PlainBiEncoder(PlainLinear):
    """One linear layer on a comparison of two sentence vectors."""

    uses_hidden_layer = False

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A comparison needs two sentence vectors."""
        if not task.is_pair or not separate:
            return "a bi_encoder needs two sentences that are encoded separately"
        return None

    @staticmethod
    def shapes(task: Task, width: int) -> dict[str, tuple[int, ...]]:
        """As of a linear head on both vectors, |u - v|, u * v and their cosine."""
        return PlainLinear.shapes(task, 2 * width + 1)

    def logits(self, features: Array) -> Array:
        """``[B, 2W] -> [B, outputs]``."""
        u, v = np.split(features, 2, axis=1)
        return super().logits(np.concatenate([u, v, np.abs(u - v), u * v, cosine(u, v)[:, None]], axis=1))


class PlainSimilarity(PlainHead):
    """A logistic curve on the cosine of two sentence vectors."""

    uses_hidden_layer = False

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A similarity needs two sentence vectors, and is one number."""
        if not task.is_pair or not separate:
            return "a similarity needs two sentences that are encoded separately"
        if task.outputs != 1:
            return f"a similarity is no answer to a {task.kind.name} task"
        return None

    @staticmethod
    def shapes(task: Task, width: int) -> dict[str, tuple[int, ...]]:
        """Slope and offset of the curve."""
        return {"slope": (1,), "offset": (1,)}

    def logits(self, features: Array) -> Array:
        """``[B, 2W] -> [B, 1]``."""
        cosines = cosine(*np.split(features, 2, axis=1))[:, None]
        logits: Array = self.parameters["slope"] * cosines + self.parameters["offset"]
        return logits


class PlainCosine(PlainHead):
    """The cosine of two sentence vectors."""

    uses_hidden_layer = False

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A cosine needs two sentence vectors and one number to compare them with."""
        if not task.is_pair or not separate:
            return "a cosine needs two sentences that are encoded separately"
        if not isinstance(task.kind, Binary | Regression):
            return f"a cosine is no answer to a {task.kind.name} task"
        return None

    @staticmethod
    def shapes(task: Task, width: int) -> dict[str, tuple[int, ...]]:
        """The threshold."""
        return {"threshold": ()}

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


def plain_head(task: Task, pair_head: str, separate: bool) -> type[PlainHead]:
    """Return the head of a task, which is linear where that of pairs does not fit."""
    head = PLAIN_HEADS[pair_head if task.is_pair else "linear"]
    return PLAIN_HEADS["linear"] if head.misfit(task, separate) else head


def stored_shapes(
    task: Task, head: type[PlainHead], width: int, *, separate: bool, layer_sharing: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor that a model folder stores for the head of a task, hidden layer included.

    Args:
        task: The task.
        head: Its head.
        width: Size W of a pooled output.
        separate: Whether the sentences of a pair are encoded separately.
        layer_sharing: Whether heads have hidden layers.
    """
    size = width * (2 if separate else 1)
    shapes = {f"{stored_head(task.name)}.{name}": shape for name, shape in head.shapes(task, size).items()}
    if layer_sharing and head.uses_hidden_layer:
        shapes |= {f"{stored_hidden(task)}.weight": (size, size), f"{stored_hidden(task)}.bias": (size,)}
    return shapes


def stored_head(name: str) -> str:
    """Return the module of a task's head in a model folder."""
    return f"heads.{head_key(name)}"


def stored_hidden(task: Task) -> str:
    """Return the module of the hidden layer before a task's head in a model folder."""
    return f"hidden.{hidden_key(task)}.linear"


def head_key(name: str) -> str:
    """Return the module name of a task's head; the prefix allows any task name, such as "type" or "train"."""
    return f"for_{name}"


def hidden_key(task: Task) -> str:
    """Return the module name of a task's hidden layer: all tasks of pairs share one."""
    return "pair" if task.is_pair else f"{task.name}_alone"


def cosine(u: Array, v: Array) -> Array:
    """Return the cosine of each row of ``[B, W]`` with that of another array, ``[B]``; 0 for rows of zeros."""
    lengths = np.maximum(np.sqrt((u * u).sum(1)), LEAST_NORM) * np.maximum(np.sqrt((v * v).sum(1)), LEAST_NORM)
    cosines: Array = (u * v).sum(1) / lengths
    return cosines


def leaky_relu(values: Array) -> Array:
    """Return values with those below 0 times `NEGATIVE_SLOPE`."""
    return np.where(values > 0, values, NEGATIVE_SLOPE * values)
