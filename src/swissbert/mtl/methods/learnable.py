"""Learnable weights (paper, Section 4.2)."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from swissbert.mtl.balancing import Balancer


class Learnable(Balancer):
    """Σ wᵢLᵢ with w learned from 1. Nothing keeps a weight from shrinking; the paper discusses this fault."""

    w: nn.Parameter

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create w, ``[tasks]``."""
        super().setup(tasks)
        self.w = nn.Parameter(torch.ones(len(self.tasks)))
        return self

    def term(self, task: str, loss: Tensor) -> Tensor:
        """Return wᵢLᵢ."""
        return self.w[self.tasks.index(task)] * loss

    def weight(self, task: str) -> float:
        """Return wᵢ."""
        return self.w[self.tasks.index(task)].item()
