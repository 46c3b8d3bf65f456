"""Task losses -> one objective (paper, Section 4.2, Automatic Weighted Loss).

Every objective here is a sum of one term a task, so a training loop may call it for one task at a time and free that
task's activations before it encodes the next.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Sum(nn.Module):
    """Σ Lᵢ: all tasks count the same. Base of the others."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = list(tasks)

    def term(self, task: str, loss: Tensor) -> Tensor:
        """What one task adds to the objective, a scalar."""
        return loss

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """The objective, a scalar, of a dictionary of scalar losses by task."""
        return torch.stack([self.term(task, loss) for task, loss in losses.items()]).sum()

    def weight(self, task: str) -> float:
        """The factor that a task's loss, and so its gradient, is multiplied by at present."""
        return 1.0


class Learnable(Sum):
    """Σ wᵢLᵢ with w learned from 1. Nothing keeps a weight from shrinking; the paper discusses this fault."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.w = nn.Parameter(torch.ones(len(self.tasks)))

    def term(self, task: str, loss: Tensor) -> Tensor:
        """wᵢLᵢ."""
        return self.w[self.tasks.index(task)] * loss

    def weight(self, task: str) -> float:
        """wᵢ."""
        return self.w[self.tasks.index(task)].item()


class _LogVariance(Sum):
    """Objectives with s = log σ², learned from 0, which keeps σ² positive without a constraint."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.s = nn.Parameter(torch.zeros(len(self.tasks)))


class Uncertainty(_LogVariance):
    """Σ exp(−sᵢ)Lᵢ + ½sᵢ: homoscedastic uncertainty (Kendall et al., 2018)."""

    def term(self, task: str, loss: Tensor) -> Tensor:
        """exp(−sᵢ)Lᵢ + ½sᵢ."""
        s = self.s[self.tasks.index(task)]
        return torch.exp(-s) * loss + 0.5 * s

    def weight(self, task: str) -> float:
        """exp(−sᵢ)."""
        return math.exp(-self.s[self.tasks.index(task)].item())


class Automatic(_LogVariance):
    """Σ ½exp(−sᵢ)Lᵢ + log(1 + exp(sᵢ)): automatic weighted loss (Liebel and Körner, 2018), never negative."""

    def term(self, task: str, loss: Tensor) -> Tensor:
        """½exp(−sᵢ)Lᵢ + log(1 + exp(sᵢ))."""
        s = self.s[self.tasks.index(task)]
        return 0.5 * torch.exp(-s) * loss + F.softplus(s)

    def weight(self, task: str) -> float:
        """½exp(−sᵢ)."""
        return 0.5 * math.exp(-self.s[self.tasks.index(task)].item())


WEIGHTINGS: dict[str, type[Sum]] = {
    "sum": Sum,
    "learnable": Learnable,
    "uncertainty": Uncertainty,
    "automatic": Automatic,
}
