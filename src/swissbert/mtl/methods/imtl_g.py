"""Impartial multitask learning, its gradient part (IMTL-G; Liu et al., ICLR 2021)."""

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import on_nonzero, summing_to_tasks


class IMTLG(Balancer):
    """The combination whose projection on every task gradient has the same length. Factors may be negative."""

    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        """Return factors that sum to the number of tasks; all 1 where no combination has equal projections."""
        return on_nonzero(step.needed_gram, equal_projections)


def equal_projections(norms: Tensor, cosines: Tensor) -> Tensor:
    """Return c with (G c)ᵢ / ‖gᵢ‖ the same for all tasks, summing to T.

    Args:
        norms: Norms of the gradients, ``[T]``, above 0.
        cosines: Their cosines, ``[T, T]``.
    """
    ones = torch.ones_like(norms)
    factors = torch.linalg.lstsq(cosines, ones, driver="gelsd").solution / norms  # in units of 1 / norm
    return summing_to_tasks(factors)
