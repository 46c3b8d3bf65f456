"""The encoder against transformers.BertModel: hidden states, attention, pooled outputs and gradients."""

import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig as OracleConfig
from transformers import BertModel

import swissbert
from encoders import (
    SMALL,
    Sequences,
    assert_same_alone_and_in_a_batch,
    encode,
    pool,
    random_sequences,
    shake,
    small_encoder,
)
from swissbert.encoder import Bert, BertConfig, PaddedLayout
from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.checkpoint import read_encoder, write_encoder
from swissbert.encoder.names import hf_names


def oracle_from(folder: Path) -> Any:
    """Load transformers' BertModel."""
    oracle: Any = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return oracle.eval()


def oracle_of(encoder: Bert) -> Any:
    """Load the weights of an encoder into transformers' BertModel, through a written folder."""
    with tempfile.TemporaryDirectory() as folder:
        write_encoder(encoder, Path(folder))
        return oracle_from(Path(folder))


def assert_parity(encoder: Bert, oracle: Any, sequences: Sequences, hidden: float, pooled: float) -> None:
    """Check hidden states and attention of every layer and pooled outputs within tolerances, padding left out."""
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


def test_real_weights_match_on_sentences_and_pairs(real: Bert, real_oracle: Any, texts: Sequences) -> None:
    assert {int(types.max()) for types in texts.types} == {0, 1}
    assert_parity(real, real_oracle, texts, hidden=1e-5, pooled=1e-6)


def test_real_weights_match_at_lengths_from_1_to_128(real: Bert, real_oracle: Any) -> None:
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
        activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
    )


@st.composite
def configs_with_sequences(draw: st.DrawFn) -> tuple[BertConfig, Sequences]:
    config = draw(configs())
    lengths = draw(st.lists(st.integers(1, config.max_positions), min_size=1, max_size=5))
    return config, random_sequences(config, lengths, draw(st.integers(0, 2**32)))


@settings(max_examples=20, deadline=None)
@given(configs_with_sequences())
def test_any_written_encoder_matches_in_transformers(case: tuple[BertConfig, Sequences]) -> None:
    config, sequences = case
    encoder = small_encoder(config)
    assert_parity(encoder.double(), oracle_of(encoder).double(), sequences, hidden=1e-9, pooled=1e-9)


@settings(max_examples=20, deadline=None)
@given(configs_with_sequences())
def test_any_encoder_of_transformers_matches_when_read(case: tuple[BertConfig, Sequences]) -> None:
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
        "hidden_act": config.activation,
        "attn_implementation": "eager",
    }
    oracle: Any = BertModel(OracleConfig(**sizes))
    shake(oracle.eval(), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        oracle.save_pretrained(folder)
        encoder = read_encoder(Path(folder)).eval()
    assert encoder.config == replace(config, dropout=0.25, attention_dropout=0.75)
    assert_parity(encoder.double(), oracle.double(), sequences, hidden=1e-9, pooled=1e-9)


def test_a_padded_layout_matches_for_any_mask() -> None:
    encoder = small_encoder()
    ids, types, _ = random_sequences(SMALL, [9] * 6).padded
    mask = torch.randint(2, ids.shape, generator=torch.Generator().manual_seed(2))
    mask[:, 4] = 1  # at least one token in each row, in most rows not the first
    with torch.no_grad():
        ours = encoder(ids.flatten(), types.flatten(), PaddedLayout(mask))
        theirs = oracle_of(encoder)(ids, mask, types)
    torch.testing.assert_close(ours.hidden.view(6, 9, -1), theirs.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=1e-6)


def test_pool_matches_with_real_weights(real: Bert, real_oracle: Any, texts: Sequences) -> None:
    ids, types, mask = texts.padded
    with torch.no_grad():
        expected = real_oracle(ids, mask, types).pooler_output
        torch.testing.assert_close(pool(real, texts), expected, rtol=0, atol=1e-6)


def assert_same_gradients(encoder: Bert, oracle: Any, sequences: Sequences, rtol: float, atol: float) -> None:
    """Check the gradients of every parameter, of a random combination of all outputs with norm 1."""
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
        assert expected.abs().max() > 100 * atol, f"{name} has too small a gradient to compare"
        assert parameter.grad is not None
        difference = (parameter.grad - expected).abs_().sub_(expected.abs(), alpha=rtol).max().item()
        assert difference <= atol, f"{name}: {difference} beyond the relative tolerance"
    assert not their_parameters, "parameters of the oracle that were not compared"


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float32, 1e-4, 1e-5), (torch.float64, 1e-9, 1e-12)], ids=["float32", "float64"]
)
def test_gradients_of_every_parameter_match(dtype: torch.dtype, rtol: float, atol: float) -> None:
    encoder = small_encoder()
    oracle = oracle_of(encoder)
    sequences = random_sequences(SMALL, [7, 1, 20, 3])
    assert_same_gradients(encoder.to(dtype), oracle.to(dtype), sequences, rtol, atol)


def test_gradients_of_real_weights_match(real: Bert, real_oracle: Any, texts: Sequences) -> None:
    assert_same_gradients(real, real_oracle, Sequences(texts.ids[:2], texts.types[:2]), rtol=1e-4, atol=1e-5)


def test_real_texts_give_the_same_alone_and_in_a_batch(real: Bert, texts: Sequences) -> None:
    assert_same_alone_and_in_a_batch(real, texts, hidden=1e-5, pooled=1e-6)


def test_neighbours_of_the_same_lengths_do_not_change_a_bit(real: Bert) -> None:
    lengths = [5, 30, 1, 17]
    one, other = (random_sequences(real.config, lengths, seed) for seed in (3, 4))
    mixed = Sequences([other.ids[0], one.ids[1], *other.ids[2:]], [other.types[0], one.types[1], *other.types[2:]])
    with torch.no_grad():
        first, second = encode(real, one), encode(real, mixed)
    assert not torch.equal(first.pooled[0], second.pooled[0])
    assert torch.equal(first.pooled[1], second.pooled[1])
    assert torch.equal(first.hidden[5:35], second.hidden[5:35])
