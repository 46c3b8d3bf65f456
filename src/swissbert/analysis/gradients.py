"""Cosines between the tasks' gradients of a trained model, part by part of the encoder, over a sample of batches."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import torch

from swissbert.data.dataset import load_split
from swissbert.inference.model import Model
from swissbert.model.multitask import part_of

ROWS = 32
"""Rows of one batch."""


def gradient_cosines(
    trained: Model,
    directory: Path | None,
    batches: int = 6,
    seed: int = 0,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, list[float]]]:
    """Part of the encoder (``embeddings``, ``1`` and so on, ``pooler``) to pair of tasks to cosines, one a batch.

    Train rows, the first 2,000 of each task, dropout off; nothing is learned. Empty for a model of one task.
    """
    model, tasks = trained.network, trained.tasks.values()
    if len(tasks) < 2:
        return {}
    data = {
        task.name: load_split(
            task,
            "train",
            directory,
            trained.tokenizer,
            **trained.token_options(task),
            limit=2000,
        )
        for task in tasks
    }
    encoder = model.encoder
    named = [(part_of(name), parameter) for name, parameter in encoder.named_parameters()]
    found: dict[str, dict[str, list[float]]] = {part: {} for part, _ in named}
    device = next(model.parameters()).device
    before = [parameter.requires_grad for _, parameter in named]
    encoder.requires_grad_(True)
    try:
        for number in range(batches):
            gradients: dict[str, dict[str, torch.Tensor]] = {}
            for task in tasks:
                rows = data[task.name].shuffled(ROWS, 1, [seed, number])[0]
                loss = model.loss(data[task.name].batch(rows).to(device), task.name)
                parameters = [parameter for _, parameter in named]
                each = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
                gradients[task.name] = {
                    part: torch.cat([g.flatten() for (p, _), g in zip(named, each, strict=True) if p == part])
                    for part in found
                }
                told(1)
            for a, b in combinations(gradients, 2):
                for part, cosines in found.items():
                    cosine = torch.cosine_similarity(gradients[a][part], gradients[b][part], dim=0, eps=1e-30)
                    cosines.setdefault(f"{a}-{b}", []).append(float(cosine))
    finally:
        for (_, parameter), wanted in zip(named, before, strict=True):
            parameter.requires_grad_(wanted)
    return found
