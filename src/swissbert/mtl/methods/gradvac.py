"""Gradient vaccine (GradVac; Wang et al., ICLR 2021)."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView
from swissbert.mtl.gram import normalised
from swissbert.mtl.methods.pcgrad import random_orders

BETA = 0.5
"""Share of the newest cosine in its running mean."""


class GradVac(Balancer):
    """Gradient surgery that pulls each pair of task gradients up to their usual cosine, not only to a right angle."""

    needs = "gram"

    usual: Tensor

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create the running means of the cosines, ``[tasks, tasks]`` from 0: a step starts as PCGrad."""
        super().setup(tasks)
        self.register_buffer("usual", torch.zeros(len(self.tasks), len(self.tasks), dtype=torch.float64))
        return self

    def coefficients(self, step: StepView) -> Tensor:
        """Return the factors of the sum of the corrected gradients, and update the running means."""
        norms, cosines = normalised(step.needed_gram)
        places = [self.tasks.index(task) for task in step.tasks]
        orders = random_orders(len(norms), [step.seed, step.step])
        update = torch.zeros_like(norms)  # in multiples of gₖ/‖gₖ‖
        for i, order in enumerate(orders):
            corrected = torch.zeros_like(norms)
            corrected[i] = 1.0
            for j in order:
                if j != i and norms[i] > 0 and norms[j] > 0:
                    usual = self.usual[places[i], places[j]]
                    length = (corrected @ cosines @ corrected).clamp(min=0).sqrt()
                    cosine = (cosines[j] @ corrected / length.clamp(min=1e-150)).clamp(-1, 1)
                    if cosine < usual:
                        sine, usual_sine = (1 - cosine.square()).sqrt(), (1 - usual.square()).clamp(min=1e-16).sqrt()
                        corrected[j] += length * (usual * sine - cosine * usual_sine) / usual_sine
                    self.usual[places[i], places[j]] = (1 - BETA) * usual + BETA * cosine
            update += norms[i] * corrected
        return torch.where(norms > 0, update / norms, 1.0)
