"""Automatic weighted loss (paper, Section 4.2, after Liebel and Körner, 2018)."""

import math
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.mtl.balancing import Balancer


class Automatic(Balancer):
    """Σ ½exp(−sᵢ)Lᵢ + log(1 + exp(sᵢ)), where s = log σ² is learned from 0. The objective is never negative."""

    s: nn.Parameter

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create s, ``[tasks]``."""
        super().setup(tasks)
        self.s = nn.Parameter(torch.zeros(len(self.tasks)))
        return self

    def term(self, task: str, loss: Tensor) -> Tensor:
        """Return ½exp(−sᵢ)Lᵢ + log(1 + exp(sᵢ))."""
        s = self.s[self.tasks.index(task)]
        return 0.5 * torch.exp(-s) * loss + F.softplus(s)

    def weight(self, task: str) -> float:
        """Return ½exp(−sᵢ)."""
        return 0.5 * math.exp(-self.s[self.tasks.index(task)].item())
