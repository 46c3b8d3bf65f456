"""Fast adaptive multitask optimization (FAMO; Liu et al., NeurIPS 2023)."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from swissbert.mtl.balancing import Balancer, StepView

DECAY = 1e-3
"""Factor of w in its gradient, which pulls the weights back to equal ones."""


class FAMO(Balancer):
    """Weights that let the logarithms of all losses fall equally fast, learned from how the losses change.

    With z = softmax(w), the weight of a task is zᵢ / Lᵢ, scaled so that z is a weighted mean of log-losses. Tasks whose loss
    fell more than others get a smaller w. The paper measures the change by a second forward pass on the same batch; here it
    is the change from a step to the next one, whose forward pass is done anyway. It is noisier and costs nothing.
    The paper's learning rate of w is 0.025 (``loss.lr``).
    """

    needs = "all losses"

    w: nn.Parameter
    previous: Tensor

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create w ``[tasks]``, and the losses of the step before ``[tasks]``, 0 where a task has had none."""
        super().setup(tasks)
        self.w = nn.Parameter(torch.zeros(len(self.tasks), dtype=torch.float64))
        self.register_buffer("previous", torch.zeros(len(self.tasks), dtype=torch.float64))
        return self

    def coefficients(self, step: StepView) -> Tensor:
        """Return T·(z / L) / Σ(z / L), and set the gradient of w by the change of the losses since their last step."""
        places = [self.tasks.index(task) for task in step.tasks]
        losses = step.losses.clamp(min=1e-150)
        before = self.previous[places]
        fallen = torch.where(before > 0, before.log() - losses.log(), 0.0)
        self.previous[places] = losses
        with torch.enable_grad():
            z = torch.softmax(self.w[places], dim=0)
            objective = (z * fallen).sum() + DECAY / 2 * self.w.square().sum()
        if (before > 0).any():
            (self.w.grad,) = torch.autograd.grad(objective, [self.w])
        shares = (z.detach().log() - losses.log()).softmax(dim=0)
        return len(step.tasks) * shares
