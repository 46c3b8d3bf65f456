"""Fair resource allocation (FairGrad; Ban and Ji, ICML 2024), of which Nash-MTL (Navon et al., ICML 2022) is a case."""

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import on_nonzero, summing_to_tasks

RIDGE = 1e-8
"""Added to the diagonal of the cosines, so that opposite gradients have a solution."""
STEPS, TOLERANCE = 200, 1e-12
"""Newton steps at most, and the relative change at which they end."""


class FairGrad(Balancer):
    """The update whose gain (G c)ᵢ for each task is cᵢ^(-1/α): α-fair, from proportional (1) to max-min fair (∞).

    Args:
        alpha: α, above 0.
    """

    needs = "gram"

    def __init__(self, alpha: float = 2.0) -> None:
        super().__init__()
        self.alpha = alpha

    def coefficients(self, step: StepView) -> Tensor:
        """Return the solution, scaled so that it sums to the number of tasks."""
        return on_nonzero(step.needed_gram, lambda norms, cosines: fair(norms, cosines, self.alpha))


class Nash(FairGrad):
    """The bargaining solution of Nash-MTL: FairGrad with α = 1, solved anew at every step."""

    def __init__(self) -> None:
        super().__init__(alpha=1.0)


def fair(norms: Tensor, cosines: Tensor, alpha: float) -> Tensor:
    """Return c > 0 with (G c)ᵢ = cᵢ^(-1/α), up to a factor that makes it sum to T.

    With x = c·‖g‖ and C the cosines this is (C x)ᵢ = bᵢ xᵢ^(-1/α) with bᵢ = ‖gᵢ‖^(1/α - 1), the minimum of the convex function
    xᵀC x / 2 - Σ bᵢ φ(xᵢ) with φ'(x) = x^(-1/α). Newton's method finds it; steps are shortened so that x stays positive.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
        alpha: α.
    """
    power = 1 / alpha
    matrix = cosines + RIDGE * torch.eye(len(norms), dtype=torch.float64)
    weights = (norms / norms.max()) ** (power - 1)
    x = weights ** (1 / (1 + power))  # the solution for orthogonal gradients

    def residual(x: Tensor) -> Tensor:
        return matrix @ x - weights * x**-power

    for _ in range(STEPS):
        scale = power * weights * x ** (-power - 1)
        change = torch.linalg.solve(matrix + torch.diag(scale), residual(x))
        longest = (change / x).max().clamp(min=0)
        step = 1.0 if longest < 0.9 else (0.9 / longest).item()
        while step > 1e-12 and residual(x - step * change) @ change < -0.5 * (residual(x) @ change):  # went past it
            step /= 2
        x = x - step * change
        if (change.abs() <= TOLERANCE * x).all():
            break
    return summing_to_tasks(x / norms * norms.max())
