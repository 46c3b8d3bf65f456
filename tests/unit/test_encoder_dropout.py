"""Where the encoder applies dropout, and at which rate."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from encoders import SMALL, encode, random_sequences, small_encoder
from swissbert.encoder import PackedLayout
from swissbert.encoder.attention import attend, attend_first, attend_fused
from swissbert.encoder.bert import Layer

P = 0.3125
"""A dropout rate that is exact on a CPU, a multiple of 1/65,536."""


def assert_kept(kept: Tensor, share: float) -> None:
    """Check the share of kept values within five standard deviations."""
    assert kept.numel() > 2000
    deviation = (share * (1 - share) / kept.numel()) ** 0.5
    assert abs(kept.float().mean().item() - share) < 5 * deviation


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        yield


def test_pool_applies_dropout_to_attention_and_both_sublayers(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(replace(SMALL, dropout=P, attention_dropout=0.0))
    for sublayer, output in ((layer.attention_out, 1.0), (layer.down, 2.0)):
        nn.init.zeros_(sublayer.weight)
        nn.init.constant_(sublayer.bias, output)
    monkeypatch.setattr(layer, "attention_norm", nn.Identity())
    monkeypatch.setattr(layer, "norm", nn.Identity())
    out = layer.first(torch.zeros(400, 24), PackedLayout([2] * 200)) * (1 - P)
    for value, share in ((0.0, P * P), (1.0, (1 - P) * P), (2.0, P * (1 - P)), (3.0, (1 - P) ** 2)):
        assert_kept((out - value).abs() < 1e-5, share)
    n = 64  # one-hot values show which attention weights were dropped
    sequences = 40
    kv = torch.cat([torch.zeros(n * sequences, n), torch.eye(n).repeat(sequences, 1)], dim=1)
    context = attend_first(torch.zeros(sequences, n), kv, PackedLayout([n] * sequences), 1, P, True)
    assert_kept(context != 0, 1 - P)


def test_embeddings_have_the_dropout_rate_of_layers() -> None:
    embeddings = small_encoder(replace(SMALL, dropout=P, attention_dropout=0.9)).embeddings
    inputs = torch.randint(50, (200,)), torch.zeros(200, dtype=torch.int64), torch.arange(200) % 20
    with torch.no_grad():
        dropped, whole = embeddings.train()(*inputs), embeddings.eval()(*inputs)
    assert_kept(dropped != 0, 1 - P)
    torch.testing.assert_close(dropped, torch.where(dropped != 0, whole / (1 - P), 0.0))


def test_attention_has_its_own_rate_and_is_returned_before_dropout() -> None:
    n = 64  # zero queries and keys give equal weights, and one-hot values show which of them were dropped
    qkv = torch.cat([torch.zeros(n, 2 * n), torch.eye(n)], dim=1)
    context, weights = attend(qkv, PackedLayout([n]), heads=1, dropout=P, training=True)
    assert_kept(context != 0, 1 - P)
    torch.testing.assert_close(context, torch.where(context != 0, 1 / n / (1 - P), 0.0))
    torch.testing.assert_close(weights, torch.full((1, 1, n, n), 1 / n))
    evaluated, _ = attend(qkv, PackedLayout([n]), heads=1, dropout=P, training=False)
    torch.testing.assert_close(evaluated, torch.full((n, n), 1 / n))


def test_fused_attention_has_dropout_in_training_only() -> None:
    n = 64  # one-hot values, as above
    qkv = torch.cat([torch.zeros(n, 2 * n), torch.eye(n)], dim=1)
    context = attend_fused(qkv, PackedLayout([n]), 1, P, True)
    assert_kept(context != 0, 1 - P)
    torch.testing.assert_close(context, torch.where(context != 0, 1 / n / (1 - P), 0.0))
    torch.testing.assert_close(attend_fused(qkv, PackedLayout([n]), 1, P, False), torch.full((n, n), 1 / n))


def test_both_sublayers_have_independent_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(replace(SMALL, dropout=P, attention_dropout=0.9))
    for sublayer, output in ((layer.attention_out, 1.0), (layer.down, 2.0)):
        nn.init.zeros_(sublayer.weight)
        nn.init.constant_(sublayer.bias, output)
    monkeypatch.setattr(layer, "attention_norm", nn.Identity())
    monkeypatch.setattr(layer, "norm", nn.Identity())
    out = layer(torch.zeros(200, 24), PackedLayout([20] * 10))[0] * (1 - P)  # 0 + 1 + 2, where 1 and 2 may be dropped
    for value, share in ((0.0, P * P), (1.0, (1 - P) * P), (2.0, P * (1 - P)), (3.0, (1 - P) ** 2)):
        assert_kept((out - value).abs() < 1e-5, share)


def test_each_dropout_rate_acts_in_its_place_only() -> None:
    sequences = random_sequences(SMALL, [7, 1, 20, 3])
    without = small_encoder(SMALL.with_dropout(0.0))
    expected = encode(without, sequences)
    assert torch.equal(encode(without.train(), sequences).pooled, expected.pooled)

    inside = small_encoder(replace(SMALL, dropout=0.0, attention_dropout=P)).train()
    dropped = encode(inside, sequences)
    assert torch.equal(dropped.all_hidden[0], expected.all_hidden[0])
    assert not torch.equal(dropped.all_hidden[1], expected.all_hidden[1])

    outside = small_encoder(replace(SMALL, dropout=P, attention_dropout=0.0)).train()
    assert not torch.equal(encode(outside, sequences).all_hidden[0], expected.all_hidden[0])
    assert SMALL.with_dropout(P) == replace(SMALL, dropout=P, attention_dropout=P)
    assert SMALL.with_dropout(None) == SMALL


def test_evaluation_is_deterministic_and_training_is_random() -> None:
    encoder, sequences = small_encoder(SMALL.with_dropout(P)), random_sequences(SMALL, [7, 1, 20, 3])
    assert torch.equal(encode(encoder, sequences).hidden, encode(encoder, sequences).hidden)
    encoder.train()
    assert not torch.equal(encode(encoder, sequences).hidden, encode(encoder, sequences).hidden)
