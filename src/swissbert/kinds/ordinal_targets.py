"""Soft targets of ordered classes: a class that is near the right one gets a part of the probability."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST, LARGEST = 0.01, 100.0
"""Range of ``ordinal_smoothing``: from practically one-hot targets to practically equal ones."""


def ordinal_targets(labels: "Tensor", classes: int, smoothing: float) -> "Tensor":
    """Return the target distributions of ordered classes.

    The target of class c for a row with label y is the softmax over c of ``-|c - y| / smoothing``: the soft ordinal vectors
    (SORD) of Díaz and Marathe (2019, Soft Labels for Ordinal Regression) with the absolute difference as the distance. Each
    step away from the label multiplies the target by ``exp(-1 / smoothing)``.

    Of a row whose label is a distribution over classes (distillation), each class spreads its probability in this way: the
    target is ``labels @ K``, where row y of K is the target of label y, which is linear in the labels.

    Args:
        labels: Class numbers ``[B]``, from 0 to below `classes`, or probabilities of the classes ``[B, C]``.
        classes: Number of classes C, which are in their order.
        smoothing: Distance in classes over which a target falls to 1/e, from `SMALLEST` to `LARGEST`.

    Returns:
        Probabilities, fp32 ``[B, C]``, whose rows sum to 1.
    """
    import torch

    if labels.dim() == 2:
        return labels @ ordinal_targets(torch.arange(classes, device=labels.device), classes, smoothing)
    numbers = torch.arange(classes, device=labels.device, dtype=torch.float32)
    distances = (numbers - labels.float().unsqueeze(1)).abs()
    return (-distances / smoothing).softmax(1)
