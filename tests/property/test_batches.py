"""Packed batches and token tables: packing, shuffling, joining."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.batches import PackedBatch, pack
from swissbert.data.packing import batches_by_tokens, shuffled_batches, take
from swissbert.data.token_table import TokenTable

Sequences = list[tuple[list[int], int]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[TokenTable, Sequences]:
    """A table, and its sequences spelled out: ids and how many of them are of the first sentence."""
    per_row = draw(st.sampled_from([1, 2]))
    count = per_row * draw(st.integers(1, 8))
    sequences: Sequences = []
    for _ in range(count):
        ids = draw(st.lists(st.integers(0, 30521), min_size=1, max_size=9))
        sequences.append((ids, draw(st.integers(1, len(ids)))))
    offsets = np.cumsum([0, *(len(ids) for ids, _ in sequences)]).astype(np.int64)
    flat = np.array([i for ids, _ in sequences for i in ids], np.int32)
    return TokenTable(flat, np.array([first for _, first in sequences], np.int32), offsets, per_row, 1), sequences


def pack_slowly(table: TokenTable, sequences: Sequences, rows: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Ids, token types and lengths of a batch, one token at a time: all first sequences, then all second ones."""
    ids: list[int] = []
    types: list[int] = []
    lengths: list[int] = []
    for which in range(table.per_row):
        for row in rows:
            sequence, first = sequences[row * table.per_row + which]
            ids += sequence
            types += [int(i >= first) for i in range(len(sequence))]
            lengths.append(len(sequence))
    return ids, types, lengths


@given(table=tables(), data=st.data())
@settings(deadline=None)
def test_packing_gives_the_tokens_of_a_loop(table: tuple[TokenTable, Sequences], data: st.DataObject) -> None:
    tokens, sequences = table
    rows = data.draw(st.lists(st.integers(0, len(tokens) - 1), min_size=1, max_size=10))
    labels = np.linspace(0, 5, len(tokens))
    batch = pack(tokens, np.array(rows), labels)
    ids, types, lengths = pack_slowly(tokens, sequences, rows)
    assert batch.input_ids.tolist() == ids
    assert batch.token_type_ids.tolist() == types
    assert batch.lengths == lengths
    assert batch.tokens == len(ids)
    assert batch.labels.tolist() == labels[rows].astype(np.float32).tolist()
    assert (batch.input_ids.dtype, batch.token_type_ids.dtype, batch.labels.dtype) == (
        torch.int64,
        torch.int64,
        torch.float32,
    )
    assert all(type(length) is int for length in batch.lengths)


@given(table=tables(), columns=st.integers(1, 4))
@settings(deadline=None)
def test_several_labels_per_row_are_packed_as_rows(table: tuple[TokenTable, Sequences], columns: int) -> None:
    labels = np.arange(len(table[0]) * columns, dtype=np.float64).reshape(-1, columns)
    rows = np.arange(len(table[0]))[::-1]
    batch = pack(table[0], rows, labels)
    assert batch.labels.dtype == torch.float32
    assert batch.labels.tolist() == labels[rows].tolist()


@given(table=tables(), data=st.data())
@settings(deadline=None)
def test_rows_that_are_taken_and_packed_are_those_of_the_table(
    table: tuple[TokenTable, Sequences], data: st.DataObject
) -> None:
    tokens = table[0]
    rows = np.array(data.draw(st.lists(st.integers(0, len(tokens) - 1), min_size=1, max_size=10)))
    taken, batch = pack(take(tokens, rows), np.arange(len(rows))), pack(tokens, rows)
    assert taken.input_ids.tolist() == batch.input_ids.tolist()
    assert taken.token_type_ids.tolist() == batch.token_type_ids.tolist()
    assert taken.lengths == batch.lengths


@given(tables_to_join=st.lists(tables(), min_size=1, max_size=4))
@settings(deadline=None)
def test_joined_tables_have_the_sequences_of_all_one_after_the_other(
    tables_to_join: list[tuple[TokenTable, Sequences]],
) -> None:
    parts = [table for table, _ in tables_to_join]
    joined = TokenTable.join(parts, per_row=1)
    expected = [sequence for _, sequences in tables_to_join for sequence in sequences]
    assert len(joined) == len(expected)
    ends = zip(joined.offsets[:-1], joined.offsets[1:], strict=True)
    assert [joined.ids[start:end].tolist() for start, end in ends] == [ids for ids, _ in expected]
    assert joined.first.tolist() == [first for _, first in expected]
    assert [str(array.dtype) for array in (joined.ids, joined.first, joined.offsets)] == ["int32", "int32", "int64"]
    alike = [table for table in parts if table.per_row == parts[0].per_row]
    assert TokenTable.join(alike).per_row == parts[0].per_row
    assert len(TokenTable.join(alike)) == sum(map(len, alike))


@given(table=tables())
@settings(deadline=None)
def test_a_batch_without_labels_has_nan_for_every_row(table: tuple[TokenTable, Sequences]) -> None:
    batch = pack(table[0], np.arange(len(table[0])))
    assert batch.labels.shape == (len(table[0]),)
    assert batch.labels.isnan().all()


@given(table=tables())
@settings(deadline=None)
def test_the_lengths_of_rows_are_the_sums_of_their_sequences(table: tuple[TokenTable, Sequences]) -> None:
    tokens, sequences = table
    sizes = [len(ids) for ids, _ in sequences]
    step = tokens.per_row
    assert tokens.lengths.tolist() == [sum(sizes[i : i + step]) for i in range(0, len(sizes), step)]


