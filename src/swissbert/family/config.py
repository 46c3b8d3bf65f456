"""Sizes, rates and differences of an encoder of the BERT family. Does not import torch."""

from dataclasses import dataclass, replace

FARTHEST = 128
"""Distance of two tokens beyond which all distances have the same bias of attention."""
DIFFERENCES = ("member", "position_offset", "embedding_size", "layer_groups", "relative_buckets", "has_pooler")
"""Fields that BERT itself does not need."""


@dataclass(frozen=True)
class BertConfig:
    """Sizes and rates of an encoder; the defaults are those of bert-base-uncased.

    What follows `activation` are the differences that members of the family have from BERT.

    Attributes:
        vocab_size: Rows of the word embeddings.
        hidden_size: H, a multiple of `heads`.
        layers: Number of layers.
        heads: Attention heads of a layer.
        intermediate_size: Width of the feed-forward part of a layer.
        max_positions: Longest sequence in tokens.
        token_types: Rows of the token-type embeddings; 0 for an encoder without them.
        norm_eps: Epsilon of layer norms.
        dropout: Dropout rate of embeddings and layers.
        attention_dropout: Dropout rate of attention probabilities.
        initializer_range: Standard deviation of initial weights.
        activation: Name of the activation of the feed-forward part, in `ACTIVATION_NAMES`.
        member: Name of the member of the family, in `MEMBERS`; it decides names in files only.
        position_offset: Rows of the position embeddings before that of the first token.
        embedding_size: Width of embeddings that are projected to H; None for embeddings of width H.
        layer_groups: Number of distinct layers, which neighbours share; None for one of its own at each place.
        relative_buckets: Rows of a table of attention biases by distance; 0 for an encoder without one.
        has_pooler: Whether there is a pooler.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    layers: int = 12
    heads: int = 12
    intermediate_size: int = 3072
    max_positions: int = 512
    token_types: int = 2
    norm_eps: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    activation: str = "gelu"
    member: str = "bert"
    position_offset: int = 0
    embedding_size: int | None = None
    layer_groups: int | None = None
    relative_buckets: int = 0
    has_pooler: bool = True

    def with_dropout(self, rate: float | None) -> "BertConfig":
        """Return a copy with both dropout rates set to `rate`; the same object for None."""
        return self if rate is None else replace(self, dropout=rate, attention_dropout=rate)
