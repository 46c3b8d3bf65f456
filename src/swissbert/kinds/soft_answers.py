"""Answers as distributions: softened by a temperature, and how far two of them are from each other."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def softened(probabilities: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Return probabilities ``[..., C]`` as they would be with logits divided by a temperature; their sum stays 1."""
    if temperature == 1:
        return probabilities
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    shares: NDArray[Any] = powers / powers.sum(-1, keepdims=True)
    return shares


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-z)) of logits of any shape, without overflow."""
    powers = np.exp(-np.abs(logits))
    shares: NDArray[Any] = np.where(logits >= 0, 1.0, powers) / (1 + powers)
    return shares


def bernoulli_divergence(logits: "Tensor", others: "Tensor") -> "Tensor":
    """Return the symmetric Kullback-Leibler divergence of Bernoulli distributions, given by logits of any one shape.

    With p = sigmoid(z) and q = sigmoid(w), KL(p, q) + KL(q, p) is (p - q) (z - w), which is finite for all finite logits.
    """
    return (logits.sigmoid() - others.sigmoid()) * (logits - others)
