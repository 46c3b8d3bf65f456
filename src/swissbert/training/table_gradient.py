"""The gradient of the word table, which is large and of which a batch changes few rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class TableGradient:
    """Collects the gradient of an embedding on the CPU row by row, in memory that is used again in the next step.

    By default the backward pass of a lookup creates a tensor of the size of the table, fills it with zeros, and adds it to the
    gradients of earlier batches: of MiniLM's 47 MB, once for each batch. Here ``grad`` is dense and zero before the passes, and
    autograd adds the rows that a batch has read. The values are the same, up to the order in which batches are added.

    Args:
        table: The embedding. Where it does not learn, or is on another device, nothing changes.
    """

    def __init__(self, table: nn.Embedding) -> None:
        self._table = table
        self._memory: list[Tensor] = []
        self._used = 0

    @contextmanager
    def by_rows(self) -> Iterator[None]:
        """Run the passes of a step in the block. All gradients of earlier steps may be overwritten."""
        self._used = 0
        self._table.sparse = self._applies
        try:
            yield
        finally:
            self._table.sparse = False

    def begin(self) -> None:
        """Set `grad` to a zero tensor before the passes of a task."""
        if not self._applies:
            return
        if self._used == len(self._memory):
            self._memory.append(torch.zeros_like(self._table.weight))
        gradient = self._memory[self._used].zero_()
        self._used += 1
        self._table.weight.grad = gradient

    @property
    def _applies(self) -> bool:
        return self._table.weight.requires_grad and self._table.weight.device.type == "cpu"
