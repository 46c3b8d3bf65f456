"""Softmax-normalised optimal uncertainty weights (UW-SO; Kirchdorfer et al., 2024)."""

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView


class UWSO(Balancer):
    """Weights T·softmax(1 / (τL)): a task with a small loss weighs more. Nothing is learned and nothing is kept.

    Unlike the other methods it depends on the scale of the losses; the authors tune τ for each data set.

    Args:
        temperature: τ, above 0. Large values give equal weights.
    """

    needs = "all losses"

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def coefficients(self, step: StepView) -> Tensor:
        """Return T·softmax(1 / (τL))."""
        inverse = 1 / step.losses.clamp(min=1e-150)
        return len(step.tasks) * torch.softmax(inverse / self.temperature, dim=0)
