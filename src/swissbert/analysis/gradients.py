"""Cosines between the tasks' gradients of a trained model, part by part of the encoder, over a sample of batches."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import torch

from swissbert.data.dataset import load_split
from swissbert.model_folder import Trained

ROWS = 32
"""Rows of one batch."""


def gradient_cosines(
    trained: Trained,
    directory: Path | None,
    batches: int = 6,
    seed: int = 0,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, list[float]]]:
    """Part of the encoder (``embeddings``, ``1`` and so on, ``pooler``) to pair of tasks to cosines, one a batch.

    Train rows, the first 2,000 of each task, dropout off; nothing is learned. Empty for a model of one task.
    """
    model, tasks = trained.model, trained.description.tasks
    if len(tasks) < 2:
        return {}
    data = {
        task.name: load_split(
            task,
            "train",
            directory,
            trained.tokenizer,
            **trained.reading(task),
            limit=2000,
        )
        for task in tasks
    }
    encoder = model.encoder
    parts = {
        "embeddings": encoder.embeddings,
        **{str(i + 1): layer for i, layer in enumerate(encoder.layers)},
        "pooler": encoder.pooler,
    }
    found: dict[str, dict[str, list[float]]] = {part: {} for part in parts}
    device = next(model.parameters()).device
    before = [parameter.requires_grad for parameter in encoder.parameters()]
    encoder.requires_grad_(True)
    try:
        for number in range(batches):
            gradients = {}
            for task in tasks:
                rows = data[task.name].shuffled(ROWS, 1, [seed, number])[0]
                loss = model.loss(data[task.name].batch(rows).to(device), task.name)
                gradients[task.name] = {
                    name: torch.cat(
                        [
                            g.flatten()
                            for g in torch.autograd.grad(
                                loss,
                                list(part.parameters()),
                                retain_graph=True,
                                allow_unused=True,
                                materialize_grads=True,
                            )
                        ]
                    )
                    for name, part in parts.items()
                }
                told(1)
            for a, b in combinations(gradients, 2):
                for part in parts:
                    cosine = torch.cosine_similarity(gradients[a][part], gradients[b][part], dim=0, eps=1e-30)
                    found[part].setdefault(f"{a}-{b}", []).append(float(cosine))
    finally:
        for parameter, wanted in zip(encoder.parameters(), before, strict=True):
            parameter.requires_grad_(wanted)
    return found
