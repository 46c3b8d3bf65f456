"""Rows -> packed batches of like length, in an order that depends on nothing but the seed."""

from dataclasses import dataclass

import numpy as np
import torch

from swissbert.data.tokens import TokenTable


@dataclass(frozen=True)
class PackedBatch:
    """Sequences end to end, without padding.

    ``input_ids[T]`` and ``token_type_ids[T]`` int64, ``lengths`` one int a sequence, ``labels[B]`` float32 (nan: none).
    With sentences encoded separately there are 2B sequences: all first sentences, then all second ones.
    """

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    lengths: list[int]
    labels: torch.Tensor

    @property
    def tokens(self) -> int:
        """T, the number of tokens."""
        return self.input_ids.shape[0]

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on a device; the lengths stay where the layout is made."""
        if device.type == "cpu":
            return self
        return PackedBatch(
            self.input_ids.to(device),
            self.token_type_ids.to(device),
            self.lengths,
            self.labels.to(device),
        )


def take(table: TokenTable, rows: np.ndarray) -> TokenTable:
    """The table of some rows of another, in the order given."""
    sequences = (rows[:, None] * table.per_row + np.arange(table.per_row)).reshape(-1)
    parts = [table.ids[table.offsets[s] : table.offsets[s + 1]] for s in sequences]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return TokenTable(np.concatenate(parts), table.first[sequences], offsets, table.per_row)


def pack(table: TokenTable, rows: np.ndarray, labels: np.ndarray | None = None) -> PackedBatch:
    """Pack the given rows of a table. `labels` are those of the whole table [N], or None."""
    sequences = (rows[None, :] * table.per_row + np.arange(table.per_row)[:, None]).reshape(-1)
    starts = table.offsets[sequences]
    lengths = table.offsets[sequences + 1] - starts
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)  # position of each token in its sequence [T]
    ids = table.ids[np.repeat(starts, lengths) + within].astype(np.int64)
    types = (within >= np.repeat(table.first[sequences], lengths)).astype(np.int64)
    chosen = np.full(len(rows), np.nan) if labels is None else labels[rows]
    return PackedBatch(
        torch.from_numpy(ids), torch.from_numpy(types), lengths.tolist(), torch.from_numpy(chosen.astype(np.float32))
    )


def shuffled_batches(lengths: np.ndarray, size: int, bucket: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut all rows into batches of `size`, without replacement, the last one possibly smaller.

    Rows are shuffled; each stretch of ``bucket * size`` of them is sorted by length before it is cut, so a batch holds
    rows of like length; then the batches are shuffled. ``bucket=1`` is a plain shuffle.
    """
    order = rng.permutation(len(lengths))
    stretch = bucket * size
    for start in range(0, len(order), stretch):
        part = order[start : start + stretch]
        order[start : start + stretch] = part[np.argsort(lengths[part], kind="stable")]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def batches_by_tokens(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Cut rows, sorted by length, into batches whose longest row times their number stays within `budget` tokens.

    A row longer than the budget is a batch of its own. Used where nothing is learned and order does not matter.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for i in range(len(order)):
        if i > start and lengths[order[i]] * (i + 1 - start) > budget:
            batches.append(order[start:i])
            start = i
    return [*batches, order[start:]] if len(order) else []
