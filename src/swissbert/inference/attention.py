"""Attention weights of a trained model for one sentence or pair."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.data.packing import packed_arrays
from swissbert.data.token_table import TokenTable
from swissbert.inference.int8_model import Int8Model
from swissbert.inference.model import Model

if TYPE_CHECKING:
    from swissbert.model.multitask import MultitaskModel


@dataclass(frozen=True)
class AttentionWeights:
    """Attention of every layer and head over one sequence.

    Attributes:
        tokens: The L word pieces, special tokens included.
        boundary: Index of the first token of the second sentence; L for a single sentence.
        weights: fp32 ``[layers, heads, L, L]``; row i is the distribution of token i over all tokens.
    """

    tokens: list[str]
    boundary: int
    weights: np.ndarray


def attention_table(model: Model, text: str, text_pair: str | None = None, max_length: int | None = None) -> TokenTable:
    """Tokenize a sentence, or a pair as one sequence: a table of one row.

    Args:
        model: The model.
        text: A text.
        text_pair: The second text of a pair.
        max_length: Tokens to truncate to; None for the length that the model was trained with.
    """
    pairs = None if text_pair is None else [text_pair]
    length = model.description.encoder.max_length if max_length is None else max_length
    return model.tokenizer.encode([text], pairs, together=True, max_length=length)


def table_attention(model: Model, table: TokenTable) -> AttentionWeights:
    """Return the attention over the first row of a table, as `attention_table` makes it.

    That of an int8 model is computed with its rounded weights.
    """
    rows = np.array([0])
    batch = packed_arrays(table, rows)
    engine = model.engine
    weights = engine.encoder.attention(batch) if isinstance(engine, Int8Model) else _of_network(engine, table, rows)
    return AttentionWeights(model.tokenizer.words(batch.input_ids.tolist()), int(table.first[0]), weights)


def _of_network(network: "MultitaskModel", table: TokenTable, rows: np.ndarray) -> np.ndarray:
    """Return the attention over the row of one number, fp32 ``[layers, heads, L, L]``."""
    import torch

    from swissbert.data.batches import pack

    batch = pack(table, rows).to(network.device)
    with torch.inference_mode():
        output = network.encoder(batch.input_ids, batch.token_type_ids, batch.lengths, keep_attentions=True)
        weights: np.ndarray = torch.stack([layer[0] for layer in output.attentions]).float().cpu().numpy()
    return weights


def attention_weights(model: Model, text: str, text_pair: str | None = None) -> AttentionWeights:
    """Return the attention over a sentence, or over a pair that is encoded as one sequence.

    Args:
        model: The model.
        text: A text.
        text_pair: The second text of a pair.
    """
    return table_attention(model, attention_table(model, text, text_pair))


def to_bertviz(model: Model, text: str, text_pair: str | None = None) -> dict[str, Any]:
    """Return arguments for bertviz's ``head_view`` and ``model_view``.

    In a notebook: ``head_view(**to_bertviz(model, "How are you?", "Are you well?"))``.

    Returns:
        ``attention``, a tuple of tensors ``[1, heads, L, L]`` per layer; ``tokens``; and for pairs ``sentence_b_start``.
    """
    import torch

    result = attention_weights(model, text, text_pair)
    layers = tuple(torch.from_numpy(layer[None]) for layer in result.weights)
    arguments: dict[str, Any] = {"attention": layers, "tokens": result.tokens}
    if result.boundary < len(result.tokens):
        arguments["sentence_b_start"] = result.boundary
    return arguments
