"""Unconflicting projection of gradients (UPGrad; Quinton and Rey, 2024, "Jacobian Descent")."""

import torch
from scipy.optimize import nnls
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import on_nonzero

RIDGE = 1e-4
"""Added to the diagonal of the Gram matrix of trace 1, so that gradients in one line have a solution."""


class UPGrad(Balancer):
    """Each task gradient is moved by the least that takes away all its conflicts; the update is the sum of the results.

    To first order the update raises no task's loss.
    """

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return `unconflicting`; each factor is at least 1."""
        return on_nonzero(step.needed_gram, unconflicting)


def unconflicting(norms: Tensor, cosines: Tensor) -> Tensor:
    """Return the sum over tasks i of argmin vᵀG v with v ≥ eᵢ.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
    """
    lengths = norms / norms.square().sum().sqrt()
    gram = lengths[:, None] * cosines * lengths + RIDGE * torch.eye(len(norms), dtype=torch.float64)
    root = torch.linalg.cholesky(gram, upper=True).numpy()
    total = torch.ones(len(norms), dtype=torch.float64)
    for i in range(len(norms)):
        more, _ = nnls(root, -root[:, i])  # v = eᵢ + more with more ≥ 0
        total += torch.from_numpy(more)
    return total
