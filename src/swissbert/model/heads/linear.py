"""The linear head: dropout and one linear layer (paper, Section 4.1)."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.kinds import Array
from swissbert.model.heads.base import Head
from swissbert.tasks import Task

FEWEST_POSITIVES = 5
"""Train rows that must have a label, and as many that must not, before its threshold is fitted."""
WIDEST_SHIFT = 3.0
"""Largest shift of a logit, of either sign: thresholds stay between probabilities of about 0.05 and 0.95."""


class LinearHead(Head):
    """Dropout and one linear layer on the features.

    Where the kind fits thresholds (multilabel), ``shift[C]`` is subtracted from the logits of `answers`, so that a
    probability of 0.5 is the threshold with the best F1 on train rows. The loss does not use it.
    """

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, width, dropout)
        self.out = nn.Linear(width, task.outputs)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)
        self.shift: Tensor | None
        self.register_buffer("shift", torch.zeros(task.outputs) if task.kind.fits_threshold else None)

    def logits(self, features: Tensor) -> Tensor:
        """``[B, width] -> [B, outputs]``."""
        logits: Tensor = self.out(F.dropout(features, self.dropout, self.training))
        return logits

    def answers(self, logits: Tensor) -> Tensor:
        """Probabilities ``[B, C]`` or scores ``[B]``, with fitted thresholds at a probability of 0.5."""
        return super().answers(logits if self.shift is None else logits - self.shift)

    def untuned_answers(self, logits: Tensor) -> Tensor:
        """Probabilities ``[B, C]`` or scores ``[B]`` without the thresholds."""
        return super().answers(logits)

    @property
    def can_fit(self) -> bool:
        """Whether the kind of task fits thresholds."""
        return self.shift is not None

    def reset_fit(self) -> None:
        """Put every threshold back to a probability of 0.5 as trained."""
        if self.shift is not None:
            self.shift.zero_()

    def fit(self, answers: Array, labels: Array) -> None:
        """Fit the threshold of each label by F1 on train rows; labels with few rows on one side keep 0.5."""
        if self.shift is None:
            return
        shifts = [_best_shift(p, y > 0.5) for p, y in zip(answers.T, labels.T, strict=True)]
        self.shift.copy_(torch.tensor(shifts))

    def as_linear(self) -> tuple[Tensor, Tensor] | str:
        """Weight ``[outputs, width]``, and bias ``[outputs]`` with the thresholds folded in."""
        weight, bias = (part.detach().float().cpu() for part in (self.out.weight, self.out.bias))
        return weight.contiguous(), bias.contiguous() if self.shift is None else bias - self.shift.cpu()


def _best_shift(probabilities: Array, positive: Array) -> float:
    """Find the logit of the threshold with the best F1; 0 where there are too few rows to tell."""
    count = int(positive.sum())
    if min(count, len(positive) - count) < FEWEST_POSITIVES:
        return 0.0
    order = np.argsort(-probabilities, kind="stable")
    values, hits = probabilities[order].astype(float), np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + count)  # of predicting the first 1, 2, ... rows
    last = np.append(np.diff(values) != 0, True)  # equal probabilities cannot be separated
    best = int(np.argmax(np.where(last, f1, -1.0)))
    following = values[best + 1] if best + 1 < len(values) else 0.0
    threshold = min(max((values[best] + following) / 2, 1e-6), 1 - 1e-6)
    return min(max(math.log(threshold / (1 - threshold)), -WIDEST_SHIFT), WIDEST_SHIFT)
