"""The encoder on packed and padded batches: layouts, neighbours, the shortened last layer, fused attention."""

import pytest
import torch
from torch import Tensor

from encoders import SMALL, assert_same_alone_and_in_a_batch, encode, pool, random_sequences, small_encoder
from swissbert.encoder import PackedLayout, PaddedLayout
from swissbert.encoder.attention import Layout, attend, attend_fused


@pytest.mark.parametrize("lengths", [[7, 1, 20, 3], [5, 5, 5], [1], [1, 1], [20]], ids=str)
def test_packed_and_padded_layouts_match(lengths: list[int]) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, lengths)
    mask = sequences.padded[2]
    with torch.no_grad():
        packed, padded = encode(encoder, sequences), encode(encoder, sequences, PaddedLayout(mask))
    for ours, theirs in zip(packed.all_hidden, padded.all_hidden, strict=True):
        torch.testing.assert_close(ours, theirs[mask.flatten().bool()], rtol=0, atol=1e-5)
    torch.testing.assert_close(packed.pooled, padded.pooled, rtol=0, atol=1e-6)
    for one, other in zip(packed.attentions, padded.attentions, strict=True):
        for i, n in enumerate(lengths):
            torch.testing.assert_close(one[i, :, :n], other[i, :, :n], rtol=0, atol=1e-6)
            assert not one[i, :, :n, n:].any(), "padding has attention"


def test_a_packed_layout_spreads_tokens_and_gathers_them_again() -> None:
    layout, tokens = PackedLayout([2, 3, 1]), torch.arange(1.0, 13).view(6, 2)
    assert layout.spread(tokens)[..., 0].tolist() == [[1, 3, 0], [5, 7, 9], [11, 0, 0]]
    assert torch.equal(layout.gather(layout.spread(tokens)), tokens)
    assert layout.first.tolist() == [0, 2, 5]
    assert layout.positions.tolist() == [0, 1, 0, 1, 2, 0]
    inf = float("inf")
    assert layout.mask is not None
    assert layout.mask[:, 0, 0].tolist() == [[0, 0, -inf], [0, 0, 0], [0, -inf, -inf]]


def test_a_row_of_padding_only_is_finite_and_does_not_affect_other_rows() -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [6, 6, 6])
    mask = torch.tensor([[1] * 6, [0] * 6, [1] * 6])
    with torch.no_grad():
        masked = encode(encoder, sequences, PaddedLayout(mask))
        full = encode(encoder, sequences, PaddedLayout(torch.ones_like(mask)))
    assert masked.hidden.isfinite().all()
    assert torch.equal(masked.pooled[[0, 2]], full.pooled[[0, 2]])


def test_differences_alone_and_in_a_batch_are_rounding_errors() -> None:
    sequences = random_sequences(SMALL, [7, 1, 20, 3, 20])
    assert_same_alone_and_in_a_batch(small_encoder().double(), sequences, hidden=1e-12, pooled=1e-12)


def test_nan_in_one_sequence_does_not_reach_another() -> None:
    encoder = small_encoder()
    with torch.no_grad():
        encoder.embeddings.word.weight[7] = float("nan")
        encoded = encoder(torch.tensor([1, 2, 3, 7, 7, 4]), torch.zeros(6, dtype=torch.int64), [3, 2, 1])
    assert encoded.hidden.isnan().any(1).tolist() == [False, False, False, True, True, False]
    assert encoded.pooled.isnan().any(1).tolist() == [False, True, False]


@pytest.mark.parametrize("lengths", [[7, 1, 20, 3], [5, 5, 5], [1], [1, 1], [20]], ids=str)
def test_pool_gives_the_pooled_outputs_of_forward(lengths: list[int]) -> None:
    sequences = random_sequences(SMALL, lengths)
    padded = PaddedLayout(sequences.padded[2])
    for encoder, atol in ((small_encoder(), 1e-6), (small_encoder().double(), 1e-13)):
        with torch.no_grad():
            expected = encode(encoder, sequences).pooled
            for layout in (None, padded):
                torch.testing.assert_close(pool(encoder, sequences, layout), expected, rtol=0, atol=atol)


def test_pool_gives_the_gradients_of_forward() -> None:
    sequences = random_sequences(SMALL, [7, 1, 20, 3])
    one, other = small_encoder().double(), small_encoder().double()
    weighting = torch.randn(4, SMALL.hidden_size, generator=torch.Generator().manual_seed(5)).double()
    torch.autograd.backward((encode(one, sequences).pooled * weighting).sum())
    torch.autograd.backward((pool(other, sequences) * weighting).sum())
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert a.grad.abs().max() > 1e-6, name
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "layout", [PackedLayout([7, 1, 20, 3]), PackedLayout([5, 5]), PaddedLayout(torch.tensor([[1, 1], [1, 0]]))]
)
def test_fused_attention_gives_the_same_context_and_gradient(layout: Layout) -> None:
    qkv = torch.randn(len(layout.positions), 72, dtype=torch.float64, requires_grad=True)
    plain, fused = attend(qkv, layout, 4, 0.0, True)[0], attend_fused(qkv, layout, 4, 0.0, True)
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-13)
    upstream = torch.randn_like(plain)
    expected, actual = (torch.autograd.grad(out, qkv, upstream)[0] for out in (plain, fused))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("fused", [True, False])
def test_a_gpu_uses_fused_attention_unless_probabilities_are_asked_for(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [7, 1, 20, 3])
    with torch.no_grad():
        expected = encode(encoder, sequences)
        monkeypatch.setattr(Tensor, "is_cuda", True, raising=False)
        monkeypatch.delattr(f"swissbert.encoder.bert.{'attend' if fused else 'attend_fused'}")
        ids, types = sequences.packed
        actual = encoder(ids, types, sequences.lengths, keep_attentions=not fused)
    torch.testing.assert_close(actual.hidden, expected.hidden, rtol=0, atol=1e-5)
    assert len(actual.attentions) == (0 if fused else SMALL.layers)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("bf16", [False, True])
def test_a_gpu_matches_the_cpu(bf16: bool) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [7, 1, 20, 3])
    ids, types = sequences.packed
    on_gpu = small_encoder().cuda()
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        actual = on_gpu(ids.cuda(), types.cuda(), sequences.lengths).pooled.float()
    expected = encoder(ids, types, sequences.lengths).pooled
    actual.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=0.05 if bf16 else 1e-5)
    for a, b in zip(on_gpu.parameters(), encoder.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert (a.grad.cpu() - b.grad).norm() <= (0.05 if bf16 else 1e-4) * (1 + b.grad.norm())
