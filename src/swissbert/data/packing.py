"""Rows of a table of tokens in batches, as numpy arrays; `swissbert.data.batches` makes tensors of them. Does not import torch."""

from typing import NamedTuple

import numpy as np

from swissbert.data.token_table import TokenTable


class PackedArrays(NamedTuple):
    """Sequences end to end, without padding.

    Where sentences are encoded separately, B pairs have 2B sequences: all first sentences, then all second ones.

    Attributes:
        input_ids: Token ids, int64 ``[T]``.
        token_type_ids: Token types, int64 ``[T]``; all 0 where separators alone mark a pair (see `TokenTable`).
        lengths: Tokens of each sequence, int64.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    lengths: np.ndarray

    @property
    def tokens(self) -> int:
        """Number of tokens, T."""
        return len(self.input_ids)


def take(table: TokenTable, rows: np.ndarray) -> TokenTable:
    """Return a table of some rows of another, in the order of the row numbers int64 ``[B]``."""
    sequences = (rows[:, None] * table.per_row + np.arange(table.per_row)).reshape(-1)
    parts = [table.ids[table.offsets[s] : table.offsets[s + 1]] for s in sequences]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return TokenTable(
        np.concatenate(parts), table.first[sequences], offsets, table.per_row, separators=table.separators
    )


def packed_arrays(table: TokenTable, rows: np.ndarray, swapped: np.ndarray | None = None) -> PackedArrays:
    """Pack rows of a table.

    Args:
        table: Tokens of N rows.
        rows: Row numbers, int64 ``[B]``.
        swapped: Of pairs: whether the two texts of each row change places, bool ``[B]``; None for no row.
    """
    numbers = np.arange(table.per_row)[:, None]
    if swapped is not None and table.per_row == 2:
        numbers = np.where(swapped, 1 - numbers, numbers)  # [2, B]
    sequences = (rows[None, :] * table.per_row + numbers).reshape(-1)
    starts = table.offsets[sequences]
    lengths = table.offsets[sequences + 1] - starts
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)  # position of each token in its sequence [T]
    first, place = table.first[sequences], within
    if swapped is not None and table.per_row == 1:
        place = _swapped_places(within, lengths, first, swapped, table.separators)
        first = np.where(swapped, lengths - first + table.separators, first)
    ids = table.ids[np.repeat(starts, lengths) + place].astype(np.int64)
    types = ((within >= np.repeat(first, lengths)) & (table.separators == 1)).astype(np.int64)
    return PackedArrays(ids, types, lengths)


def _swapped_places(
    within: np.ndarray, lengths: np.ndarray, first: np.ndarray, swapped: np.ndarray, separators: int
) -> np.ndarray:
    """Return the position from which each token is taken where pairs change places, int64 ``[T]``.

    ``[CLS] a [SEP] b [SEP]`` becomes ``[CLS] b [SEP] a [SEP]``, with one or two separators in the middle. Texts
    that were cut keep the tokens that they had in the given order.

    Args:
        within: Position of each token in its sequence, ``[T]``.
        lengths: Tokens of each sequence, ``[B]``.
        first: Tokens of ``[CLS] a [SEP]``, ``[B]``.
        swapped: Whether the pair changes places, bool ``[B]``.
        separators: Separators in the middle.
    """
    last = np.repeat(lengths - 1, lengths)  # place of the separator at the end
    second = np.repeat(lengths - first - 1, lengths)  # length of b
    offset = np.repeat(first, lengths) - 1
    after = within - second - separators
    rotated = np.where(within <= second, within + offset, np.where(after <= 0, last, after))
    places: np.ndarray = np.where((within > 0) & np.repeat(swapped, lengths), rotated, within)
    return places


def shuffled_batches(lengths: np.ndarray, size: int, bucket: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffle all rows and cut them into batches of rows of similar length.

    Rows are shuffled; each stretch of ``bucket * size`` of them is sorted by length before it is cut into batches; then
    the batches are shuffled.

    Args:
        lengths: Tokens of each row, int64 ``[N]``.
        size: Rows of a batch; the last one may be smaller.
        bucket: Batches of a stretch; 1 is a plain shuffle.
        rng: The random generator.

    Returns:
        Row numbers of each batch; every row occurs once.
    """
    order = rng.permutation(len(lengths))
    stretch = bucket * size
    for start in range(0, len(order), stretch):
        part = order[start : start + stretch]
        order[start : start + stretch] = part[np.argsort(lengths[part], kind="stable")]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def batches_by_tokens(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Sort rows by length and cut them into batches, for inference, where their order does not matter.

    Args:
        lengths: Tokens of each row, int64 ``[N]``.
        budget: Highest number of rows times tokens of the longest row; a row longer than that is a batch of its own.

    Returns:
        Row numbers of each batch; every row occurs once.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for i in range(len(order)):
        if i > start and lengths[order[i]] * (i + 1 - start) > budget:
            batches.append(order[start:i])
            start = i
    return [*batches, order[start:]] if len(order) else []
