"""Functions of the Gram matrix of task gradients, ``K = G·Gᵀ [T, T]``.

A combination of the T task gradients is determined by T coefficients, and what a method needs to know about angles and
lengths is in K, so methods work on T×T numbers and copy no gradient. K should be summed in float64. Where products are
float32, as in training, elements below 1e-23 are lost and elements above 1e19 overflow; for gradients that were converted
to float64 first, norms from 1e-150 to 1e150 are handled exactly.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

ZERO_NORM = 1e-150
"""Norms below this count as zero: their squares lose digits, and a ratio of two norms could overflow."""


def normalised(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Split a Gram matrix into lengths and angles.

    Args:
        gram: Inner products of the task gradients, ``[T, T]``.

    Returns:
        Norms ``[T]``, 0 below `ZERO_NORM`, and cosines ``[T, T]`` in −1..1, both float64 on the CPU. The cosine of a
        zero gradient with any gradient, itself included, is 0.

    Raises:
        ValueError: If the matrix is not square or not finite.
    """
    gram = gram.detach().cpu().double()
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1]:
        raise ValueError(f"a Gram matrix is square, but its shape is {list(gram.shape)}")
    if not gram.isfinite().all():
        raise ValueError("the Gram matrix of the task gradients has a value that is not finite")
    norms = gram.diagonal().clamp(min=0.0).sqrt()
    norms = torch.where(norms < ZERO_NORM, 0.0, norms)
    divisor = torch.where(norms > 0, norms, torch.inf)
    return norms, (gram / divisor[:, None] / divisor).clamp(-1.0, 1.0)


def conflicts(gram: Tensor) -> tuple[Tensor, float]:
    """Return the cosines of `normalised`, ``[T, T]``, and the share of conflicting pairs.

    The share, 0 to 1, counts pairs of different tasks with a negative cosine among all T(T−1)/2; it is 0 for one task.

    Raises:
        ValueError: If the matrix is not square or not finite.
    """
    _, cosines = normalised(gram)
    pairs = cosines[torch.ones_like(cosines).triu(1) > 0]
    return cosines, (pairs < 0).double().mean().item() if len(pairs) else 0.0


def pair_cosines(gram: Tensor, tasks: Sequence[str]) -> dict[str, float]:
    """Return the cosine of each pair of task gradients, by the names of the two tasks joined with a hyphen."""
    _, cosines = normalised(gram)
    return {f"{tasks[i]}-{tasks[j]}": cosines[i, j].item() for i, j in combinations(range(len(tasks)), 2)}


def weighted_gram(gram: Tensor, weights: Tensor) -> Tensor:
    """Return the Gram matrix of gradients that are multiplied by `weights` ``[T]``: diag(w)·K·diag(w)."""
    return weights[:, None] * gram * weights


def on_nonzero(gram: Tensor, solve: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Apply a method to the task gradients that are not zero.

    Args:
        gram: Inner products of the task gradients, ``[T, T]``.
        solve: Returns factors ``[n]`` from norms ``[n]`` and cosines ``[n, n]`` of the gradients that are not zero.

    Returns:
        Factors ``[T]``; 1 for a zero gradient, and for all of them where `solve` finds no finite ones.
    """
    norms, cosines = normalised(gram)
    factors, kept = torch.ones_like(norms), norms > 0
    if kept.any():
        solved = solve(norms[kept], cosines[kept][:, kept])
        if solved.isfinite().all():
            factors[kept] = solved
    return factors


def summing_to_tasks(factors: Tensor) -> Tensor:
    """Scale factors so that they sum to their number, as those of the plain sum; all 1 where their sum is about zero."""
    factors = factors / factors.abs().max()
    total = factors.sum()
    if not total.abs() > 1e-12:
        return torch.ones_like(factors)
    return factors / total * len(factors)


def factor(cosines: Tensor) -> np.ndarray:
    """Return A with AᵀA = C for a matrix of cosines, ``[T, T]`` float64, also where gradients are in one line."""
    values, vectors = torch.linalg.eigh(cosines)
    root: np.ndarray = (values.clamp(min=0).sqrt()[:, None] * vectors.T).numpy()
    return root
