"""What sits on the encoder: one head a task, from pooled sentence vectors to logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Dropout and one linear layer on the pooled output (paper, Section 4.1).

    Of a sentence, or of a pair encoded together, the input is the pooled output ``[B, H]``; of a pair encoded
    separately the two pooled outputs side by side, ``[B, 2H]``.
    """

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.out = nn.Linear(width, outputs)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        """``[B, width] -> [B, outputs]``."""
        logits: Tensor = self.out(F.dropout(features, self.dropout, self.training))
        return logits


class HiddenLayer(nn.Module):
    """A linear layer with a leaky ReLU before a head's own; several heads may stand on one (paper, Weight Sharing)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """``[B, width] -> [B, width]``."""
        return F.leaky_relu(self.linear(F.dropout(features, self.dropout, self.training)))


class CosineHead(nn.Module):
    """The cosine of the two sentence vectors of a pair, without anything to learn (paper, Cosine-Similarity).

    `threshold` is the cosine from which a pair counts as positive: 0, until it is fitted on train rows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threshold: Tensor
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """``[B, 2H]`` (both vectors side by side) ``-> [B, 1]``, from -1 to 1."""
        first, second = features.chunk(2, dim=1)
        return F.cosine_similarity(first, second, dim=1)[:, None]


def side_by_side(pooled: Tensor) -> Tensor:
    """``[2B, H]``, all first sentences before all second ones, -> ``[B, 2H]``."""
    first, second = pooled.chunk(2)
    return torch.cat([first, second], dim=1)
