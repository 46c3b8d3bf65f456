"""Our encoder against transformers.BertModel: states, attention, gradients, layouts, and what is ours alone (dropout)."""

import csv
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig as OracleConfig
from transformers import BertModel

import swissbert
from swissbert.encoder import Bert, BertConfig, Encoded, PackedLayout, PaddedLayout
from swissbert.encoder.attention import Layout, attend, attend_first, attend_fused
from swissbert.encoder.bert import Layer
from swissbert.encoder.checkpoint import hf_names, read_encoder, write_encoder

SMALL = BertConfig(
    vocab_size=50, hidden_size=24, layers=3, heads=4, intermediate_size=40, max_positions=20, token_types=3
)
"""Every size differs from every other, so that a mix-up shows."""


@dataclass(frozen=True)
class Sequences:
    """Token ids and token types, a tensor for each sequence."""

    ids: list[Tensor]
    types: list[Tensor]

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.ids]

    @property
    def packed(self) -> tuple[Tensor, Tensor]:
        """ids and types, each [T]."""
        return torch.cat(self.ids), torch.cat(self.types)

    @property
    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """ids, types and mask, each [B, L]."""
        ids, types = pad_sequence(self.ids, batch_first=True), pad_sequence(self.types, batch_first=True)
        return ids, types, pad_sequence([torch.ones(length, dtype=torch.int64) for length in self.lengths], True)


def random_sequences(config: BertConfig, lengths: list[int], seed: int = 0) -> Sequences:
    """Ids start at 1: for id 0, transformers drops the gradient."""
    dice = torch.Generator().manual_seed(seed)
    return Sequences(
        [torch.randint(1, config.vocab_size, (length,), generator=dice) for length in lengths],
        [torch.randint(config.token_types, (length,), generator=dice) for length in lengths],
    )


def shake(model: nn.Module, seed: int) -> None:
    """Move every parameter well away from zeros, ones and tiny numbers, so that no mix-up of them goes unseen."""
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=dice), alpha=0.2)


def small_encoder(config: BertConfig = SMALL, seed: int = 0) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Bert(config)
    shake(encoder, seed)
    return encoder.eval()


def oracle_from(folder: Path) -> Any:
    """transformers' BertModel; Any, for its types are loose."""
    oracle: Any = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return oracle.eval()


def oracle_of(encoder: Bert) -> Any:
    """The same weights, by way of the files that we write."""
    with tempfile.TemporaryDirectory() as folder:
        write_encoder(encoder, Path(folder))
        return oracle_from(Path(folder))


def encode(encoder: Bert, sequences: Sequences, layout: Layout | None = None) -> Encoded:
    """Everything our encoder gives; padded ids go with a padded layout."""
    ids, types = sequences.packed
    if isinstance(layout, PaddedLayout):
        ids, types = (rectangle.flatten() for rectangle in sequences.padded[:2])
    return encoder(ids, types, layout or sequences.lengths, keep_hidden=True, keep_attentions=True)  # type: ignore[no-any-return]


def assert_parity(encoder: Bert, oracle: Any, sequences: Sequences, hidden: float, pooled: float) -> None:
    """Hidden states of every layer, attention and pooled output agree within the tolerances, at all real positions."""
    ids, types, mask = sequences.padded
    with torch.no_grad():
        ours = encode(encoder, sequences)
        theirs = oracle(ids, mask, types, output_hidden_states=True, output_attentions=True)
    assert len(ours.all_hidden) == len(theirs.hidden_states) == encoder.config.layers + 1
    assert len(ours.attentions) == len(theirs.attentions) == encoder.config.layers
    for our_layer, their_layer in zip(ours.all_hidden, theirs.hidden_states, strict=True):
        torch.testing.assert_close(our_layer, their_layer[mask.bool()], rtol=0, atol=hidden)
    for our_weights, their_weights in zip(ours.attentions, theirs.attentions, strict=True):
        assert our_weights.shape == their_weights.shape
        for i, n in enumerate(sequences.lengths):
            torch.testing.assert_close(our_weights[i, :, :n], their_weights[i, :, :n], rtol=0, atol=hidden)
    torch.testing.assert_close(ours.hidden, ours.all_hidden[-1], rtol=0, atol=0)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=pooled)


