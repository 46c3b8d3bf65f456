"""Dropout (Srivastava et al., 2014) with fast masks on a CPU, where torch's take up to a fifth of a training step."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Set values to 0 with probability `rate` and divide the others by ``1 - rate``.

    On a CPU the rate is rounded to a multiple of 1/65,536. Masks depend on torch's default generator only.

    Args:
        x: Any tensor.
        rate: Dropout rate, from 0 to below 1.
        training: Whether dropout is applied.

    Returns:
        A new tensor, or `x` itself if nothing is to be dropped.
    """
    if not training or rate == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    return x * _mask(x.shape, rate, x.dtype)


def _mask(shape: Sequence[int], rate: float, dtype: torch.dtype) -> Tensor:
    """Return factors of a shape and type: 0 for dropped values, ``1 / (1 - rate)`` for others; 16 random bits for each."""
    count = math.prod(shape)
    seed = int(torch.randint(2**63 - 1, ()).item())
    bits: np.ndarray = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)
    dropped = min(round(rate * 2**16), 2**16 - 1)
    kept = torch.from_numpy(bits[:count]).view(tuple(shape)) >= dropped - 2**15
    return kept.to(dtype).mul_(2**16 / (2**16 - dropped))
