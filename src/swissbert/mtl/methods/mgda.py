"""Multiple gradient descent (MGDA; Désidéri, 2012; Sener and Koltun, NeurIPS 2018)."""

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import factor, on_nonzero, summing_to_tasks


class MGDA(Balancer):
    """The shortest convex combination of the task gradients, which lowers all losses or is zero. Long gradients weigh little."""

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return the factors of the shortest convex combination, times the number of tasks."""
        return on_nonzero(step.needed_gram, shortest)


def shortest(norms: Tensor, cosines: Tensor) -> Tensor:
    """Return c ≥ 0 with the smallest cᵀG c among those that sum to T.

    Minimising ‖A x‖² + (Σx - 1)² over x ≥ 0, with AᵀA = G, gives a multiple of it: along a fixed direction the minimum over
    its length is q / (1 + q) with q = cᵀG c at length 1, which rises with q.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
    """
    root = factor(cosines) * (norms / norms.min()).numpy()
    x, _ = nnls(np.vstack([root, np.ones(len(norms))]), np.append(np.zeros(len(root)), 1.0))
    return summing_to_tasks(torch.from_numpy(x))
