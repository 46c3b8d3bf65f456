"""The encoder: BERT as in Devlin et al. (2019), and what its family adds, on packed or padded tokens.

``T`` is the number of tokens in a batch, ``B`` of sequences, ``L`` the longest sequence, ``H`` the hidden size.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.attention import Layout, PackedLayout, attend, attend_first, attend_fused, distance_buckets
from swissbert.encoder.dropout import dropout
from swissbert.encoder.pooling import POOLINGS, check_pooling
from swissbert.encoder.shapes import stack
from swissbert.family.config import BertConfig


@dataclass(frozen=True)
class Encoded:
    """Outputs of an encoder pass.

    Attributes:
        hidden: Hidden states of the last layer, ``[T, H]``.
        pooled: Pooled output of each sequence, ``[B, W]``; see `Bert.pool`.
        all_hidden: Embeddings and hidden states of every layer, each ``[T, H]``, if asked for; else empty.
        attentions: Attention probabilities of every layer, each ``[B, heads, L, L]``, if asked for; else empty.
    """

    hidden: Tensor
    pooled: Tensor
    all_hidden: list[Tensor]
    attentions: list[Tensor]


def _table(rows: int, width: int) -> nn.Embedding:
    """Return an embedding with uninitialised weights.

    The constructor of ``nn.Embedding`` initialises them, which on the meta device imports modules for about a second.
    """
    table: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)  # type: ignore[no-untyped-call]
    return table


class Embeddings(nn.Module):
    """Sum of word, position and token-type embeddings, normalised, and projected to H where they are narrower."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.embedding_size or config.hidden_size
        self.word = _table(config.vocab_size, width)
        self.position = _table(config.position_offset + config.max_positions, width)
        self.token_type = _table(config.token_types, width) if config.token_types else None
        self.norm = nn.LayerNorm(width, config.norm_eps)
        self.projection = nn.Linear(width, config.hidden_size) if config.embedding_size else None
        self.dropout, self.offset = config.dropout, config.position_offset

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, positions: Tensor) -> Tensor:
        """Return embeddings ``[T, H]``; each argument is int64 ``[T]``."""
        total = self.word(input_ids) + self.position(positions + self.offset if self.offset else positions)
        if self.token_type is not None:
            total = total + self.token_type(token_type_ids)
        hidden = dropout(self.norm(total), self.dropout, self.training)
        return hidden if self.projection is None else self.projection(hidden)


class Layer(nn.Module):
    """Self-attention and feed-forward, each followed by dropout, residual and layer norm (post-norm)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.heads, self.dropout, self.attention_dropout = config.heads, config.dropout, config.attention_dropout
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.attention_out = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, config.norm_eps)
        self.up = nn.Linear(hidden, inner)
        self.down = nn.Linear(inner, hidden)
        self.norm = nn.LayerNorm(hidden, config.norm_eps)
        self.activation = ACTIVATIONS[config.activation]

    def forward(
        self, hidden: Tensor, layout: Layout, bias: Tensor | None = None, *, keep: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return hidden states ``[T, H]``, and with `keep` attention probabilities ``[B, heads, L, L]``, else None."""
        qkv = self.qkv(hidden)
        if qkv.is_cuda and not keep:
            context, weights = attend_fused(qkv, layout, self.heads, self.attention_dropout, self.training, bias), None
        else:
            context, weights = attend(qkv, layout, self.heads, self.attention_dropout, self.training, bias)
        return self._after_attention(hidden, context), weights if keep else None

    def first(self, hidden: Tensor, layout: Layout, bias: Tensor | None = None) -> Tensor:
        """Return the hidden states that `forward` gives first tokens, ``[T, H] -> [B, H]``.

        Other tokens serve as keys and values only.
        """
        own = hidden.index_select(0, layout.first)
        size, weight, added = hidden.shape[1], self.qkv.weight, self.qkv.bias
        q, kv = F.linear(own, weight[:size], added[:size]), F.linear(hidden, weight[size:], added[size:])
        context = attend_first(q, kv, layout, self.heads, self.attention_dropout, self.training, bias)
        return self._after_attention(own, context)

    def _after_attention(self, hidden: Tensor, context: Tensor) -> Tensor:
        hidden = self.attention_norm(hidden + dropout(self.attention_out(context), self.dropout, self.training))
        wide = self.activation(self.up(hidden))
        out: Tensor = self.norm(hidden + dropout(self.down(wide), self.dropout, self.training))
        return out