@pytest.fixture(scope="module")
def real(minilm: Path) -> Bert:
    return read_encoder(minilm).eval()


@pytest.fixture(scope="module")
def real_oracle(minilm: Path) -> Any:
    return oracle_from(minilm)


@pytest.fixture(scope="module")
def texts(minilm: Path) -> Sequences:
    """Sentences and pairs of the starter corpus, alternating."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_padding()
    starter = Path(swissbert.__file__).parent / "data" / "starter"
    with (starter / "para-dev.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for _, row in zip(range(6), csv.DictReader(file, delimiter="\t"), strict=False)]
    encodings = [tokenizer.encode(row["sentence1"], row["sentence2"] if i % 2 else None) for i, row in enumerate(rows)]
    return Sequences([torch.tensor(e.ids) for e in encodings], [torch.tensor(e.type_ids) for e in encodings])


def test_real_weights_give_the_oracles_numbers_on_sentences_and_pairs(
    real: Bert, real_oracle: Any, texts: Sequences
) -> None:
    assert {int(types.max()) for types in texts.types} == {0, 1}
    assert_parity(real, real_oracle, texts, hidden=1e-5, pooled=1e-6)


def test_real_weights_give_the_oracles_numbers_at_every_kind_of_length(real: Bert, real_oracle: Any) -> None:
    lengths = [1, 128, 2, *torch.randint(1, 129, (3,), generator=torch.Generator().manual_seed(1)).tolist()]
    assert_parity(real, real_oracle, random_sequences(real.config, lengths), hidden=1e-5, pooled=1e-6)


@st.composite
def configs(draw: st.DrawFn) -> BertConfig:
    heads = draw(st.integers(1, 4))
    return BertConfig(
        vocab_size=draw(st.integers(2, 60)),
        hidden_size=heads * draw(st.integers(4, 12)),
        layers=draw(st.integers(1, 3)),
        heads=heads,
        intermediate_size=draw(st.integers(1, 50)),
        max_positions=draw(st.integers(1, 20)),
        token_types=draw(st.integers(1, 3)),
        norm_eps=draw(st.sampled_from([1e-12, 1e-5, 1e-2])),
        initializer_range=draw(st.sampled_from([0.02, 0.5])),
    )


@st.composite
def configs_with_sequences(draw: st.DrawFn) -> tuple[BertConfig, Sequences]:
    config = draw(configs())
    lengths = draw(st.lists(st.integers(1, config.max_positions), min_size=1, max_size=5))
    return config, random_sequences(config, lengths, draw(st.integers(0, 2**32)))


@settings(max_examples=20, deadline=None)
@given(configs_with_sequences())
def test_any_encoder_written_by_us_computes_the_same_in_transformers(case: tuple[BertConfig, Sequences]) -> None:
    config, sequences = case
    encoder = small_encoder(config)
    assert_parity(encoder.double(), oracle_of(encoder).double(), sequences, hidden=1e-9, pooled=1e-9)


@settings(max_examples=20, deadline=None)
@given(configs_with_sequences())
def test_any_encoder_written_by_transformers_computes_the_same_in_ours(case: tuple[BertConfig, Sequences]) -> None:
    config, sequences = case
    sizes: dict[str, Any] = {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "type_vocab_size": config.token_types,
        "layer_norm_eps": config.norm_eps,
        "hidden_dropout_prob": 0.25,
        "attention_probs_dropout_prob": 0.75,
        "initializer_range": config.initializer_range,
        "attn_implementation": "eager",
    }
    oracle: Any = BertModel(OracleConfig(**sizes))
    shake(oracle.eval(), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        oracle.save_pretrained(folder)
        encoder = read_encoder(Path(folder)).eval()
    assert encoder.config == replace(config, dropout=0.25, attention_dropout=0.75)
    assert_parity(encoder.double(), oracle.double(), sequences, hidden=1e-9, pooled=1e-9)


@pytest.mark.parametrize("lengths", [[7, 1, 20, 3], [5, 5, 5], [1], [1, 1], [20]], ids=str)
def test_both_layouts_give_the_same_numbers(lengths: list[int]) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, lengths)
    mask = sequences.padded[2]
    with torch.no_grad():
        packed, padded = encode(encoder, sequences), encode(encoder, sequences, PaddedLayout(mask))
    for one, other in zip(packed.all_hidden, padded.all_hidden, strict=True):
        torch.testing.assert_close(one, other[mask.flatten().bool()], rtol=0, atol=1e-5)
    torch.testing.assert_close(packed.pooled, padded.pooled, rtol=0, atol=1e-6)
    for one, other in zip(packed.attentions, padded.attentions, strict=True):
        for i, n in enumerate(lengths):
            torch.testing.assert_close(one[i, :, :n], other[i, :, :n], rtol=0, atol=1e-6)
            assert not one[i, :, :n, n:].any(), "padding is looked at"


def test_a_packed_layout_takes_sequences_apart_and_puts_them_together_again() -> None:
    layout, tokens = PackedLayout([2, 3, 1]), torch.arange(1.0, 13).view(6, 2)
    assert layout.spread(tokens)[..., 0].tolist() == [[1, 3, 0], [5, 7, 9], [11, 0, 0]]
    assert torch.equal(layout.gather(layout.spread(tokens)), tokens)
    assert layout.first.tolist() == [0, 2, 5]
    assert layout.positions.tolist() == [0, 1, 0, 1, 2, 0]
    inf = float("inf")
    assert layout.mask is not None
    assert layout.mask[:, 0, 0].tolist() == [[0, 0, -inf], [0, 0, 0], [0, -inf, -inf]]


def test_a_padded_layout_follows_any_mask_as_the_oracle_does() -> None:
    encoder = small_encoder()
    ids, types, _ = random_sequences(SMALL, [9] * 6).padded
    mask = torch.randint(2, ids.shape, generator=torch.Generator().manual_seed(2))
    mask[:, 4] = 1  # at least one token in each row, and for most rows not the first
    with torch.no_grad():
        ours = encoder(ids.flatten(), types.flatten(), PaddedLayout(mask))
        theirs = oracle_of(encoder)(ids, mask, types)
    torch.testing.assert_close(ours.hidden.view(6, 9, -1), theirs.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=1e-6)


def test_a_row_of_padding_alone_stays_finite_and_leaves_the_others_as_they_are() -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [6, 6, 6])
    mask = torch.tensor([[1] * 6, [0] * 6, [1] * 6])
    with torch.no_grad():
        some = encode(encoder, sequences, PaddedLayout(mask))
        every = encode(encoder, sequences, PaddedLayout(torch.ones_like(mask)))
    assert some.hidden.isfinite().all()
    assert torch.equal(some.pooled[[0, 2]], every.pooled[[0, 2]])


def assert_alone_as_together(encoder: Bert, sequences: Sequences, hidden: float, pooled: float) -> None:
    with torch.no_grad():
        together = encode(encoder, sequences)
        rows = torch.split(together.hidden, sequences.lengths)
        for i, (ids, types) in enumerate(zip(sequences.ids, sequences.types, strict=True)):
            alone = encoder(ids, types, [len(ids)])
            torch.testing.assert_close(alone.pooled[0], together.pooled[i], rtol=0, atol=pooled)
            torch.testing.assert_close(alone.hidden, rows[i], rtol=0, atol=hidden)


def test_a_sequence_alone_and_among_others_gives_the_same(real: Bert, texts: Sequences) -> None:
    assert_alone_as_together(real, texts, hidden=1e-5, pooled=1e-6)


def test_what_differs_alone_and_among_others_is_rounding_only() -> None:
    sequences = random_sequences(SMALL, [7, 1, 20, 3, 20])
    assert_alone_as_together(small_encoder().double(), sequences, hidden=1e-12, pooled=1e-12)


def test_other_neighbours_of_the_same_lengths_leave_every_bit_as_it_is(real: Bert) -> None:
    lengths = [5, 30, 1, 17]
    one, other = (random_sequences(real.config, lengths, seed) for seed in (3, 4))
    mixed = Sequences([other.ids[0], one.ids[1], *other.ids[2:]], [other.types[0], one.types[1], *other.types[2:]])
    with torch.no_grad():
        first, second = encode(real, one), encode(real, mixed)
    assert not torch.equal(first.pooled[0], second.pooled[0])
    assert torch.equal(first.pooled[1], second.pooled[1])
    assert torch.equal(first.hidden[5:35], second.hidden[5:35])


def test_a_neighbour_of_nan_spoils_nobody() -> None:
    encoder = small_encoder()
    with torch.no_grad():
        encoder.embeddings.word.weight[7] = float("nan")
        encoded = encoder(torch.tensor([1, 2, 3, 7, 7, 4]), torch.zeros(6, dtype=torch.int64), [3, 2, 1])
    assert encoded.hidden.isnan().any(1).tolist() == [False, False, False, True, True, False]
    assert encoded.pooled.isnan().any(1).tolist() == [False, True, False]


def assert_same_gradients(encoder: Bert, oracle: Any, sequences: Sequences, rtol: float, atol: float) -> None:
    """Gradients of a random weighting, of norm 1, of all that is given out: the same for every parameter."""
    ids, types, mask = sequences.padded
    ours, theirs = encode(encoder, sequences), oracle(ids, mask, types)
    outputs = [
        (encoder, torch.cat([ours.hidden, ours.pooled])),
        (oracle, torch.cat([theirs.last_hidden_state[mask.bool()], theirs.pooler_output])),
    ]
    weighting = torch.randn(outputs[0][1].shape, generator=torch.Generator().manual_seed(5)).to(ours.hidden.dtype)
    for model, output in outputs:
        model.zero_grad()
        torch.autograd.backward((output * weighting).sum() / weighting.norm())
    their_parameters = dict(oracle.named_parameters())
    for name, parameter in encoder.named_parameters():
        expected = torch.cat([their_parameters.pop(theirs).grad for theirs in hf_names(encoder.config)[name]])
        assert expected.abs().max() > 100 * atol, f"{name} has too small a gradient for this comparison to mean much"
        assert parameter.grad is not None
        difference = (parameter.grad - expected).abs_().sub_(expected.abs(), alpha=rtol).max().item()
        assert difference <= atol, f"{name}: {difference} beyond the relative tolerance"
    assert not their_parameters, "parameters of the oracle that nothing was compared with"


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float32, 1e-4, 1e-5), (torch.float64, 1e-9, 1e-12)], ids=["float32", "float64"]
)
def test_gradients_of_every_parameter_are_the_oracles(dtype: torch.dtype, rtol: float, atol: float) -> None:
    encoder = small_encoder()
    oracle = oracle_of(encoder)
    sequences = random_sequences(SMALL, [7, 1, 20, 3])
    assert_same_gradients(encoder.to(dtype), oracle.to(dtype), sequences, rtol, atol)


def test_gradients_of_real_weights_are_the_oracles(real: Bert, real_oracle: Any, texts: Sequences) -> None:
    assert_same_gradients(real, real_oracle, Sequences(texts.ids[:2], texts.types[:2]), rtol=1e-4, atol=1e-5)


def pool(encoder: Bert, sequences: Sequences, layout: Layout | None = None) -> Tensor:
    """What the model's heads see, by the shorter way."""
    if isinstance(layout, PaddedLayout):
        ids, types, _ = sequences.padded
        return encoder.pool(ids.flatten(), types.flatten(), layout)
    ids, types = sequences.packed
    return encoder.pool(ids, types, sequences.lengths)


