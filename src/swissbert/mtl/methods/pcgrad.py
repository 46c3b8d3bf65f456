"""Gradient surgery (paper, Section 4.2, Gradient Surgery; PCGrad of Yu et al., NeurIPS 2020) on the Gram matrix."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import normalised


class PCGrad(Balancer):
    """Each task gradient is projected off the gradients that it conflicts with; the update is the sum of the projections."""

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return `pcgrad_coefficients` for orders that the seed of the run and the number of the step determine."""
        return pcgrad_coefficients(step.needed_gram, random_orders(len(step.tasks), [step.seed, step.step]))


def random_orders(tasks: int, seed: Sequence[int]) -> list[list[int]]:
    """Draw, for each task, the order in which its gradient is compared with the others.

    Args:
        tasks: Number of tasks.
        seed: Numbers of at least 0, such as the seed of the run and the step. They alone determine the result.

    Returns:
        One permutation of all tasks per task.
    """
    generator = np.random.default_rng([crc32(b"surgery"), *seed])
    return [generator.permutation(tasks).tolist() for _ in range(tasks)]


def pcgrad_coefficients(gram: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Return the factors of the task gradients whose combination is the projected update.

    Each gᵢ becomes gᵢ − (gᵢ·gⱼ / ‖gⱼ‖²) gⱼ for one j ≠ i after the other, in the order ``orders[i]``, where the current gᵢ
    and the original gⱼ have a negative inner product. The update is the *sum* of the results.

    Args:
        gram: Inner products of the gradients, ``[T, T]``.
        orders: One order per task, as `random_orders` draws them.

    Returns:
        Factors ``[T]``, float64 on the CPU, at least 1; exactly 1 for a zero gradient and for one without conflict. They
        are huge where a tiny gradient conflicts with a large one.

    Raises:
        ValueError: If the matrix is not square or not finite, or the number of orders is not T.
    """
    norms, cosines = normalised(gram)
    update = torch.zeros_like(norms)  # in multiples of gₖ/‖gₖ‖, so that nothing is squared or divided by zero
    for i, order in zip(range(len(norms)), orders, strict=True):
        projected = torch.zeros_like(norms)
        projected[i] = 1.0
        for j in order:
            if j != i:
                projected[j] -= (cosines[j] @ projected).clamp(max=0.0)
        update += norms[i] * projected
    return torch.where(norms > 0, update / norms, 1.0)
