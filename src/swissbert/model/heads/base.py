"""The base class of heads: from pooled sentence vectors to logits, loss and answers of one task."""

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor, nn

from swissbert.kinds import Array
from swissbert.kinds.base import overrides_together
from swissbert.tasks import Task


class Head(nn.Module, ABC):
    """What sits on the encoder for one task. A new head is a subclass in a file here and one line in `HEADS`.

    Shapes below: ``B`` rows of a batch, ``C`` labels, ``W`` the size of a pooled output: the hidden size, or twice that
    for ``model.pooling = "cls_mean"``. Features are ``[B, W]``: the pooled output of a sentence, or of a pair that is
    encoded together. Where the sentences of a pair are encoded separately they are ``[B, 2W]``, both side by side.
    """

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        """Create the head.

        Args:
            task: The task that it answers.
            width: Number of features, W or 2W.
            dropout: Dropout rate on the features while training, from 0 to below 1.
        """
        super().__init__()
        self.task, self.width, self.dropout = task, width, dropout

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """Say in a clause why this head cannot be used; None if it can.

        Args:
            task: The task in question.
            separate: Whether the sentences of a pair are encoded separately.
        """
        return None

    uses_hidden_layer = True
    """Whether layer sharing puts its hidden layer before this head."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Turn features ``[B, width]`` into logits ``[B, outputs]``, fp32."""

    def forward(self, features: Tensor) -> Tensor:
        """Return `logits`."""
        return self.logits(features)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss, a scalar; ``labels`` are ``[B]``, or ``[B, C]`` for several labels per row."""
        return self.task.kind.loss(self.task, logits, labels)

    def weighted_loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over rows (and labels) of weight times loss, a scalar.

        Weights have mean 1 over all train rows, so that the expected loss of a batch does not depend on their scale; a
        batch whose weights are all 0 has the loss 0.

        Args:
            logits: ``[B, outputs]``.
            labels: ``[B]`` or ``[B, C]``.
            weights: In the shape of the labels.
        """
        return (self.row_losses(logits, labels) * weights).mean()

    def row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each row ``[B]``, or of each label of each row ``[B, C]``, whose mean is `loss`."""
        return self.task.kind.row_losses(self.task, logits, labels)

    @property
    def has_row_losses(self) -> bool:
        """Whether `row_losses` belongs to `loss`: a class that overrides `loss` alone has none."""
        return overrides_together(type(self), "loss", "row_losses")

    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:
        """Return how far two answers to the same rows are from each other: a mean over rows, 0 or more, a scalar.

        Args:
            logits: ``[B, outputs]``.
            others: Logits of the same rows, from other inputs or another network.
        """
        return self.task.kind.divergence(self.task, logits, others)

    @property
    def has_divergence(self) -> bool:
        """Whether `divergence` is defined and belongs to `loss`: a class that overrides `loss` alone has none."""
        own = type(self).divergence is not Head.divergence
        return overrides_together(type(self), "loss", "divergence") and (own or self.task.kind.has_divergence)

    def answers(self, logits: Tensor) -> Tensor:
        """Turn logits ``[B, outputs]`` into probabilities ``[B, C]`` or scores ``[B]``."""
        return self.task.kind.answers(self.task, logits)

    def untuned_answers(self, logits: Tensor) -> Tensor:
        """Return `answers` without a threshold that moves them away from the probabilities that the loss has trained."""
        return self.answers(logits)

    @property
    def takes_soft_labels(self) -> bool:
        """Whether the loss takes labels mixed with answers, as distillation makes them.

        That is a matter of the kind, except for a head with a loss of its own, which has to say so itself.
        """
        return type(self).loss is Head.loss and self.task.kind.takes_soft_labels

    @property
    def can_fit(self) -> bool:
        """Whether `fit` has something to do after each epoch."""
        return False

    def reset_fit(self) -> None:
        """Undo `fit`, so that `answers` gives what `fit` expects."""

    def fit(self, answers: Array, labels: Array) -> None:
        """Fit decision thresholds in place.

        Args:
            answers: Answers to train rows after `reset_fit`, ``[N, C]`` or ``[N]``.
            labels: Their labels, ``[N]`` or ``[N, C]``.
        """

    def extra_metrics(self, answers: Array, labels: Array) -> dict[str, float]:
        """Return metrics that only this head has, by name; arguments as in `fit`."""
        return {}

    def as_linear(self) -> tuple[Tensor, Tensor] | str:
        """Return weight ``[outputs, width]`` and bias ``[outputs]`` if logits are linear in the features.

        Otherwise a clause that says why not, for the error message of an export.
        """
        return "its head is not one linear layer"


def best_threshold(scores: Array, positive: Array) -> float:
    """Find the threshold with the highest accuracy of ``score >= threshold``, the one nearest 0 of several.

    Args:
        scores: ``[N]``, from -1 to 1.
        positive: Whether each row is positive, ``[N]`` of 0 and 1 or bool.

    Returns:
        A threshold from -1 to 1. Candidates lie midway between neighbouring scores and at both ends.
    """
    order = np.argsort(scores, kind="stable")
    values, hits = scores[order], positive[order] > 0.5
    candidates = np.concatenate([[-1.0], (values[1:] + values[:-1]) / 2, [1.0]])
    true_negatives = np.concatenate([[0], np.cumsum(~hits)])
    true_positives = np.concatenate([[0], np.cumsum(hits[::-1])])[::-1]
    correct = true_negatives + true_positives
    splits = np.concatenate([[True], np.diff(values) > 0, [True]])  # equal scores cannot be separated
    best = candidates[splits & (correct == correct[splits].max())]
    return float(best[np.argmin(np.abs(best))])
