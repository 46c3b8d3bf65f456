"""The cosine head: the cosine of two sentence vectors, nothing learned (paper, Cosine-Similarity Fine-Tuning)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from swissbert.kinds import Array
from swissbert.kinds.binary import Binary
from swissbert.kinds.regression import Regression
from swissbert.model.head_layout import LAYOUTS
from swissbert.model.heads.base import Head, best_threshold
from swissbert.tasks import Task


class CosineHead(Head):
    """The cosine of the two sentence vectors of a pair. For binary and regression tasks; logits are the cosine.

    ``threshold`` is the cosine from which a pair counts as positive: 0 until it is fitted on train rows.
    """

    uses_hidden_layer = False

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, width, dropout)
        self.threshold: Tensor
        self.register_buffer("threshold", torch.zeros(()))

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A cosine needs two sentence vectors and one number to compare them with."""
        return LAYOUTS["cosine"].misfit(task, separate)

    def logits(self, features: Tensor) -> Tensor:
        """``[B, 2W] -> [B, 1]``: cosines, from -1 to 1."""
        first, second = features.chunk(2, dim=1)
        return F.cosine_similarity(first, second, dim=1)[:, None]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of cosines ``[B, 1]``, a scalar.

        Binary: CosineEmbeddingLoss with margin 0, that is 1 - cos for a positive pair and max(0, cos) for a negative
        one. Regression: squared or absolute error of the cosine rescaled from -1..1 to the range.
        """
        cosine = logits[:, 0]
        if isinstance(self.task.kind, Regression):
            return self.task.kind.score_loss(self.task, self._rescaled(cosine), labels)
        return torch.where(labels > 0.5, 1 - cosine, cosine.clamp(min=0)).mean()

    def row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses of cosines ``[B, 1]``, one for each row ``[B]``."""
        cosine = logits[:, 0]
        if isinstance(self.task.kind, Regression):
            return self.task.kind.score_losses(self.task, self._rescaled(cosine), labels)
        return torch.where(labels > 0.5, 1 - cosine, cosine.clamp(min=0))

    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:
        """Mean squared difference of cosines ``[B, 1]``, a scalar; for a regression, of the scores that they become."""
        if isinstance(self.task.kind, Regression):
            scores = self._rescaled(logits[:, 0]), self._rescaled(others[:, 0])
            return self.task.kind.score_divergence(self.task, *scores)
        return (logits - others).square().mean()

    def answers(self, logits: Tensor) -> Tensor:
        """Probabilities ``[B, 2]`` or scores ``[B]`` of cosines ``[B, 1]``.

        The probability of a positive pair is piecewise linear: 0 at cosine -1, 0.5 at the threshold and 1 at 1.
        """
        cosine = logits[:, 0]
        if isinstance(self.task.kind, Regression):
            return self._rescaled(cosine)
        room = torch.where(cosine >= self.threshold, 1 - self.threshold, 1 + self.threshold).clamp(min=1e-6)
        positive = (0.5 + 0.5 * (cosine - self.threshold) / room).clamp(0, 1)
        return torch.stack([1 - positive, positive], dim=1)

    @property
    def takes_soft_labels(self) -> bool:
        """Whether the task is a regression: the loss of a binary task knows positive and negative pairs alone."""
        return isinstance(self.task.kind, Regression)

    @property
    def can_fit(self) -> bool:
        """Whether the task is binary."""
        return isinstance(self.task.kind, Binary)

    def reset_fit(self) -> None:
        """Put the threshold to 0, where the probability is (1 + cosine) / 2."""
        self.threshold.zero_()

    def fit(self, answers: Array, labels: Array) -> None:
        """Fit the threshold with the best accuracy on train rows."""
        if self.can_fit:
            cosines = (2 * answers[:, 1] - 1).astype(float)
            self.threshold.fill_(best_threshold(cosines, labels > 0.5))

    def extra_metrics(self, answers: Array, labels: Array) -> dict[str, float]:
        """``accuracy_at_0`` of a binary task: the accuracy of the fixed threshold 0, beside that of the fitted one."""
        if not self.can_fit:
            return {}
        at_zero = self.answers(torch.zeros(1, 1, device=self.threshold.device))[0, 1].item()
        return {"accuracy_at_0": float(((answers[:, 1] >= at_zero) == (labels > 0.5)).mean())}

    def as_linear(self) -> tuple[Tensor, Tensor] | str:
        """Not linear."""
        return "its head is the cosine of two sentence vectors"

    def _rescaled(self, cosine: Tensor) -> Tensor:
        assert self.task.range is not None, "a regression has a range"
        low, high = self.task.range
        return low + (high - low) * (cosine + 1) / 2
