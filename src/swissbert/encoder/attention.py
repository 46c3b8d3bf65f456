"""How tokens are laid out for attention, and attention itself.

Everything else in the encoder works on ``[T, H]`` tokens and does not know which layout it is in.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from swissbert.encoder.dropout import dropout as dropped


class Layout(Protocol):
    """Moves tokens ``[T, ...]`` to sequences ``[B, L, ...]`` and back."""

    mask: Tensor | None
    """Added to attention scores, [B, 1, 1, L]: 0 for a token, -inf for padding; None where there is no padding."""
    first: Tensor
    """Index in T of each sequence's first token, int64 [B]."""
    positions: Tensor
    """Position of each token in its sequence, int64 [T]."""

    def spread(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, L, D]``; padding is zero."""
        ...

    def gather(self, sequences: Tensor) -> Tensor:
        """``[B, L, D] -> [T, D]``."""
        ...


class PackedLayout:
    """Sequences end to end without padding; padding exists only inside attention.

    `lengths` are ints from 1 on. Tensors are made on the CPU and moved to the device given.
    """

    def __init__(self, lengths: list[int], device: torch.device | None = None) -> None:
        self.batch, self.longest = len(lengths), max(lengths)
        sizes = torch.tensor(lengths)
        ends = sizes.cumsum(0)
        row = torch.repeat_interleave(torch.arange(self.batch), sizes)  # [T]
        positions = torch.arange(int(ends[-1])) - (ends - sizes)[row]  # [T]
        self.positions = positions.to(device)
        self.first = (ends - sizes).to(device)
        self._full = min(lengths) == self.longest
        self._place = (row * self.longest + positions).to(device)  # [T], where each token goes in B * L
        self.mask: Tensor | None = None
        if not self._full:
            padding = torch.arange(self.longest)[None, :] >= sizes[:, None]  # [B, L]
            self.mask = torch.zeros(padding.shape).masked_fill_(padding, -math.inf)[:, None, None].to(device)

    def spread(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, L, D]``; padding is zero."""
        if not self._full:
            tokens = tokens.new_zeros(self.batch * self.longest, tokens.shape[1]).index_copy(0, self._place, tokens)
        return tokens.view(self.batch, self.longest, -1)

    def gather(self, sequences: Tensor) -> Tensor:
        """``[B, L, D] -> [T, D]``."""
        flat = sequences.reshape(self.batch * self.longest, -1)
        return flat if self._full else flat.index_select(0, self._place)


class PaddedLayout:
    """The usual rectangle: ``T = B * L`` tokens, padding included, with ``attention_mask[B, L]`` of ones and zeros."""

    def __init__(self, attention_mask: Tensor) -> None:
        self.batch, self.longest = attention_mask.shape
        device = attention_mask.device
        self.positions = torch.arange(self.longest, device=device).repeat(self.batch)
        self.first = torch.arange(self.batch, device=device) * self.longest
        self.mask: Tensor | None = (1.0 - attention_mask.float())[:, None, None] * -1e30  # see `attend`

    def spread(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, L, D]``."""
        return tokens.view(self.batch, self.longest, -1)

    def gather(self, sequences: Tensor) -> Tensor:
        """``[B, L, D] -> [T, D]``."""
        return sequences.reshape(self.batch * self.longest, -1)


def attend(qkv: Tensor, layout: Layout, heads: int, dropout: float, training: bool) -> tuple[Tensor, Tensor]:
    """Multi-head scaled dot-product self-attention (Vaswani et al., 2017, Equation 1).

    `qkv` is ``[T, 3H]``: queries, keys and values side by side. Returns the context ``[T, H]`` and the attention
    probabilities before dropout, ``[B, heads, L, L]``: row i says where token i looks.
    """
    q, k, v = _heads(layout.spread(qkv), heads, 3)
    weights = _weights(q, k, layout)  # [B, heads, L, L]
    return _tokens(dropped(weights, dropout, training) @ v, layout), weights


def attend_fused(qkv: Tensor, layout: Layout, heads: int, dropout: float, training: bool) -> Tensor:
    """The context that `attend` gives, from torch's fused kernel: no weights are kept, so memory grows with L, not L².

    For a GPU, where it is several kernels less; on a CPU it saves nothing.
    """
    q, k, v = _heads(layout.spread(qkv), heads, 3)
    mask = None if layout.mask is None else layout.mask.to(q.dtype)
    context = F.scaled_dot_product_attention(q, k, v, mask, dropout if training else 0.0)
    return _tokens(context, layout)


def attend_first(q: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float, training: bool) -> Tensor:
    """`attend` for the first token of each sequence alone: queries ``[B, H]``, keys and values ``[T, 2H]`` -> ``[B, H]``."""
    k, v = _heads(layout.spread(kv), heads, 2)
    batch = q.shape[0]
    weights = _weights(q.view(batch, heads, 1, -1), k, layout)  # [B, heads, 1, L]
    context: Tensor = dropped(weights, dropout, training) @ v  # [B, heads, 1, d]
    return context.view(batch, -1)


def _heads(wide: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """``[B, L, parts * H]`` -> so many parts, each ``[B, heads, L, d]``."""
    return wide.view(*wide.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4).unbind()


def _tokens(context: Tensor, layout: Layout) -> Tensor:
    """``[B, heads, L, d] -> [T, H]``."""
    return layout.gather(context.transpose(1, 2).flatten(2))


def _weights(q: Tensor, k: Tensor, layout: Layout) -> Tensor:
    """Softmax over the keys of each query; padding gets none."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if layout.mask is not None:
        lowest = torch.finfo(scores.dtype).min  # not -inf: a row of padding alone must not give nan
        scores = scores + layout.mask.to(scores.dtype).clamp(min=lowest)
    return F.softmax(scores, dim=-1)
