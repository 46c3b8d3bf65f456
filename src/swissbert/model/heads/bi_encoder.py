"""The bi-encoder head: one linear layer on a comparison of two sentence vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from swissbert.model.head_layout import LAYOUTS
from swissbert.model.heads.linear import LinearHead
from swissbert.tasks import Task


class BiEncoderHead(LinearHead):
    """Dropout and one linear layer on both sentence vectors u and v, |u - v|, u * v and their cosine.

    The features of InferSent (Conneau et al., 2017), with the cosine added. Each sentence is encoded once, whatever it is
    compared with, so the vectors of `Model.encode` can be stored. For tasks of pairs, of any kind.
    """

    uses_hidden_layer = False

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, 2 * width + 1, dropout)  # 2W are u and v

    @classmethod
    def misfit(cls, task: Task, separate: bool) -> str | None:
        """A comparison needs two sentence vectors."""
        return LAYOUTS["bi_encoder"].misfit(task, separate)

    def logits(self, features: Tensor) -> Tensor:
        """``[B, 2W] -> [B, outputs]``."""
        u, v = features.chunk(2, dim=1)
        cosine = F.cosine_similarity(u, v, dim=1)[:, None]
        return super().logits(torch.cat([u, v, (u - v).abs(), u * v, cosine], dim=1))

    def as_linear(self) -> tuple[Tensor, Tensor] | str:
        """Not linear."""
        return "its head compares two sentence vectors"