@pytest.mark.parametrize("lengths", [[7, 1, 20, 3], [5, 5, 5], [1], [1, 1], [20]], ids=str)
def test_the_shorter_way_to_pooled_outputs_gives_the_same(lengths: list[int]) -> None:
    sequences = random_sequences(SMALL, lengths)
    padded = PaddedLayout(sequences.padded[2])
    for encoder, atol in ((small_encoder(), 1e-6), (small_encoder().double(), 1e-13)):
        with torch.no_grad():
            expected = encode(encoder, sequences).pooled
            for layout in (None, padded):
                torch.testing.assert_close(pool(encoder, sequences, layout), expected, rtol=0, atol=atol)


def test_the_shorter_way_gives_the_oracles_numbers(real: Bert, real_oracle: Any, texts: Sequences) -> None:
    ids, types, mask = texts.padded
    with torch.no_grad():
        expected = real_oracle(ids, mask, types).pooler_output
        torch.testing.assert_close(pool(real, texts), expected, rtol=0, atol=1e-6)


def test_the_shorter_way_gives_the_same_gradients() -> None:
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


def test_the_shorter_way_drops_attention_and_both_sublayers(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(replace(SMALL, dropout=P, attention_dropout=0.0))
    for sublayer, output in ((layer.attention_out, 1.0), (layer.down, 2.0)):
        nn.init.zeros_(sublayer.weight)
        nn.init.constant_(sublayer.bias, output)
    monkeypatch.setattr(layer, "attention_norm", nn.Identity())
    monkeypatch.setattr(layer, "norm", nn.Identity())
    out = layer.first(torch.zeros(400, 24), PackedLayout([2] * 200)) * (1 - P)
    for value, share in ((0.0, P * P), (1.0, (1 - P) * P), (2.0, P * (1 - P)), (3.0, (1 - P) ** 2)):
        assert_kept((out - value).abs() < 1e-5, share)
    n = 64  # as above: what is left of each value shows whether its weight was dropped
    sequences = 40
    kv = torch.cat([torch.zeros(n * sequences, n), torch.eye(n).repeat(sequences, 1)], dim=1)
    context = attend_first(torch.zeros(sequences, n), kv, PackedLayout([n] * sequences), 1, P, True)
    assert_kept(context != 0, 1 - P)


P = 0.3125
"""A rate of dropout, one that a CPU has exactly. Of N values about N (1 - P) are kept, give or take five standard deviations."""


def assert_kept(kept: Tensor, share: float) -> None:
    assert kept.numel() > 2000
    deviation = (share * (1 - share) / kept.numel()) ** 0.5
    assert abs(kept.float().mean().item() - share) < 5 * deviation


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        yield


def test_embeddings_are_dropped_at_the_rate_of_layers() -> None:
    embeddings = small_encoder(replace(SMALL, dropout=P, attention_dropout=0.9)).embeddings
    inputs = torch.randint(50, (200,)), torch.zeros(200, dtype=torch.int64), torch.arange(200) % 20
    with torch.no_grad():
        dropped, whole = embeddings.train()(*inputs), embeddings.eval()(*inputs)
    assert_kept(dropped != 0, 1 - P)
    torch.testing.assert_close(dropped, torch.where(dropped != 0, whole / (1 - P), 0.0))


def test_attention_is_dropped_at_the_rate_given_and_reported_before_it() -> None:
    n = 64  # queries and keys of zero look everywhere alike, and values of one-hot rows let the dropped weights through
    qkv = torch.cat([torch.zeros(n, 2 * n), torch.eye(n)], dim=1)
    context, weights = attend(qkv, PackedLayout([n]), heads=1, dropout=P, training=True)
    assert_kept(context != 0, 1 - P)
    torch.testing.assert_close(context, torch.where(context != 0, 1 / n / (1 - P), 0.0))
    torch.testing.assert_close(weights, torch.full((1, 1, n, n), 1 / n))
    quiet, _ = attend(qkv, PackedLayout([n]), heads=1, dropout=P, training=False)
    torch.testing.assert_close(quiet, torch.full((n, n), 1 / n))


@pytest.mark.parametrize(
    "layout", [PackedLayout([7, 1, 20, 3]), PackedLayout([5, 5]), PaddedLayout(torch.tensor([[1, 1], [1, 0]]))]
)
def test_the_fused_way_that_a_gpu_takes_gives_the_same_context_and_gradient(layout: Layout) -> None:
    qkv = torch.randn(len(layout.positions), 72, dtype=torch.float64, requires_grad=True)
    plain, fused = attend(qkv, layout, 4, 0.0, True)[0], attend_fused(qkv, layout, 4, 0.0, True)
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-13)
    upstream = torch.randn_like(plain)
    expected, found = (torch.autograd.grad(out, qkv, upstream)[0] for out in (plain, fused))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("fused", [True, False])
