"""Geometric mean of the losses (GLS; Chennupati et al., 2019)."""

from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView


class GLS(Balancer):
    """The objective T·(L₁·…·L_T)^(1/T): the weight of a task is the geometric mean of the losses divided by its loss."""

    needs = "all losses"

    def coefficients(self, step: StepView) -> Tensor:
        """Return exp(mean(log L)) / L."""
        logs = step.losses.clamp(min=1e-150).log()
        return (logs.mean() - logs).exp()
