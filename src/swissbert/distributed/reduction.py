"""Sums of gradients over the processes of a run, which arrive while other work goes on."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor, nn

from swissbert.distributed.world import World

Arrive = Callable[[], list[Tensor | None]]
"""Waits for sums and returns them: one for each parameter, None where no process has a gradient."""


class Reduction:
    """Adds the gradients of some parameters over all processes, by one message that has all of them end to end.

    A process that has no rows of a task has no gradients of it and adds zeros. The message also counts how many processes
    have a gradient of each parameter: where none has, the sum is None as with one process, and the optimizer leaves the
    parameter alone.

    Args:
        world: The processes.
        parameters: The parameters, the same ones in all processes.
    """

    def __init__(self, world: World, parameters: Sequence[nn.Parameter]) -> None:
        self._world, self._parameters = world, list(parameters)
        self._dtype = reduce(torch.promote_types, (p.dtype for p in self._parameters), torch.float32)
        self._ends = list(accumulate((p.numel() for p in self._parameters), initial=0))
        self._buffers: list[Tensor] = []
        self._used = 0

    def start(self, gradients: Sequence[Tensor | None]) -> Arrive:
        """Start the sum of gradients, one for each parameter; return a function that waits for it.

        The sums lie in memory that is used again after `reset`.
        """
        if not self._parameters:
            return list
        buffer, count = self._buffer(), len(self._parameters)
        message = [buffer[begin:end] for begin, end in zip(self._ends, self._ends[1:], strict=False)]
        for place, gradient in zip(message, gradients, strict=True):
            if gradient is None:
                place.zero_()
            else:
                place.copy_(gradient.reshape(-1))
        buffer[-count:] = torch.tensor([float(gradient is not None) for gradient in gradients], dtype=self._dtype)
        wait = self._world.start_sum(buffer)

        def arrive() -> list[Tensor | None]:
            wait()
            has_some = (buffer[-count:] > 0).tolist()
            return [
                place.view(parameter.shape).to(parameter.dtype) if has else None
                for place, parameter, has in zip(message, self._parameters, has_some, strict=True)
            ]

        return arrive

    def replace(self) -> None:
        """Replace ``grad`` of all parameters by its sum over the processes."""
        sums = self.start([parameter.grad for parameter in self._parameters])()
        for parameter, gradient in zip(self._parameters, sums, strict=True):
            parameter.grad = gradient

    def reset(self) -> None:
        """Allow the memory of all sums so far to be used again."""
        self._used = 0

    def _buffer(self) -> Tensor:
        if self._used == len(self._buffers):
            length = self._ends[-1] + len(self._parameters)
            self._buffers.append(torch.empty(length, dtype=self._dtype, device=self._parameters[0].device))
        self._used += 1
        return self._buffers[self._used - 1]
