"""The encoder: BERT as Devlin et al. (2019) define it, on packed tokens.

``T`` is the number of tokens in a batch, ``B`` of sequences, ``H`` the hidden size.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.encoder.attention import Layout, PackedLayout, attend, attend_first, attend_fused
from swissbert.encoder.dropout import dropout


@dataclass(frozen=True)
class BertConfig:
    """Sizes of a BERT. Defaults are those of bert-base-uncased. `dropout` is the one of layers and embeddings."""

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

    def with_dropout(self, rate: float | None) -> "BertConfig":
        """The same sizes with both dropout rates set, or unchanged for None."""
        return self if rate is None else replace(self, dropout=rate, attention_dropout=rate)


@dataclass(frozen=True)
class Encoded:
    """What an encoder pass gives.

    ``hidden[T, H]`` is the last layer, ``pooled[B, H]`` the tanh-pooled first token of each sequence. Kept only on
    request: ``all_hidden`` (embeddings and every layer, each ``[T, H]``) and ``attentions`` (a layer each,
    ``[B, heads, L, L]``).
    """

    hidden: Tensor
    pooled: Tensor
    all_hidden: list[Tensor]
    attentions: list[Tensor]


def _table(rows: int, width: int) -> nn.Embedding:
    """An embedding that `Bert` initialises: torch's own way, where weights are to be loaded, costs a second of imports."""
    table: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)  # type: ignore[no-untyped-call]
    return table


class Embeddings(nn.Module):
    """Sum of word, position and token-type embeddings, normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word = _table(config.vocab_size, config.hidden_size)
        self.position = _table(config.max_positions, config.hidden_size)
        self.token_type = _table(config.token_types, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, config.norm_eps)
        self.dropout = config.dropout

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, positions: Tensor) -> Tensor:
        """Each argument int64 [T]; returns [T, H]."""
        total = self.word(input_ids) + self.position(positions) + self.token_type(token_type_ids)
        return dropout(self.norm(total), self.dropout, self.training)


class Layer(nn.Module):
    """Self-attention and feed-forward, each followed by dropout, residual and norm (post-norm)."""

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

    def forward(self, hidden: Tensor, layout: Layout, *, keep: bool = False) -> tuple[Tensor, Tensor | None]:
        """[T, H] -> [T, H], and to `keep` them attention probabilities [B, heads, L, L] as `attend` gives them."""
        qkv = self.qkv(hidden)
        if qkv.is_cuda and not keep:
            context, weights = attend_fused(qkv, layout, self.heads, self.attention_dropout, self.training), None
        else:
            context, weights = attend(qkv, layout, self.heads, self.attention_dropout, self.training)
        return self._after_attention(hidden, context), weights if keep else None

    def first(self, hidden: Tensor, layout: Layout) -> Tensor:
        """[T, H] -> [B, H]: what `forward` gives for each sequence's first token; the others are looked at, not computed."""
        own = hidden.index_select(0, layout.first)
        size, weight, bias = hidden.shape[1], self.qkv.weight, self.qkv.bias
        q, kv = F.linear(own, weight[:size], bias[:size]), F.linear(hidden, weight[size:], bias[size:])
        context = attend_first(q, kv, layout, self.heads, self.attention_dropout, self.training)
        return self._after_attention(own, context)

    def _after_attention(self, hidden: Tensor, context: Tensor) -> Tensor:
        hidden = self.attention_norm(hidden + dropout(self.attention_out(context), self.dropout, self.training))
        wide = F.gelu(self.up(hidden))  # the exact GELU, with erf
        out: Tensor = self.norm(hidden + dropout(self.down(wide), self.dropout, self.training))
        return out


class Bert(nn.Module):
    """The encoder. A fresh one has BERT's initialisation; `swissbert.encoder.checkpoint` loads pretrained ones."""

    def __init__(self, config: BertConfig, *, initialise: bool = True) -> None:
        """Without `initialise` values are whatever they are, for weights to be loaded into."""
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
        self.layers_instead: Callable[[Tensor, list[int]], Tensor] | None = None
        """What `pool` has compute layers and pooler where lengths are given: see `swissbert.inference.int8`."""
        if initialise:
            self.apply(self._initialise)

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

        `input_ids` and `token_type_ids` are int64 [T]; `layout` is a `PackedLayout` or `PaddedLayout`, or the
        sequences' lengths. Lengths go from 1 to ``config.max_positions``; ids lie below the table sizes.
        """
        layout = _layout(layout, input_ids.device)
        hidden = self.embeddings(input_ids, token_type_ids, layout.positions)
        all_hidden, attentions = [hidden] if keep_hidden else [], []
        for layer in self.layers:
            hidden, weights = layer(hidden, layout, keep=keep_attentions)
            if keep_hidden:
                all_hidden.append(hidden)
            if keep_attentions:
                attentions.append(weights)
        pooled = torch.tanh(self.pooler(hidden.index_select(0, layout.first)))
        return Encoded(hidden, pooled, all_hidden, attentions)

    def pool(self, input_ids: Tensor, token_type_ids: Tensor, layout: Layout | list[int]) -> Tensor:
        """``pooled[B, H]`` as `forward` gives it, for less: of the last layer only what first tokens need is computed.

        Of six layers that saves a seventh of all products, forward and backward.
        """
        if self.layers_instead and isinstance(layout, list):
            positions = torch.cat([torch.arange(length) for length in layout])
            return self.layers_instead(self.embeddings(input_ids, token_type_ids, positions), layout)
        layout = _layout(layout, input_ids.device)
        hidden = self.embeddings(input_ids, token_type_ids, layout.positions)
        for layer in self.layers[:-1]:
            hidden, _ = layer(hidden, layout)
        last = self.layers[-1]
        assert isinstance(last, Layer)
        return torch.tanh(self.pooler(last.first(hidden, layout)))


def _layout(layout: Layout | list[int], device: torch.device) -> Layout:
    return PackedLayout(layout, device) if isinstance(layout, list) else layout
