"""Homoscedastic uncertainty (Kendall et al., 2018)."""

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from swissbert.mtl.balancing import Balancer


class Uncertainty(Balancer):
    """Σ exp(−sᵢ)Lᵢ + ½sᵢ, where s = log σ² is learned from 0, so that σ² stays positive without a constraint."""

    s: nn.Parameter

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create s, ``[tasks]``."""
        super().setup(tasks)
        self.s = nn.Parameter(torch.zeros(len(self.tasks)))
        return self

    def term(self, task: str, loss: Tensor) -> Tensor:
        """Return exp(−sᵢ)Lᵢ + ½sᵢ."""
        s = self.s[self.tasks.index(task)]
        return torch.exp(-s) * loss + 0.5 * s

    def weight(self, task: str) -> float:
        """Return exp(−sᵢ)."""
        return math.exp(-self.s[self.tasks.index(task)].item())
