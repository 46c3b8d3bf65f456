"""The gradient of a run's first step, by which a resumed run notices that the same step computes other numbers here."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Gradient:
    """The SHA-256 checksum of a gradient.

    Attributes:
        checksum: The checksum; None before the step.
    """

    checksum: str | None = None


@contextmanager
def watched(optimizer: torch.optim.Optimizer) -> Iterator[Gradient]:
    """Yield the gradient of the step that an optimizer makes in the block."""
    gradient = Gradient()

    def add(optimizer: torch.optim.Optimizer, *_: object) -> None:
        digest = hashlib.sha256()
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    digest.update(parameter.grad.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        gradient.checksum = digest.hexdigest()

    handle = optimizer.register_step_pre_hook(add)
    try:
        yield gradient
    finally:
        handle.remove()
