"""Dropout (Srivastava et al., 2014). Drawing its masks is up to a fifth of a training step on a CPU, so how they are drawn counts."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Each value is 0 with probability `rate`, in 0 to below 1, and divided by the share that stays otherwise; `x` itself
    outside of training.

    On a CPU the rate is the nearest of 65,536 steps, and which values are dropped is for torch's default generator alone to say.
    """
    if not training or rate == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    return x * _mask(x.shape, rate).to(x.dtype)


def _mask(shape: Sequence[int], rate: float) -> Tensor:
    """Factors of so many values, float32: 0, or what keeps the mean as it is. Sixteen random bits decide each."""
    count = math.prod(shape)
    seed = int(torch.randint(2**63 - 1, ()).item())
    bits: np.ndarray = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)
    dropped = min(round(rate * 2**16), 2**16 - 1)
    kept = torch.from_numpy(bits[:count]).view(tuple(shape)) >= dropped - 2**15
    return kept.float().mul_(2**16 / (2**16 - dropped))
