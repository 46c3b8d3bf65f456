"""Cosines between the task gradients of a trained model, by part of the encoder."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor, nn

from swissbert.data.dataset import TaskData, load_split
from swissbert.encoder.pooling import POOLINGS
from swissbert.inference.model import Model
from swissbert.model.multitask import part_of

ROWS = 32
"""Rows of one batch."""
TRAIN_ROWS = 2000
"""Train rows of each task that batches are drawn from."""


def gradient_cosines(
    model: Model,
    directory: Path | None,
    batches: int = 6,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda batches: None,
) -> dict[str, dict[str, list[float]]]:
    """Compare the gradients of every two tasks on batches of train rows, without dropout. Weights do not change.

    Args:
        model: The model.
        directory: Directory of the data files.
        batches: Number of batches of each task.
        seed: Seed of the order of rows.
        on_progress: Called with 1 after each backward pass.

    Returns:
        Part of the encoder (``embeddings``, ``1`` and so on, ``pooler`` if the pooling uses it) to pair of tasks to one
        cosine per batch. Empty for a model of one task.
    """
    tasks = list(model.tasks.values())
    if len(tasks) < 2:
        return {}
    data = {
        task.name: load_split(task, "train", directory, model.tokenizer, **model.token_options(task), limit=TRAIN_ROWS)
        for task in tasks
    }
    encoder = model.network.encoder
    named = [(part_of(name), parameter) for name, parameter in encoder.named_parameters()]
    if not POOLINGS[encoder.pooling].uses_pooler:
        named = [(part, parameter) for part, parameter in named if part != "pooler"]  # no gradients, so no cosine
    cosines: dict[str, dict[str, list[float]]] = {part: {} for part, _ in named}
    trainable = [parameter.requires_grad for _, parameter in named]
    encoder.requires_grad_(True)
    try:
        for number in range(batches):
            gradients: dict[str, dict[str, Tensor]] = {}
            for name, rows in data.items():
                gradients[name] = _gradient(model, rows, named, [seed, number])
                on_progress(1)
            for a, b in combinations(gradients, 2):
                for part, values in cosines.items():
                    cosine = torch.cosine_similarity(gradients[a][part], gradients[b][part], dim=0, eps=1e-30)
                    values.setdefault(f"{a}-{b}", []).append(float(cosine))
    finally:
        for (_, parameter), value in zip(named, trainable, strict=True):
            parameter.requires_grad_(value)
    return cosines


def _gradient(
    model: Model, data: TaskData, named: list[tuple[str, nn.Parameter]], seed: list[int]
) -> dict[str, Tensor]:
    """Return the gradient of one batch, flat, by part of the encoder."""
    rows = data.shuffled(ROWS, 1, seed)[0]
    device = next(model.network.parameters()).device
    loss = model.network.loss(data.batch(rows).to(device), data.task.name)
    parameters = [parameter for _, parameter in named]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return {
        part: torch.cat([g.flatten() for (p, _), g in zip(named, gradients, strict=True) if p == part])
        for part in dict.fromkeys(part for part, _ in named)
    }
