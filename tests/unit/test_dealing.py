"""Which rows of a batch each process computes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swissbert.data.batches import PackedBatch
from swissbert.distributed.dealing import deal, part_of


def batch(lengths: list[int], count: int | None = None, weighted: bool = False) -> PackedBatch:
    """A batch whose token ids count up, with labels 0, 1, 2 and so on."""
    tokens, rows = sum(lengths), count or len(lengths)
    labels = torch.arange(rows, dtype=torch.float32)
    return PackedBatch(
        torch.arange(tokens), torch.arange(tokens) % 2, lengths, labels, labels * 10 if weighted else None
    )


@given(st.lists(st.integers(1, 512), max_size=70), st.integers(1, 9))
def test_every_row_is_dealt_once_and_parts_are_balanced(lengths: list[int], parts: int) -> None:
    dealt = deal(np.array(lengths, np.int64), parts)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(lengths)))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    tokens = [sum(lengths[row] for row in part) for part in dealt]
    assert max(tokens) - min(tokens) <= 2 * max(lengths, default=0)


def test_rows_are_dealt_there_and_back_by_length() -> None:
    dealt = deal(np.array([5, 9, 1, 7, 3, 8, 2]), 2)  # 9 | 8 7 | 5 3 | 2 1
    assert [part.tolist() for part in dealt] == [[0, 1, 4], [2, 3, 5, 6]]
    assert [part.tolist() for part in deal(np.array([4]), 3)] == [[0], [], []]


def test_one_process_has_the_batch_itself() -> None:
    whole = batch([3, 2])
    part = part_of(whole, 0, 1)
    assert part.batch is whole
    assert (part.share, part.tokens) == (1.0, None)


@pytest.mark.parametrize("size", [2, 3])
def test_both_sentences_of_a_pair_stay_together(size: int) -> None:
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]  # seven first sentences, seven second ones
    whole = batch(lengths, 7, weighted=True)
    texts = torch.split(whole.input_ids, lengths)
    parts = [part_of(whole, rank, size) for rank in range(size)]
    assert sum(part.share for part in parts) == pytest.approx(1)
    seen = []
    for part in parts:
        assert part.batch is not None
        assert part.batch.weights is not None
        rows = part.batch.labels.int().tolist()
        seen += rows
        assert part.batch.weights.tolist() == [10 * row for row in rows]
        own = torch.split(part.batch.input_ids, part.batch.lengths)
        expected = [texts[row] for row in rows] + [texts[7 + row] for row in rows]
        assert all(torch.equal(a, b) for a, b in zip(own, expected, strict=True))
        assert part.tokens is not None
        assert torch.equal(whole.token_type_ids[torch.from_numpy(part.tokens)], part.batch.token_type_ids)
        assert part.total == whole.tokens
    assert sorted(seen) == list(range(7))


def test_a_process_may_have_no_row() -> None:
    parts = [part_of(batch([7]), rank, 2) for rank in range(2)]
    assert [part.share for part in parts] == [1.0, 0.0]
    assert parts[1].batch is None
