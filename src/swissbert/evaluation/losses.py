"""The loss of a task over labelled rows, as training minimises it but without dropout."""

import math

import torch

from swissbert.data.dataset import TaskData
from swissbert.kinds import Array
from swissbert.model.heads.base import Head


def dev_loss(head: Head, data: TaskData, logits: Array) -> float:
    """Return the mean loss of rows; class weights of the task and smoothing of targets count, weights of rows do not.

    Args:
        head: The head of the task.
        data: The rows, with labels.
        logits: Their logits without dropout, fp32 ``[N, outputs]``.
    """
    device = next(head.parameters(), torch.empty(0)).device
    labels = torch.from_numpy(data.labels.astype("float32")).to(device)
    with torch.inference_mode():
        batch = torch.from_numpy(logits).to(device)
        weights = data.weights_of(data.labels, None)
        if weights is None:
            value = float(head.loss(batch, labels))
        else:
            value = float(head.weighted_loss(batch, labels, torch.from_numpy(weights.astype("float32")).to(device)))
    return value if math.isfinite(value) else math.inf
