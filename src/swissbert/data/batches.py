"""Packed batches of tensors: tokens, labels and weights of rows."""

from dataclasses import dataclass

import numpy as np
import torch

from swissbert.data.packing import packed_arrays
from swissbert.data.token_table import TokenTable


@dataclass(frozen=True)
class PackedBatch:
    """Sequences end to end, without padding.

    Where sentences are encoded separately, B pairs have 2B sequences: all first sentences, then all second ones.

    Attributes:
        input_ids: Token ids, int64 ``[T]``.
        token_type_ids: Token types, int64 ``[T]``; all 0 where separators alone mark a pair (see `TokenTable`).
        lengths: Tokens of each sequence.
        labels: Labels, fp32 ``[B]`` or ``[B, C]``; NaN where a row has none.
        weights: Weights in the loss, fp32 in the shape of the labels; None for the plain mean.
    """

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    lengths: list[int]
    labels: torch.Tensor
    weights: torch.Tensor | None = None

    @property
    def tokens(self) -> int:
        """Number of tokens, T."""
        return self.input_ids.shape[0]

    def to(self, device: torch.device) -> "PackedBatch":
        """Return the batch on a device. Lengths stay on the CPU, where the attention layout is computed."""
        if device.type == "cpu":
            return self
        return PackedBatch(
            self.input_ids.to(device),
            self.token_type_ids.to(device),
            self.lengths,
            self.labels.to(device),
            None if self.weights is None else self.weights.to(device),
        )


def pack(
    table: TokenTable,
    rows: np.ndarray,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    swapped: np.ndarray | None = None,
) -> PackedBatch:
    """Pack rows of a table.

    Args:
        table: Tokens of N rows.
        rows: Row numbers, int64 ``[B]``.
        labels: Labels of the whole table, ``[N]`` or ``[N, C]``; None packs NaN ``[B]``.
        weights: Weights of the rows of the batch, ``[B]`` or ``[B, C]``; None for the plain mean.
        swapped: Of pairs: whether the two texts of each row change places, bool ``[B]``; None for no row.
    """
    arrays = packed_arrays(table, rows, swapped)
    chosen = np.full(len(rows), np.nan) if labels is None else labels[rows]  # [B] or [B, C]
    return PackedBatch(
        torch.from_numpy(arrays.input_ids),
        torch.from_numpy(arrays.token_type_ids),
        arrays.lengths.tolist(),
        torch.from_numpy(chosen.astype(np.float32)),
        None if weights is None else torch.from_numpy(weights.astype(np.float32)),
    )
