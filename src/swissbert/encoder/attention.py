"""Batch layouts, and attention.

Attention is the only part of the encoder that depends on the layout; everything else works on tokens ``[T, H]``.
``T`` is the number of tokens in a batch, ``B`` of sequences, ``L`` the longest sequence, ``H`` the hidden size, ``d``
the size of an attention head.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from swissbert.encoder.dropout import dropout as dropped
from swissbert.family.config import FARTHEST


class Layout(Protocol):
    """Conversion between tokens ``[T, D]`` and sequences ``[B, L, D]``."""

    longest: int
    """Number of tokens of the longest sequence, L."""
    mask: Tensor | None
    """Added to attention scores, ``[B, 1, 1, L]``: 0 for a token, -inf for padding; None if there is no padding."""
    first: Tensor
    """Index in T of each sequence's first token, int64 ``[B]``."""
    positions: Tensor
    """Position of each token in its sequence, int64 ``[T]``."""

    def spread(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, L, D]``; padding is zero."""
        ...

    def gather(self, sequences: Tensor) -> Tensor:
        """``[B, L, D] -> [T, D]``."""
        ...

    def mean(self, tokens: Tensor) -> Tensor:
        """Return the mean over the tokens of each sequence, ``[T, D] -> [B, D]``."""
        ...


class PackedLayout:
    """Sequences end to end, without padding; padding exists only inside attention.

    Args:
        lengths: Length of each sequence, at least 1.
        device: Device of the tensors; the CPU if not given. They are computed on the CPU and copied.
    """

    def __init__(self, lengths: list[int], device: torch.device | None = None) -> None:
        self.batch, self.longest = len(lengths), max(lengths)
        sizes = torch.tensor(lengths)
        ends = sizes.cumsum(0)
        row = torch.repeat_interleave(torch.arange(self.batch), sizes)  # [T]
        positions = torch.arange(int(ends[-1])) - (ends - sizes)[row]  # [T]
        self.positions = positions.to(device)
        self.first = (ends - sizes).to(device)
        self._sizes, self._row = sizes.to(device), row.to(device)
        self._full = min(lengths) == self.longest
        self._place = (row * self.longest + positions).to(device)  # [T], index in B * L
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

    def mean(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, D]``, fp32. Each sequence is summed alone, so neighbours do not change a bit."""
        total = torch.zeros(self.batch, tokens.shape[1], device=tokens.device)
        return total.index_add(0, self._row, tokens.float()) / self._sizes[:, None]


class PaddedLayout:
    """Padded sequences: ``T = B * L`` tokens, padding included.

    Args:
        attention_mask: ``[B, L]``, 1 for tokens and 0 for padding.
    """

    def __init__(self, attention_mask: Tensor) -> None:
        self.batch, self.longest = attention_mask.shape
        device = attention_mask.device
        self.positions = torch.arange(self.longest, device=device).repeat(self.batch)
        self.first = torch.arange(self.batch, device=device) * self.longest
        self._tokens = attention_mask.float()
        self.mask: Tensor | None = (1.0 - self._tokens)[:, None, None] * -1e30  # finite: see `_weights`

    def spread(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, L, D]``."""
        return tokens.view(self.batch, self.longest, -1)

    def gather(self, sequences: Tensor) -> Tensor:
        """``[B, L, D] -> [T, D]``."""
        return sequences.reshape(self.batch * self.longest, -1)

    def mean(self, tokens: Tensor) -> Tensor:
        """``[T, D] -> [B, D]``, fp32, without padding."""
        sums = (self.spread(tokens).float() * self._tokens[:, :, None]).sum(1)
        return sums / self._tokens.sum(1, keepdim=True).clamp(min=1)


def attend(
    qkv: Tensor, layout: Layout, heads: int, dropout: float, training: bool, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Multi-head scaled dot-product self-attention (Vaswani et al., 2017, Equation 1).

    Args:
        qkv: Queries, keys and values side by side, ``[T, 3H]``.
        layout: The layout of the tokens.
        heads: Number of attention heads.
        dropout: Dropout rate of the attention probabilities, from 0 to below 1.
        training: Whether dropout is applied.
        bias: Added to the scores, ``[heads, L, L]``.

    Returns:
        The context ``[T, H]``, and the attention probabilities before dropout, ``[B, heads, L, L]``: row i holds the
        weights of token i on all tokens.
    """
    q, k, v = _heads(layout.spread(qkv), heads, 3)
    weights = _weights(q, k, layout, bias)  # [B, heads, L, L]
    return _tokens(dropped(weights, dropout, training) @ v, layout), weights


def attend_fused(
    qkv: Tensor, layout: Layout, heads: int, dropout: float, training: bool, bias: Tensor | None = None
) -> Tensor:
    """Return the context of `attend`, computed by torch's fused kernel.

    Probabilities are not stored, so memory grows with L, not L². It replaces several kernels on a GPU; on a CPU it is
    not faster.
    """
    q, k, v = _heads(layout.spread(qkv), heads, 3)
    mask = None if layout.mask is None else layout.mask.to(q.dtype)
    if bias is not None:
        mask = bias[None].to(q.dtype) if mask is None else mask + bias.to(q.dtype)
    context = F.scaled_dot_product_attention(q, k, v, mask, dropout if training else 0.0)
    return _tokens(context, layout)


def attend_first(
    q: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float, training: bool, bias: Tensor | None = None
) -> Tensor:
    """Return the context of `attend` for the first token of each sequence only, ``[B, H]``.

    Args:
        q: Queries of the first tokens, ``[B, H]``.
        kv: Keys and values of all tokens side by side, ``[T, 2H]``.
        layout, heads, dropout, training, bias: As for `attend`.
    """
    k, v = _heads(layout.spread(kv), heads, 2)
    batch = q.shape[0]
    bias = None if bias is None else bias[:, :1]
    weights = _weights(q.view(batch, heads, 1, -1), k, layout, bias)  # [B, heads, 1, L]
    context: Tensor = dropped(weights, dropout, training) @ v  # [B, heads, 1, d]
    return context.view(batch, -1)


def _heads(wide: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """Split ``[B, L, parts * H]`` into `parts` tensors ``[B, heads, L, d]``."""
    return wide.view(*wide.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4).unbind()


def _tokens(context: Tensor, layout: Layout) -> Tensor:
    """``[B, heads, L, d] -> [T, H]``."""
    return layout.gather(context.transpose(1, 2).flatten(2))


def _weights(q: Tensor, k: Tensor, layout: Layout, bias: Tensor | None) -> Tensor:
    """Return the softmax over the keys of each query; padding gets 0."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if layout.mask is not None:
        lowest = torch.finfo(scores.dtype).min  # not -inf: a row of padding only would give NaN
        scores = scores + layout.mask.to(scores.dtype).clamp(min=lowest)
    return F.softmax(scores, dim=-1)


def distance_buckets(longest: int, count: int, device: torch.device) -> Tensor:
    """Number the distances from queries to keys as T5 and MPNet do, int64 ``[L, L]`` below `count`.

    The first half is for keys at or before the query. Half of each half is for single distances, the other for ranges
    that grow up to a distance of `FARTHEST`, beyond which all distances are one.
    """
    places = torch.arange(longest, device=device)
    distance = places[None, :] - places[:, None]
    half, single = count // 2, count // 4
    far = distance.abs()
    ratio = torch.log(far.clamp(min=1).float() / single) / math.log(FARTHEST / single)
    ranges = (single + (ratio * (half - single)).long()).clamp(max=half - 1)
    return (distance > 0).long() * half + torch.where(far < single, far, ranges)