def test_a_gpu_goes_the_fused_way_unless_weights_are_asked_for(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [7, 1, 20, 3])
    with torch.no_grad():
        expected = encode(encoder, sequences)
        monkeypatch.setattr(Tensor, "is_cuda", True, raising=False)
        monkeypatch.delattr(f"swissbert.encoder.bert.{'attend' if fused else 'attend_fused'}")
        ids, types = sequences.packed
        found = encoder(ids, types, sequences.lengths, keep_attentions=not fused)
    torch.testing.assert_close(found.hidden, expected.hidden, rtol=0, atol=1e-5)
    assert len(found.attentions) == (0 if fused else SMALL.layers)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("bf16", [False, True])
def test_a_gpu_gives_what_a_cpu_gives(bf16: bool) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [7, 1, 20, 3])
    ids, types = sequences.packed
    there = small_encoder().cuda()
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        found = there(ids.cuda(), types.cuda(), sequences.lengths).pooled.float()
    expected = encoder(ids, types, sequences.lengths).pooled
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=0.05 if bf16 else 1e-5)
    for a, b in zip(there.parameters(), encoder.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert (a.grad.cpu() - b.grad).norm() <= (0.05 if bf16 else 1e-4) * (1 + b.grad.norm())


def test_the_fused_way_drops_attention_in_training_alone() -> None:
    n = 64  # as above
    qkv = torch.cat([torch.zeros(n, 2 * n), torch.eye(n)], dim=1)
    context = attend_fused(qkv, PackedLayout([n]), 1, P, True)
    assert_kept(context != 0, 1 - P)
    torch.testing.assert_close(context, torch.where(context != 0, 1 / n / (1 - P), 0.0))
    torch.testing.assert_close(attend_fused(qkv, PackedLayout([n]), 1, P, False), torch.full((n, n), 1 / n))


def test_the_two_sublayers_are_dropped_at_the_rate_of_layers_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(replace(SMALL, dropout=P, attention_dropout=0.9))
    for sublayer, output in ((layer.attention_out, 1.0), (layer.down, 2.0)):
        nn.init.zeros_(sublayer.weight)
        nn.init.constant_(sublayer.bias, output)
    monkeypatch.setattr(layer, "attention_norm", nn.Identity())
    monkeypatch.setattr(layer, "norm", nn.Identity())
    out = layer(torch.zeros(200, 24), PackedLayout([20] * 10))[0] * (1 - P)  # of 0 + 1 + 2, one and two are dropped
    for value, share in ((0.0, P * P), (1.0, (1 - P) * P), (2.0, P * (1 - P)), (3.0, (1 - P) ** 2)):
        assert_kept((out - value).abs() < 1e-5, share)


def test_each_rate_of_dropout_acts_where_it_belongs_and_nowhere_else() -> None:
    sequences = random_sequences(SMALL, [7, 1, 20, 3])
    quiet = small_encoder(SMALL.with_dropout(0.0))
    expected = encode(quiet, sequences)
    assert torch.equal(encode(quiet.train(), sequences).pooled, expected.pooled)

    inside = small_encoder(replace(SMALL, dropout=0.0, attention_dropout=P)).train()
    dropped = encode(inside, sequences)
    assert torch.equal(dropped.all_hidden[0], expected.all_hidden[0])
    assert not torch.equal(dropped.all_hidden[1], expected.all_hidden[1])

    outside = small_encoder(replace(SMALL, dropout=P, attention_dropout=0.0)).train()
    assert not torch.equal(encode(outside, sequences).all_hidden[0], expected.all_hidden[0])
    assert SMALL.with_dropout(P) == replace(SMALL, dropout=P, attention_dropout=P)
    assert SMALL.with_dropout(None) == SMALL


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    encoder, sequences = small_encoder(SMALL.with_dropout(P)), random_sequences(SMALL, [7, 1, 20, 3])
    assert torch.equal(encode(encoder, sequences).hidden, encode(encoder, sequences).hidden)
    encoder.train()
    assert not torch.equal(encode(encoder, sequences).hidden, encode(encoder, sequences).hidden)
