"""Gradients of what tasks share, task by task, for gradient surgery."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from swissbert.mtl.surgery import conflicts, random_orders, surgery_coefficients


class SharedGradients:
    """Keeps one gradient a task while the next is computed, and combines them in place.

    T tasks cost T gradients of the shared parameters and no more: the last one stays where autograd put it, and the
    sum is built up in the memory of the first. Parameters of one task alone, its head's, are left as they are.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._kept: list[list[Tensor | None]] = []

    def set_aside(self) -> None:
        """A task's backward passes are done: take its gradients away, so that the next task begins with none."""
        self._kept.append([parameter.grad for parameter in self._parameters])
        for parameter in self._parameters:
            parameter.grad = None

    def operate(self, tasks: Sequence[str], seed: Sequence[int]) -> dict[str, dict[str, float]]:
        """Put the projected update (paper, Section 4.2, Gradient Surgery) into ``grad``, after the last task.

        `tasks` names the step's tasks in the order of their backward passes. Returns the ``cosine`` of each pair of task
        gradients and, under ``conflicts``, the share of pairs that conflict.
        """
        self.set_aside()
        kept, self._kept = self._kept, []
        gram = torch.zeros(len(kept), len(kept), dtype=torch.float64)
        for gradients in zip(*kept, strict=True):
            for i, a in enumerate(gradients):
                for j, b in enumerate(gradients[: i + 1]):
                    if a is not None and b is not None:
                        gram[i, j] += torch.dot(a.flatten(), b.flatten()).double().cpu()
        gram += gram.tril(-1).T
        factors = surgery_coefficients(gram, random_orders(len(kept), seed)).tolist()
        for parameter, gradients in zip(self._parameters, zip(*kept, strict=True), strict=True):
            for factor, gradient in zip(factors, gradients, strict=True):
                if gradient is None:
                    continue
                if parameter.grad is None:
                    parameter.grad = gradient.mul_(factor)
                else:
                    parameter.grad.add_(gradient, alpha=factor)
        cosines, share = conflicts(gram)
        pairs = {f"{tasks[i]}-{tasks[j]}": cosines[i, j].item() for i, j in combinations(range(len(tasks)), 2)}
        return {"cosine": pairs, "conflicts": {"share": share}}
