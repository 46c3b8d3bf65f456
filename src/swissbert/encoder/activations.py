"""Activations of the feed-forward part of a layer, by their names in ``config.json``."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from swissbert.encoder.activation_names import ACTIVATION_NAMES

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    name: _FUNCTIONS[function] for name, function in ACTIVATION_NAMES.items()
}
"""Functions by name."""