class Bert(nn.Module):
    """The encoder. `swissbert.encoder.checkpoint` reads and writes pretrained weights.

    Args:
        config: Sizes and rates.
        initialise: Initialise weights as BERT does; False leaves them undefined, for weights to be loaded into.

    Attributes:
        pooling: Name of the way to pool, in `POOLINGS`; see `set_pooling`.

    Example::

        encoder = Bert(BertConfig(layers=6, hidden_size=384, intermediate_size=1536))
        pooled = encoder.pool(input_ids, token_type_ids, lengths)  # [B, 384]
    """

    def __init__(self, config: BertConfig, *, initialise: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layer_groups or config.layers))
        buckets = config.relative_buckets
        self.relative_bias = _table(buckets, config.heads) if buckets else None
        size = config.hidden_size
        self.pooler = nn.Linear(size, size) if config.has_pooler else cast(nn.Linear, nn.Identity())
        self.pooling = "pooler" if config.has_pooler else "cls"
        if initialise:
            self.apply(self._initialise)

    @property
    def stack(self) -> list[Layer]:
        """The layers in the order of computation, in which one may occur several times."""
        return [cast(Layer, self.layers[number]) for number in stack(self.config)]

    @property
    def width(self) -> int:
        """Size W of a pooled output: H, or a multiple of it."""
        return self.config.hidden_size * POOLINGS[self.pooling].parts

    def set_pooling(self, name: str) -> None:
        """Choose the way to pool.

        The pooler is trained only where it is used; its weights are kept and stored in any case.

        Args:
            name: A name in `POOLINGS`.

        Raises:
            SwissbertError: If the encoder has no pooler, and `name` uses one.
        """
        check_pooling(name, self.config.has_pooler)
        self.pooling = name
        self.pooler.requires_grad_(POOLINGS[name].uses_pooler)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor,
        layout: Layout | list[int],
        *,
        keep_hidden: bool = False,
        keep_attentions: bool = False,
    ) -> Encoded:
        """Encode a batch.

        Args:
            input_ids: Word ids, int64 ``[T]``, below ``config.vocab_size``.
            token_type_ids: Token types, int64 ``[T]``, below ``config.token_types``.
            layout: The layout; for packed tokens the lengths are enough, each from 1 to ``config.max_positions``.
            keep_hidden: Return the hidden states of every layer.
            keep_attentions: Return the attention probabilities of every layer.
        """
        layout = _layout(layout, input_ids.device)
        hidden = self.embeddings(input_ids, token_type_ids, layout.positions)
        all_hidden, attentions = [hidden] if keep_hidden else [], []
        bias = self.attention_bias(layout.longest, hidden.device)
        for layer in self.stack:
            hidden, weights = layer(hidden, layout, bias, keep=keep_attentions)
            if keep_hidden:
                all_hidden.append(hidden)
            if keep_attentions:
                attentions.append(weights)
        pooled = self._pooled(hidden.index_select(0, layout.first), hidden, layout)
        return Encoded(hidden, pooled, all_hidden, attentions)

    def pool(self, input_ids: Tensor, token_type_ids: Tensor, layout: Layout | list[int]) -> Tensor:
        """Return the pooled outputs of `forward`, ``[B, W]``; arguments as there.

        Where the pooling reads first tokens alone, the last layer is computed for them only. With six layers this saves
        a seventh of all matrix products, forward and backward.
        """
        layout = _layout(layout, input_ids.device)
        return self.pool_embedded(self.embeddings(input_ids, token_type_ids, layout.positions), layout)

    def embed(self, input_ids: Tensor, token_type_ids: Tensor, layout: Layout | list[int]) -> Tensor:
        """Return the output of the embedding layer, after its norm and dropout, ``[T, H]``; arguments as for `forward`."""
        embedded: Tensor = self.embeddings(input_ids, token_type_ids, _layout(layout, input_ids.device).positions)
        return embedded

    def pool_embedded(self, hidden: Tensor, layout: Layout | list[int]) -> Tensor:
        """Return the pooled outputs ``[B, W]`` of embeddings ``[T, H]``, those of `embed` or perturbed ones."""
        layout = _layout(layout, hidden.device)
        bias = self.attention_bias(layout.longest, hidden.device)
        *others, last = self.stack
        for layer in others:
            hidden, _ = layer(hidden, layout, bias)
        if not POOLINGS[self.pooling].uses_mean:
            return self._pooled(last.first(hidden, layout, bias), hidden, layout)
        hidden, _ = last(hidden, layout, bias)
        return self._pooled(hidden.index_select(0, layout.first), hidden, layout)

    def attention_bias(self, longest: int, device: torch.device) -> Tensor | None:
        """Return what is added to attention scores, ``[heads, L, L]``; None for encoders without such a bias."""
        if self.relative_bias is None:
            return None
        bias: Tensor = self.relative_bias(distance_buckets(longest, self.config.relative_buckets, device))
        return bias.permute(2, 0, 1)

    def _pooled(self, first: Tensor, hidden: Tensor, layout: Layout) -> Tensor:
        """Pool the last layer: hidden states of first tokens ``[B, H]``, and of all ``[T, H]``, which only a mean reads."""
        pooling = POOLINGS[self.pooling]
        if pooling.uses_pooler:
            return torch.tanh(self.pooler(first))
        if not pooling.uses_mean:
            return first
        mean = layout.mean(hidden)
        return torch.cat([first.float(), mean], dim=1) if pooling.uses_first else mean


def _layout(layout: Layout | list[int], device: torch.device) -> Layout:
    return PackedLayout(layout, device) if isinstance(layout, list) else layout