def test_a_batch_on_the_cpu_is_itself_and_elsewhere_has_the_same_lengths() -> None:
    batch = PackedBatch(torch.tensor([1, 2]), torch.tensor([0, 1]), [2], torch.tensor([1.0]))
    assert batch.to(torch.device("cpu")) is batch
    moved = batch.to(torch.device("meta"))
    assert moved.input_ids.is_meta
    assert moved.token_type_ids.is_meta
    assert moved.labels.is_meta
    assert moved.lengths == [2]


some_lengths = st.lists(st.integers(1, 60), max_size=120).map(lambda values: np.array(values, np.int64))


@given(lengths=some_lengths, size=st.integers(1, 20), bucket=st.integers(1, 6), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_shuffled_batches_hold_every_row_once_in_batches_of_the_size(
    lengths: np.ndarray, size: int, bucket: int, seed: int
) -> None:
    batches = shuffled_batches(lengths, size, bucket, np.random.default_rng(seed))
    assert sorted(int(row) for batch in batches for row in batch) == list(range(len(lengths)))
    full, rest = divmod(len(lengths), size)
    assert sorted(len(batch) for batch in batches) == sorted([size] * full + ([rest] if rest else []))


@given(lengths=some_lengths, size=st.integers(1, 20), bucket=st.integers(1, 6), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_the_seed_alone_decides_the_order(lengths: np.ndarray, size: int, bucket: int, seed: int) -> None:
    kept = lengths.copy()
    first, again = (shuffled_batches(lengths, size, bucket, np.random.default_rng(seed)) for _ in range(2))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    assert (lengths == kept).all()


def spread(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """How far the rows of a batch are from its longest, as padding would have it."""
    return float(sum(lengths[batch].max() * len(batch) - lengths[batch].sum() for batch in batches))


@given(seed=st.integers(0, 2**31), size=st.integers(4, 32))
@settings(deadline=None, max_examples=30)
def test_bucketed_batches_hold_rows_of_similar_length(seed: int, size: int) -> None:
    lengths = np.random.default_rng(1).integers(5, 80, 2000)
    plain = shuffled_batches(lengths, size, 1, np.random.default_rng(seed))
    bucketed = shuffled_batches(lengths, size, 50, np.random.default_rng(seed))
    assert spread(lengths, bucketed) < 0.5 * spread(lengths, plain)


@given(size=st.integers(1, 20), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_a_bucket_of_one_is_a_plain_shuffle(size: int, seed: int) -> None:
    equal, mixed = np.ones(200, np.int64), np.random.default_rng(2).integers(1, 60, 200)
    one = shuffled_batches(equal, size, 1, np.random.default_rng(seed))
    other = shuffled_batches(mixed, size, 1, np.random.default_rng(seed))
    assert [set(batch.tolist()) for batch in one] == [set(batch.tolist()) for batch in other]


@pytest.mark.parametrize("bucket", [1, 7, 50])
def test_bucketed_batches_are_in_random_order(bucket: int) -> None:
    lengths = np.random.default_rng(3).integers(5, 80, 4000)
    by_length, by_row = [], []
    for seed in range(40):
        batches = shuffled_batches(lengths, 16, bucket, np.random.default_rng(seed))
        place = np.arange(len(batches))
        by_length.append(np.corrcoef(place, [lengths[batch].mean() for batch in batches])[0, 1])
        by_row.append(np.corrcoef(place, [batch.mean() for batch in batches])[0, 1])
    assert abs(np.mean(by_length)) < 0.05
    assert abs(np.mean(by_row)) < 0.05


@pytest.mark.parametrize("bucket", [1, 7, 50])
def test_batches_differ_between_epochs_and_seeds(bucket: int) -> None:
    lengths = np.random.default_rng(3).integers(5, 80, 4000)
    met: set[frozenset[int]] = set()
    for seed in ([0, 0], [0, 1], [1, 0], [1, 1]):
        batches = shuffled_batches(lengths, 16, bucket, np.random.default_rng(seed))
        groups = {frozenset(batch.tolist()) for batch in batches}
        assert not groups & met
        met |= groups


def test_every_row_may_come_first() -> None:
    lengths = np.array([3, 9, 4, 8, 5, 7])
    firsts = {int(shuffled_batches(lengths, 1, 3, np.random.default_rng(seed))[0][0]) for seed in range(200)}
    assert firsts == set(range(6))


@given(lengths=some_lengths, budget=st.integers(1, 300))
@settings(deadline=None)
def test_batches_by_tokens_hold_every_row_once_and_keep_the_budget(lengths: np.ndarray, budget: int) -> None:
    batches = batches_by_tokens(lengths, budget)
    assert sorted(int(row) for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) > 0
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


@given(lengths=some_lengths, budget=st.integers(1, 300))
@settings(deadline=None)
def test_batches_by_tokens_are_as_full_as_the_budget_allows(lengths: np.ndarray, budget: int) -> None:
    batches = batches_by_tokens(lengths, budget)
    in_order = [int(length) for batch in batches for length in lengths[batch]]
    assert in_order == sorted(in_order)
    for batch, following in pairwise(batches):
        assert lengths[following[0]] * (len(batch) + 1) > budget  # one row more would not have fitted
