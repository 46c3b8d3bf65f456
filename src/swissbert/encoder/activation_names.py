"""Names of the activations of the feed-forward part of a layer in ``config.json``. Does not import torch."""

ACTIVATION_NAMES = {
    "gelu": "gelu",  # exact, with erf
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""The function that each name stands for. Several names of one function exist because transformers has an implementation for each."""
