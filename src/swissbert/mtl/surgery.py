"""Gradient surgery (paper, Section 4.2, Gradient Surgery; PCGrad of Yu et al., NeurIPS 2020) on inner products alone.

A projected gradient is a combination of the T task gradients, so the Gram matrix ``K = G·Gᵀ [T, T]`` says all that the
method needs to know: no gradient is copied, only T numbers are worked out. A step is

    coefficients = surgery_coefficients(gram, random_orders(len(gram), [seed, step]))
    update = Σₖ coefficients[k] · gₖ

`gram` should be summed up in float64. Where products are float32, as in training, they are lost for elements below 1e-23
and infinite above 1e19; from gradients turned to float64 first, norms from 1e-150 to 1e150 are handled exactly. Below, a
gradient counts as zero.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

_ZERO = 1e-150  # norms below are zero: their squares lose digits, and a ratio of two norms could overflow


def random_orders(tasks: int, seed: Sequence[int]) -> list[list[int]]:
    """For each of `tasks` tasks a random order of all of them, in which the others are looked at.

    The numbers in `seed`, say of the run and the step, none negative, decide alone: no state goes from step to step.
    """
    generator = np.random.default_rng([crc32(b"surgery"), *seed])
    return [generator.permutation(tasks).tolist() for _ in range(tasks)]


def surgery_coefficients(gram: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Factors of the task gradients, ``[T, T] -> [T]``, float64 on the CPU, whose combination is the projected update.

    Each gᵢ becomes gᵢ − (gᵢ·gⱼ / ‖gⱼ‖²) gⱼ for one j ≠ i after the other, as ``orders[i]`` has them, where the gᵢ of that
    moment and the original gⱼ have a negative inner product. The update is the *sum* of what the gᵢ have become.

    `gram` holds the inner products of the gradients, of any size of gradient. A factor is at least 1, and is exactly 1
    for a gradient that nothing conflicts with and for a zero one. Factors are huge where a tiny gradient conflicts with
    a big one. Raises ValueError for a matrix that is not square, is not finite, or has not one order a task.
    """
    norms, cosines = _normalised(gram)
    update = torch.zeros_like(norms)  # in unit vectors gₖ/‖gₖ‖, as everything here: no squares, no division by zero
    for i, order in zip(range(len(norms)), orders, strict=True):
        projected = torch.zeros_like(norms)
        projected[i] = 1.0
        for j in order:
            if j != i:
                projected[j] -= (cosines[j] @ projected).clamp(max=0.0)
        update += norms[i] * projected
    return torch.where(norms > 0, update / norms, 1.0)


def conflicts(gram: Tensor) -> tuple[Tensor, float]:
    """Cosines between task gradients, ``[T, T] -> [T, T]`` float64 on the CPU in −1..1, and the share that conflicts.

    The share, 0 to 1, is that of pairs of different tasks with a negative cosine among all T(T−1)/2; 0 for one task. The
    cosine of a zero gradient with any, itself too, is 0. Raises ValueError for a matrix that is not square or not finite.
    """
    _, cosines = _normalised(gram)
    pairs = cosines[torch.ones_like(cosines).triu(1) > 0]
    return cosines, (pairs < 0).double().mean().item() if len(pairs) else 0.0


def _normalised(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Norms ``[T]``, 0 for what counts as zero, and cosines ``[T, T]``."""
    gram = gram.detach().cpu().double()
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1]:
        raise ValueError(f"a Gram matrix is square, not {list(gram.shape)}")
    if not gram.isfinite().all():
        raise ValueError("the Gram matrix of the task gradients has a value that is not finite")
    norms = gram.diagonal().clamp(min=0.0).sqrt()
    norms = torch.where(norms < _ZERO, 0.0, norms)
    divisor = torch.where(norms > 0, norms, torch.inf)
    return norms, (gram / divisor[:, None] / divisor).clamp(-1.0, 1.0)
