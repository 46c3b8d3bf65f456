"""Random loss weights (RLW; Lin et al., 2022), a control for methods that claim more."""

from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from swissbert.mtl.balancing import Balancer, StepView


class RLW(Balancer):
    """Weights T·softmax(z) with z drawn from N(0, 1) anew at each step; seed, step and task name determine them."""

    needs = "all losses"

    def coefficients(self, step: StepView) -> Tensor:
        """Return T·softmax(z)."""
        drawn = [
            np.random.default_rng([crc32(b"rlw"), step.seed, step.step, crc32(task.encode())]).standard_normal()
            for task in step.tasks
        ]
        return len(step.tasks) * torch.softmax(torch.tensor(drawn, dtype=torch.float64), dim=0)
