"""Collection and combination of task gradients, for methods that see all losses or the Gram matrix."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swissbert.distributed.reduction import Arrive, Reduction
from swissbert.distributed.world import ALONE, World

FEW = 6
"""Up to so many tensors are multiplied pair by pair, which is faster than `BLOCK` by `BLOCK`."""
BLOCK = 2**16
"""Values of each tensor that are multiplied at a time; those of 30 tensors are 8 MB, which a processor's cache may hold."""


class TaskGradients:
    """The gradients of each task of a step, kept while the next task is computed, and combined in place.

    T tasks need the memory of T gradients and no more: gradients are moved aside without a copy, and the combination is
    built in the memory of the first.

    Args:
        shared: The parameters that tasks share.
        own: Parameters of one task only, whose gradients are scaled by `combine` too. Parameters in neither list keep
            the gradients that autograd gives them.
        parts: The part of the model that each shared parameter belongs to, for `grams`; all the same if left out.
        world: Processes over which the gradients of each task are added before anything is computed from them.
    """

    def __init__(
        self,
        shared: Sequence[nn.Parameter],
        own: Sequence[nn.Parameter] = (),
        parts: Sequence[str] | None = None,
        world: World = ALONE,
    ) -> None:
        self._shared, self._own = list(shared), list(own)
        self._parts = list(parts) if parts else [""] * len(self._shared)
        self._kept: list[list[Tensor | None]] = []
        self._reduction = None if world.is_alone else Reduction(world, self.parameters)
        self._coming: list[Arrive] = []

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters whose gradients are kept."""
        return [*self._shared, *self._own]

    def keep(self) -> None:
        """Move the gradients of a task aside after its backward passes, so that the next task starts with none.

        With several processes their sum begins here and goes on during the passes of the next task.
        """
        gradients = [parameter.grad for parameter in self.parameters]
        if self._reduction is None:
            self._kept.append(gradients)
        else:
            self._coming.append(self._reduction.start(gradients))
        for parameter in self.parameters:
            parameter.grad = None

    def arrive(self) -> None:
        """Wait until all gradients that were kept are those of all processes."""
        coming, self._coming = self._coming, []
        self._kept += [arrive() for arrive in coming]

    def clear(self) -> None:
        """Forget all gradients that were kept."""
        self._kept, self._coming = [], []
        if self._reduction is not None:
            self._reduction.reset()

    def grams(self) -> dict[str, Tensor]:
        """Return the Gram matrix of the kept gradients for each part, ``[T, T]`` float64 on the CPU.

        Rows are in the order of `keep`. Their sum is the Gram matrix of all shared gradients. Values that overflow
        float32 are infinite or NaN.
        """
        self.arrive()
        tasks = len(self._kept)
        grams = {part: torch.zeros(tasks, tasks, dtype=torch.float64) for part in self._parts}
        # strict=False: own parameters follow the shared ones and have no part
        for part, *row in zip(self._parts, *self._kept, strict=False):
            present = torch.tensor(
                [task for task, gradient in enumerate(row) if gradient is not None], dtype=torch.int64
            )
            products = inner_products([gradient for gradient in row if gradient is not None])
            grams[part][present[:, None], present] += products
        return grams

    def combine(self, shared: Tensor, own: Tensor | None = None) -> None:
        """Put the combination of the kept gradients into ``grad`` and forget them.

        Args:
            shared: Factors of the task gradients of shared parameters, ``[T]`` in the order of `keep`.
            own: Factors for the parameters of one task only, ``[T]``; 1 if left out.
        """
        self.arrive()
        kept, self._kept = self._kept, []
        factors = shared.tolist()
        own_factors = [1.0] * len(factors) if own is None else own.tolist()
        count = len(self._shared)
        for number, (parameter, gradients) in enumerate(
            zip([*self._shared, *self._own], zip(*kept, strict=True), strict=True)
        ):
            for factor, gradient in zip(factors if number < count else own_factors, gradients, strict=True):
                if gradient is None:
                    continue
                if parameter.grad is None:
                    parameter.grad = gradient.mul_(factor)
                else:
                    parameter.grad.add_(gradient, alpha=factor)


def inner_products(tensors: Sequence[Tensor]) -> Tensor:
    """Return the inner products of n tensors of one shape, ``[n, n]`` float64 on the CPU.

    Products are float32. Of many tensors each is read once and not once a pair, so that the time grows with n while memory is what
    takes time.
    """
    rows = [tensor.flatten() for tensor in tensors]
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    if len(rows) <= FEW:
        for i, a in enumerate(rows):
            for j, b in enumerate(rows[: i + 1]):
                products[i, j] = products[j, i] = torch.dot(a, b).double().cpu()
        return products
    for start in range(0, rows[0].numel(), BLOCK):
        block = torch.stack([row[start : start + BLOCK] for row in rows])  # [n, BLOCK]
        products += (block @ block.T).double().cpu()
    return products.tril() + products.tril(-1).T  # exactly symmetric, which a product of matrices need not be
