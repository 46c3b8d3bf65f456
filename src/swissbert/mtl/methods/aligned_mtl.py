"""Independent component alignment (Aligned-MTL; Senushkin et al., CVPR 2023)."""

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import on_nonzero


class AlignedMTL(Balancer):
    """The principal components of the task gradients all get the length of the shortest one, so that none dominates."""

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return `aligned`."""
        return on_nonzero(step.needed_gram, aligned)


def aligned(norms: Tensor, cosines: Tensor) -> Tensor:
    """Return √λ_min V Λ^(-1/2) Vᵀ 1 for G = V Λ Vᵀ, without eigenvalues that are zero up to rounding.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
    """
    lengths = norms / norms.max()
    values, vectors = torch.linalg.eigh(lengths[:, None] * cosines * lengths)
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    values, vectors = values[kept], vectors[:, kept]
    factors: Tensor = vectors @ ((values.min() / values).sqrt() * vectors.sum(0))
    return factors
