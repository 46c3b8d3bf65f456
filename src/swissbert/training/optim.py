"""AdamW with parameter groups, and the learning-rate schedule as a pure function of the step."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from swissbert.config import LossSettings, TrainSettings


def make_optimizer(
    encoder: Iterable[nn.Parameter],
    heads: Iterable[nn.Parameter],
    balancers: Iterable[nn.Parameter],
    train: TrainSettings,
    loss: LossSettings,
) -> torch.optim.AdamW:
    """Create the optimizer of all parameters that learn.

    Norms, biases and the parameters of balancing methods are not decayed. Each group keeps its own rate as ``base_lr``
    for `set_rates`.

    Args:
        encoder: Parameters at the rate ``train.lr``.
        heads: Parameters at the rate ``train.head_lr``.
        balancers: Parameters of balancing methods, at the rate ``loss.lr``.
        train: Rates and weight decay.
        loss: Rate of `balancers`.
    """
    groups: list[dict[str, object]] = []

    def add(parameters: Iterable[nn.Parameter], lr: float, decay: float) -> None:
        chosen = [p for p in parameters if p.requires_grad]
        if chosen:
            groups.append({"params": chosen, "lr": lr, "base_lr": lr, "weight_decay": decay})

    for parameters, lr in (
        (list(encoder), train.lr),
        (list(heads), train.head_lr or train.lr),
    ):
        add((p for p in parameters if p.ndim > 1), lr, train.weight_decay)
        add((p for p in parameters if p.ndim <= 1), lr, 0.0)
    add(balancers, loss.lr, 0.0)
    return torch.optim.AdamW(groups, fused=True)


def schedule_factor(step: int, total: int, train: TrainSettings) -> float:
    """Return the factor of the learning rates at a step.

    The warm-up rises linearly over the first ``warmup * total`` steps. Then the rate stays (``constant``), falls linearly
    to 0 (``linear``), or follows half a cosine (``cosine``).

    Args:
        step: Number of the step, from 0.
        total: Number of steps of the run.
        train: Schedule and warm-up.

    Returns:
        A number from 0 to 1.
    """
    warm = round(train.warmup * total)
    if step < warm:
        return (step + 1) / (warm + 1)
    share = (step - warm) / max(1, total - warm)
    if train.schedule == "linear":
        return max(0.0, 1.0 - share)
    if train.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
    return 1.0


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the rate of each parameter group to its ``base_lr`` times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
