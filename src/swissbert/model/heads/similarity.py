"""The similarity head: a logistic curve on the cosine of two sentence vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.model.head_layout import LAYOUTS
from swissbert.model.heads.base import Head
from swissbert.tasks import Task

SLOPE, OFFSET = 8.0, -4.0
"""Initial slope and offset: a cosine of 0.5 has a probability of one half, one of 0.9 a probability of 0.96."""


class SimilarityHead(Head):
    """One logit, slope times the cosine of the two sentence vectors plus an offset, both learned.

    Unlike the paper's cosine head, whose scores are the cosine itself, it need not bend the sentence vectors to reach
    the scale of the labels, and it uses the task's own loss. For tasks of pairs with one output.
    """

    uses_hidden_layer = False

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, width, dropout)
        self.slope, self.offset = nn.Parameter(torch.tensor([SLOPE])), nn.Parameter(torch.tensor([OFFSET]))

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A similarity needs two sentence vectors, and is one number."""
        return LAYOUTS["similarity"].misfit(task, separate)

    def logits(self, features: Tensor) -> Tensor:
        """``[B, 2W] -> [B, 1]``."""
        first, second = features.chunk(2, dim=1)
        return self.slope * F.cosine_similarity(first, second, dim=1)[:, None] + self.offset

    def as_linear(self) -> tuple[Tensor, Tensor] | str:
        """Not linear."""
        return "its head is a curve on the cosine of two sentence vectors"
