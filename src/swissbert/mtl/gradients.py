"""Gradients of what tasks share, task by task, for gradient surgery."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from swissbert.mtl.surgery import conflicts, random_orders, surgery_coefficients


class SharedGradients:
    """Keeps one gradient a task while the next is computed, and combines them in place.

    T tasks cost T gradients of the shared parameters and no more: the last one stays where autograd put it, and the
    sum is built up in the memory of the first. Parameters of one task alone, its head's, are left as they are.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], parts: Sequence[str] | None = None) -> None:
        """`parts` says which part of the model each parameter is of, for cosines part by part."""
        self._parameters = list(parameters)
        self._parts = list(parts) if parts else [""] * len(self._parameters)
        self._kept: list[list[Tensor | None]] = []

    def set_aside(self) -> None:
        """A task's backward passes are done: take its gradients away, so that the next task begins with none."""
        self._kept.append([parameter.grad for parameter in self._parameters])
        for parameter in self._parameters:
            parameter.grad = None

    def operate(self, tasks: Sequence[str], seed: Sequence[int], *, by_part: bool = False) -> dict[str, Any]:
        """Put the projected update (paper, Section 4.2, Gradient Surgery) into ``grad``, after the last task.

        `tasks` names the step's tasks in the order of their backward passes. Returns the ``cosine`` of each pair of task
        gradients and, under ``conflicts``, the share of pairs that conflict; with `by_part` also ``cosine_by_layer``, the
        cosines within each part.
        """
        self.set_aside()
        kept, self._kept = self._kept, []
        grams = {part: torch.zeros(len(kept), len(kept), dtype=torch.float64) for part in self._parts}
        for part, *row in zip(self._parts, *kept, strict=True):
            gram = grams[part]
            for i, a in enumerate(row):
                for j, b in enumerate(row[: i + 1]):
                    if a is not None and b is not None:
                        gram[i, j] += torch.dot(a.flatten(), b.flatten()).double().cpu()
        for gram in grams.values():
            gram += gram.tril(-1).T
        gram = torch.stack(list(grams.values())).sum(0)
        if not gram.isfinite().all():
            raise FloatingPointError("a task's gradient is too large for float32")
        factors = surgery_coefficients(gram, random_orders(len(kept), seed)).tolist()
        for parameter, gradients in zip(self._parameters, zip(*kept, strict=True), strict=True):
            for factor, gradient in zip(factors, gradients, strict=True):
                if gradient is None:
                    continue
                if parameter.grad is None:
                    parameter.grad = gradient.mul_(factor)
                else:
                    parameter.grad.add_(gradient, alpha=factor)
        record: dict[str, Any] = {"cosine": _cosines(gram, tasks), "conflicts": {"share": conflicts(gram)[1]}}
        if by_part:
            record["cosine_by_layer"] = {part: _cosines(each, tasks) for part, each in grams.items()}
        return record


def _cosines(gram: Tensor, tasks: Sequence[str]) -> dict[str, float]:
    cosines, _ = conflicts(gram)
    return {f"{tasks[i]}-{tasks[j]}": cosines[i, j].item() for i, j in combinations(range(len(tasks)), 2)}
