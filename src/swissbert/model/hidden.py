"""The hidden layer that heads may share (paper, Weight Sharing)."""

import torch.nn.functional as F
from torch import Tensor, nn


class HiddenLayer(nn.Module):
    """Dropout, a linear layer and a leaky ReLU before a head; one may serve several heads."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """``[B, width] -> [B, width]``."""
        return F.leaky_relu(self.linear(F.dropout(features, self.dropout, self.training)))
