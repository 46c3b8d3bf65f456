"""Where a trained model's attention goes in one sentence or pair, as numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from swissbert.data.batches import pack
from swissbert.inference.model import Model


@dataclass(frozen=True)
class Attended:
    """One sequence with all its attention: ``weights[layers, heads, L, L]``, row i says where token i looks.

    `boundary` is where the second sentence begins, L where there is none.
    """

    tokens: list[str]
    boundary: int
    weights: torch.Tensor


@torch.inference_mode()
def attended(trained: Model, text: str, text_pair: str | None = None) -> Attended:
    """Attention over a sentence, or over a pair in one sequence as a model with pair encoding reads it."""
    table = trained.tokenizer.encode(
        [text],
        [text_pair] if text_pair is not None else None,
        together=True,
        max_length=trained.description.encoder.max_length,
    )
    batch = pack(table, np.array([0])).to(next(trained.network.parameters()).device)
    encoder = trained.network.encoder
    found = encoder(batch.input_ids, batch.token_type_ids, batch.lengths, keep_attentions=True)
    weights = torch.stack([layer[0] for layer in found.attentions]).float().cpu()
    return Attended(trained.tokenizer.words(batch.input_ids.tolist()), int(table.first[0]), weights)


def to_bertviz(trained: Model, text: str, text_pair: str | None = None) -> dict[str, Any]:
    """Arguments of bertviz's ``head_view`` and ``model_view``: attention ``[1, heads, L, L]`` of each layer, tokens.

    ``head_view(**to_bertviz(model, "How are you?", "Are you well?"))`` in a notebook.
    """
    found = attended(trained, text, text_pair)
    arguments: dict[str, Any] = {"attention": tuple(layer[None] for layer in found.weights), "tokens": found.tokens}
    if found.boundary < len(found.tokens):
        arguments["sentence_b_start"] = found.boundary
    return arguments
