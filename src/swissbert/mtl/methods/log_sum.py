"""Sum of the logarithms of the losses, the loss balance of DB-MTL (Lin et al., 2023)."""

from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView


class LogSum(Balancer):
    """The objective Σ log Lᵢ: the weight of a task is 1 / Lᵢ, so the scale of its loss does not matter."""

    needs = "all losses"

    def coefficients(self, step: StepView) -> Tensor:
        """Return 1 / L."""
        return 1 / step.losses.clamp(min=1e-150)
