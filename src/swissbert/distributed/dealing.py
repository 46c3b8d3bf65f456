"""Which rows of a batch each process computes: a pure function of the batch and the number of processes."""

from dataclasses import dataclass

import numpy as np
import torch

from swissbert.data.batches import PackedBatch


@dataclass(frozen=True)
class Part:
    """The part of a batch that one process computes.

    Attributes:
        batch: Its rows, in the order of the whole batch; None if it has none.
        share: Number of its rows divided by that of the batch. The mean over the batch is the sum over the parts of share
            times mean.
        tokens: Places of its tokens in the whole batch, int64 ``[t]``; None if the part is the whole.
        total: Number of tokens of the whole batch.
    """

    batch: PackedBatch | None
    share: float
    tokens: np.ndarray | None
    total: int


def deal(lengths: np.ndarray, parts: int) -> list[np.ndarray]:
    """Deal rows to parts so that they have about as many tokens: sorted by length, there and back (in snake order).

    Args:
        lengths: Tokens of each row, int64 ``[B]``.
        parts: Number of parts.

    Returns:
        Row numbers of each part, ascending. Numbers of rows differ by at most 1; parts may be empty.
    """
    order = np.argsort(-lengths, kind="stable")
    place = np.arange(len(order)) % (2 * parts)
    owner = np.where(place < parts, place, 2 * parts - 1 - place)
    return [np.sort(order[owner == part]) for part in range(parts)]


def part_of(batch: PackedBatch, rank: int, size: int) -> Part:
    """Return the part of a batch that process `rank` of `size` computes. Both sentences of a pair stay together."""
    if size == 1:
        return Part(batch, 1.0, None, batch.tokens)
    count = len(batch.labels)
    lengths = np.array(batch.lengths, np.int64)
    rows = deal(lengths.reshape(-1, count).sum(0), size)[rank]
    if not len(rows):
        return Part(None, 0.0, np.empty(0, np.int64), batch.tokens)
    sequences = (np.arange(len(lengths) // count)[:, None] * count + rows).reshape(-1)
    starts = np.cumsum(lengths) - lengths
    places = np.concatenate([np.arange(starts[s], starts[s] + lengths[s]) for s in sequences])
    tokens, chosen = torch.from_numpy(places), torch.from_numpy(rows)
    part = PackedBatch(
        batch.input_ids[tokens],
        batch.token_type_ids[tokens],
        lengths[sequences].tolist(),
        batch.labels[chosen],
        None if batch.weights is None else batch.weights[chosen],
    )
    return Part(part, len(rows) / count, places, batch.tokens)
