"""Dual balancing (DB-MTL; Lin et al., 2023), without the moving average of the gradients."""

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import normalised


class DBMTL(Balancer):
    """Every task gradient of log L gets the norm of the longest one.

    The authors average the gradients over steps; that needs T more gradients in memory and is left out, which is their method
    with β = 0.
    """

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return maxⱼ(‖gⱼ‖ / Lⱼ) / ‖gᵢ‖; 1 for a zero gradient."""
        norms, _ = normalised(step.needed_gram)
        longest = (norms / step.losses.clamp(min=1e-150)).max()
        return torch.where(norms > 0, longest / norms, 1.0)
