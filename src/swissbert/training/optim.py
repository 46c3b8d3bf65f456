"""AdamW with parameter groups, and the learning-rate schedule as a pure function of the step."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from swissbert.config import LossSettings, TrainSettings


def make_optimizer(
    encoder: Iterable[nn.Parameter],
    heads: Iterable[nn.Parameter],
    weighting: nn.Module,
    train: TrainSettings,
    loss: LossSettings,
) -> torch.optim.AdamW:
    """AdamW over everything that learns. Norms, biases and loss weights are never decayed.

    Heads have their own rate (``train.head_lr``), loss weights too (``loss.lr``). Each group's own rate is kept as
    ``base_lr`` for `set_rates`.
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
    add(weighting.parameters(), loss.lr, 0.0)
    return torch.optim.AdamW(groups, fused=True)


def schedule_factor(step: int, total: int, train: TrainSettings) -> float:
    """What the rates are multiplied by at `step` (from 0) of `total`, in 0 to 1.

    Warm-up rises linearly over the first ``warmup * total`` steps; then the rate stays (``constant``), falls linearly
    to 0 (``linear``), or along half a cosine (``cosine``).
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
    """Set every group's rate to its own times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
