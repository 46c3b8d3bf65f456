"""Conflict-averse gradient descent (CAGrad; Liu et al., NeurIPS 2021)."""

import math
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from swissbert.kinds import Array
from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import on_nonzero

RIDGE = 1e-12
"""Added to the diagonal of the Gram matrix, whose largest element is 1, so that gradients in one line can be told apart."""
MOST_TASKS = 8
"""Tasks whose subsets are all tried; with more, scipy's search finds the subset."""


class CAGrad(Balancer):
    """The update near the mean gradient that helps the worst-off task most.

    Args:
        c: Radius of the search as a multiple of the mean gradient's norm, from 0 (plain sum) to below 1.
    """

    needs = "gram"

    def __init__(self, c: float = 0.5) -> None:
        super().__init__()
        self.c = c

    def coefficients(self, step: StepView) -> Tensor:
        """Return 1 + T·c·(‖g₀‖ / ‖g_w‖)·w for the weights w of the worst case."""
        return on_nonzero(step.needed_gram, lambda norms, cosines: conflict_averse(norms, cosines, self.c))


def conflict_averse(norms: Tensor, cosines: Tensor, c: float) -> Tensor:
    """Return the factors of the update, times T; all 1 where the gradients balance already.

    The weights w minimise wᵀG 1/T + c‖g₀‖·√(wᵀG w) among those that are at least 0 and sum to 1.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
        c: Radius, see `CAGrad`.
    """
    tasks = len(norms)
    lengths = norms / norms.max()
    gram = (lengths[:, None] * cosines * lengths).numpy()
    towards = gram.mean(1)  # inner products with the mean gradient g₀
    radius = c * math.sqrt(max(float(gram.mean()), 0.0))
    w = _worst_weights(gram, towards, radius)
    length = math.sqrt(max(float(w @ gram @ w), 0.0))
    if length <= 1e-12 or radius == 0:
        return torch.ones(tasks, dtype=torch.float64)
    return torch.from_numpy(1 + tasks * radius / length * w)


def _worst_weights(gram: Array, towards: Array, radius: float) -> Array:
    """Return w ≥ 0 with sum 1 that minimises ``towards @ w + radius * sqrt(w @ gram @ w)``.

    On the set of tasks with w > 0 the minimum has a closed form, so it is enough to find that set.
    """
    tasks = range(len(gram))
    if len(gram) <= MOST_TASKS:
        subsets = [list(one) for size in range(1, len(gram) + 1) for one in combinations(tasks, size)]
    else:
        subsets = [[task for task, w in enumerate(_search(gram, towards, radius)) if w > 1e-6]]
    best, lowest = np.full(len(gram), 1 / len(gram)), np.inf
    for subset in subsets:
        w = _on_subset(gram, towards, radius, subset)
        if w is not None and (value := _objective(w, gram, towards, radius)) < lowest:
            best, lowest = w, value
    return best


def _on_subset(gram: Array, towards: Array, radius: float, subset: list[int]) -> Array | None:
    """Return the weights where the objective is stationary on a subset of tasks; None where that is not in the simplex.

    With y = radius·w / √(wᵀG w) the condition is G y = λ - towards, and yᵀG y = radius² determines λ.
    """
    part, a = gram[np.ix_(subset, subset)] + RIDGE * np.eye(len(subset)), towards[subset]
    ones, inverse_a = np.linalg.solve(part, np.stack([np.ones(len(subset)), a], axis=1)).T
    p, s, u = ones.sum(), inverse_a.sum(), a @ inverse_a
    root = s * s - p * (u - radius * radius)
    if root <= 0:
        return None
    y = (s + root**0.5) / p * ones - inverse_a
    if (y < 0).any():
        return None
    w = np.zeros(len(gram))
    w[subset] = y / y.sum()
    return w


def _search(gram: Array, towards: Array, radius: float) -> Array:
    """Return the weights that scipy finds from equal ones."""
    start = np.full(len(gram), 1 / len(gram))
    found: Array = minimize(
        _objective,
        start,
        args=(gram, towards, radius),
        bounds=[(0, 1)] * len(gram),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15, "maxiter": 1000},
    ).x
    return found


def _objective(w: Array, gram: Array, towards: Array, radius: float) -> float:
    return float(towards @ w + radius * math.sqrt(max(float(w @ gram @ w), 0.0)))
