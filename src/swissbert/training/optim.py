"""AdamW with parameter groups, and the learning-rate schedule as a pure function of the step."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from swissbert.config import LossSettings, TrainSettings


def make_optimizer(
    encoder: Iterable[nn.Parameter],
    heads: Iterable[nn.Parameter],
    balancers: Iterable[nn.Parameter],
    train: TrainSettings,
    loss: LossSettings,
    *,
    parts: Sequence[str] = (),
) -> torch.optim.AdamW:
    """Create the optimizer of all parameters that learn.

    Norms, biases and the parameters of balancing methods are not decayed. Each group keeps its own rate as ``base_lr``
    for `set_rates`.

    Args:
        encoder: Parameters at the rate ``train.lr``, or with ``train.layer_decay`` that of their layer.
        heads: Parameters at the rate ``train.head_lr``.
        balancers: Parameters of balancing methods, at the rate ``loss.lr``.
        train: Rates and weight decay.
        loss: Rate of `balancers`.
        parts: The part of the encoder that each of its parameters belongs to, by `swissbert.model.multitask.part_of`;
            needed where ``train.layer_decay`` is below 1.
    """
    groups: list[dict[str, object]] = []

    def add(parameters: Iterable[nn.Parameter], lr: float, decay: float) -> None:
        chosen = [p for p in parameters if p.requires_grad]
        if chosen:
            groups.append({"params": chosen, "lr": lr, "base_lr": lr, "weight_decay": decay})

    for parameters, lr in (
        *_encoder_rates(list(encoder), train, parts),
        (list(heads), train.head_lr or train.lr),
    ):
        add((p for p in parameters if p.ndim > 1), lr, train.weight_decay)
        add((p for p in parameters if p.ndim <= 1), lr, 0.0)
    add(balancers, loss.lr, 0.0)
    return torch.optim.AdamW(groups, fused=True)


def _encoder_rates(
    encoder: list[nn.Parameter], train: TrainSettings, parts: Sequence[str]
) -> list[tuple[list[nn.Parameter], float]]:
    """Return the parameters of the encoder by their rate: all at one, or one list a part."""
    if train.layer_decay == 1:  # the groups of runs that began before this setting existed
        return [(encoder, train.lr)]
    by_part: dict[str, list[nn.Parameter]] = {}
    for part, parameter in zip(parts, encoder, strict=True):
        by_part.setdefault(part, []).append(parameter)
    factors = layer_factors(parts, train.layer_decay)
    return [(parameters, train.lr * factors[part]) for part, parameters in by_part.items()]


def layer_factors(parts: Iterable[str], decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each part of an encoder with L layers.

    The factor of layer l is ``decay ** (L - l)``, where 1 is the lowest layer and L the top one. The embeddings, which are
    below layer 1, have ``decay ** L``, and the pooler has 1 as the top layer does. These are the discriminative rates of
    Howard and Ruder (2018, ULMFiT) in the form that Sun et al. (2019, How to Fine-Tune BERT for Text Classification)
    give for BERT.

    Args:
        parts: Names of parts: ``embeddings``, layers from ``1``, and ``pooler``.
        decay: Ratio of the rates of a layer and the layer above it, above 0 and up to 1.
    """
    names = dict.fromkeys(parts)
    layers = max((int(name) for name in names if name.isdigit()), default=0)
    heights = {"embeddings": 0, "pooler": layers}
    return {name: decay ** (layers - (int(name) if name.isdigit() else heights[name])) for name in names}


def layer_decay_line(train: TrainSettings, parts: Iterable[str], *, learns: bool) -> str:
    """Say how far ``train.layer_decay`` lowers the learning rates of the encoder; empty where it is off.

    Args:
        train: Rates.
        parts: Names of the encoder's parts, as for `layer_factors`.
        learns: Whether the encoder is trained.
    """
    if train.layer_decay == 1:
        return ""
    if not learns:
        return f"train.layer_decay = {train.layer_decay:g} has no effect, because encoder.freeze = true"
    factors = layer_factors(parts, train.layer_decay)
    lowest = min(factors, key=lambda part: factors[part])
    return (
        f"train.layer_decay = {train.layer_decay:g}: the learning rate of the encoder rises from "
        f"{train.lr * factors[lowest]:.3g} ({lowest}) to {train.lr:.3g} (top layer)"
    )


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
