"""Checkpoints of the encoder: names in both directions, old formats, and messages for damaged files."""

import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertConfig as OracleConfig
from transformers import BertModel

from swissbert.encoder import Bert, BertConfig
from swissbert.encoder.checkpoint import read_encoder, write_encoder
from swissbert.encoder.config_file import config_json, parse_config
from swissbert.errors import SwissbertError

CONFIG = BertConfig(
    vocab_size=11,
    hidden_size=12,
    layers=2,
    heads=3,
    intermediate_size=20,
    max_positions=7,
    token_types=2,
    norm_eps=1e-6,
    dropout=0.2,
    attention_dropout=0.3,
    initializer_range=0.5,
)
TABLE: dict[str, Any] = json.loads(config_json(CONFIG))
SIZES = {
    "vocab_size": 2_000_000,
    "hidden_size": 16_384,
    "num_hidden_layers": 200,
    "num_attention_heads": 512,
    "intermediate_size": 131_072,
    "max_position_embeddings": 65_536,
    "type_vocab_size": 1_024,
}
"""Largest value of each size; the smallest is 1."""
RATES = {
    "layer_norm_eps": (1e-20, 0.1),
    "hidden_dropout_prob": (0.0, 0.99),
    "attention_probs_dropout_prob": (0.0, 0.99),
    "initializer_range": (0.0, 10.0),
}


@pytest.fixture
def encoder() -> Bert:
    """An encoder with random values in every parameter, so that no mix-up of two goes unnoticed."""
    encoder = Bert(CONFIG)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return encoder


@pytest.fixture
def folder(encoder: Bert, tmp_path: Path) -> Path:
    """The folder that `encoder` is written to."""
    write_encoder(encoder, tmp_path)
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Replace the tensors of a folder by changed ones."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def assert_equal(one: Bert, other: Bert) -> None:
    """Check that parameters are equal bit for bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def message(folder: Path) -> str:
    """The message of the error that reading the folder raises."""
    with pytest.raises(SwissbertError) as caught:
        read_encoder(folder)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000, text
    assert text.startswith(str(folder))
    return text


def test_a_written_encoder_is_read_back_bit_for_bit(encoder: Bert, folder: Path, tmp_path: Path) -> None:
    again = read_encoder(folder)
    assert again.config == CONFIG
    assert_equal(again, encoder)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in again.parameters())
    second = tmp_path / "second"
    second.mkdir()
    write_encoder(again, second)
    for name in ("config.json", "model.safetensors"):
        assert (second / name).read_bytes() == (folder / name).read_bytes()


def test_written_files_use_the_names_of_hugging_face(folder: Path) -> None:
    with torch.device("meta"):
        shapes = {
            name: list(t.shape) for name, t in BertModel(OracleConfig.from_pretrained(folder)).state_dict().items()
        }
    stored = load_file(folder / "model.safetensors")
    assert {name: list(t.shape) for name, t in stored.items()} == shapes
    assert "encoder.layer.1.attention.self.key.bias" in stored
    assert {t.dtype for t in stored.values()} == {torch.float32}
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_transformers_loads_a_written_folder_without_missing_keys(encoder: Bert, folder: Path) -> None:
    loaded: Any = BertModel.from_pretrained(folder, output_loading_info=True)
    oracle, report = loaded
    assert {"missing_keys", "unexpected_keys", "mismatched_keys"} <= report.keys()
    assert not any(report.values()), report
    weight = oracle.encoder.layer[1].attention.self.key.weight
    assert torch.equal(weight, encoder.state_dict()["layers.1.qkv.weight"][12:24])
    assert oracle.config.layer_norm_eps == 1e-6
    assert oracle.config.hidden_dropout_prob == 0.2
    assert oracle.config.attention_probs_dropout_prob == 0.3


def test_folders_written_by_transformers_are_read(encoder: Bert, folder: Path, tmp_path: Path) -> None:
    BertModel.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    assert_equal(read_encoder(tmp_path / "theirs"), encoder)


def test_dropout_can_be_overridden(folder: Path) -> None:
    assert read_encoder(folder, dropout=0.0).config == replace(CONFIG, dropout=0.0, attention_dropout=0.0)


def old(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors as in the first conversions of Google's BERT: norms, prefix, buffer, heads of pretraining."""
    renamed = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
        for name, t in tensors.items()
    }
    assert sum("gamma" in name for name in renamed) == 1 + 2 * CONFIG.layers
    return renamed | {
        "bert.embeddings.position_ids": torch.arange(7)[None],
        "cls.predictions.bias": torch.zeros(11),
        "cls.predictions.transform.LayerNorm.gamma": torch.zeros(12),
        "cls.seq_relationship.weight": torch.zeros(2, 12),
    }


def test_old_tensor_names_are_supported(encoder: Bert, folder: Path) -> None:
    rewrite(folder, old)
    assert_equal(read_encoder(folder), encoder)


@pytest.mark.parametrize("buffer", ["embeddings.position_ids", "bert.embeddings.position_ids"])
def test_the_buffer_of_positions_is_ignored(encoder: Bert, folder: Path, buffer: str) -> None:
    rewrite(folder, lambda tensors: tensors | {buffer: torch.arange(7)[None]})
    assert_equal(read_encoder(folder), encoder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions_are_converted_to_fp32(encoder: Bert, folder: Path, dtype: torch.dtype) -> None:
    rewrite(folder, lambda tensors: {name: t.to(dtype) for name, t in tensors.items()})
    read = read_encoder(folder)
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    torch.testing.assert_close(read.pooler.weight, encoder.pooler.weight.to(dtype).float(), rtol=0, atol=0)


KEY = "encoder.layer.0.attention.self.key.weight"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: {k: v for k, v in t.items() if k != KEY}, f"missing {KEY}"),
        (lambda t: t | {"encoder.layer.2.output.dense.bias": torch.zeros(12)}, "unknown encoder.layer.2.output.dense."),
        (
            lambda t: t | {"encoder.layer.0.crossattention.self.key.bias": torch.zeros(12)},
            "unknown encoder.layer.0.cross",
        ),
        (
            lambda t: t | {"decoder.crossattention.self.key.bias": torch.zeros(12)},
            "repeated decoder.crossattention.self",
        ),
        (
            lambda t: t | {"encoder.layer.0.attention.self.key.lora_A": torch.zeros(2, 12)},
            "unknown encoder.layer.0.att",
        ),
        (lambda t: t | {"teacher." + KEY: torch.zeros(12, 12)}, f"repeated teacher.{KEY}"),
        (lambda t: t | {KEY: torch.zeros(12, 12, dtype=torch.int8)}, f"{KEY} is of the type I8, but BF16"),
        (lambda t: t | {KEY: torch.zeros(12, 13)}, f"misshaped {KEY} [12, 13] instead of [12, 12]"),
        (lambda t: t | {KEY: torch.zeros(144)}, f"misshaped {KEY} [144] instead of [12, 12]"),
        (lambda t: t | {KEY: torch.zeros(())}, f"misshaped {KEY} [] instead of [12, 12]"),
        (lambda t: t | {"pooler.dense.bias": torch.zeros(0)}, "misshaped pooler.dense.bias [0] instead of [12]"),
        (lambda t: t | {"bert.pooler.dense.bias": torch.zeros(12)}, "repeated bert.pooler.dense.bias"),
        (lambda t: t | {"embeddings.LayerNorm.gamma": torch.zeros(12)}, "repeated embeddings.LayerNorm.weight"),
        (lambda t: t | {"pooler.a\nb\x1b[31m": torch.zeros(1)}, r"unknown 'pooler.a\nb\x1b[31m'"),
        (lambda t: t | {"pooler." + "x" * 10_000: torch.zeros(1)}, "a tensor has a name of more than 500 characters"),
    ],
    ids=[
        "missing",
        "layer",
        "cross",
        "decoder",
        "lora",
        "two",
        "int8",
        "rows",
        "flat",
        "scalar",
        "empty",
        "prefix",
        "gamma",
        "escapes",
        "endless",
    ],
)
def test_tensors_that_do_not_fit_are_named(
    folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], sentence: str
) -> None:
    rewrite(folder, change)
    assert sentence in message(folder)


def test_all_problems_are_named_at_once_and_long_lists_are_cut(folder: Path) -> None:
    rewrite(folder, lambda t: {f"pooler.x{i}": torch.zeros(1) for i in range(9)} | {KEY: torch.zeros(1)})
    text = message(folder)
    assert "missing embeddings.LayerNorm.bias, " in text
    assert (
        "; unknown pooler.x0, pooler.x1, pooler.x2, pooler.x3 and 5 more; misshaped encoder.layer.0.attention.self.key.weight [1]"
        in text
    )


def test_the_parts_of_fused_projections_are_checked_separately(folder: Path) -> None:
    def regroup(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The right number of rows in total, but not in each part."""
        key, query = KEY, KEY.replace("key", "query")
        return tensors | {key: torch.zeros(11, 12), query: torch.zeros(13, 12)}

    rewrite(folder, regroup)
    text = message(folder)
    assert "key.weight [11, 12] instead of [12, 12]" in text
    assert "query.weight [13, 12] instead of [12, 12]" in text


BAD: list[tuple[str, str]] = [
    *((key, value) for key in SIZES for value in ("0", "-1", "true", "null", '"12"', "12.0", "1e400", "[1]", "{}")),
    *((key, str(limit + 1)) for key, limit in SIZES.items()),
    *((key, value) for key in RATES for value in ("-0.1", "true", "null", '"0.1"', "NaN", "Infinity", "11", "[0.1]")),
    ("layer_norm_eps", "0"),
    ("hidden_dropout_prob", "1"),
    ("hidden_size", "9" * 4000),
    ("hidden_dropout_prob", "9" * 4000),
    ("vocab_size", json.dumps("x" * 10_000)),
    ("vocab_size", "[" * 500 + "]" * 500),
    ("model_type", '"deberta-v2"'),
    ("model_type", "null"),
    ("model_type", "7"),
    ("hidden_act", '"relu6"'),
    ("hidden_act", "null"),
    ("hidden_act", "[1]"),
    ("position_embedding_type", '"relative_key"'),
    ("is_decoder", "true"),
    ("add_cross_attention", "true"),
]


@pytest.mark.parametrize(("key", "value"), BAD, ids=lambda text: text[:24])
def test_a_key_out_of_range_or_of_another_type_is_named_with_its_value(folder: Path, key: str, value: str) -> None:
    text = json.dumps(TABLE | {key: "HERE"}).replace('"HERE"', value)
    (folder / "config.json").write_text(text)
    assert f"config.json: {key} is " in message(folder)


@pytest.mark.parametrize("key", SIZES)
def test_every_size_is_required(folder: Path, key: str) -> None:
    (folder / "config.json").write_text(json.dumps({k: v for k, v in TABLE.items() if k != key}))
    assert f"config.json: {key} is None; a whole number from 1 to {SIZES[key]} is expected" in message(folder)


def test_limits_are_allowed_and_unknown_keys_are_ignored() -> None:
    for key, limit in SIZES.items():
        for value in (1, limit):
            heads = {"num_attention_heads": 1} if key != "num_attention_heads" else {"hidden_size": limit}
            parse_config(json.dumps(TABLE | heads | {key: value}), "here")
    for key, limits in RATES.items():
        for rate in limits:
            parse_config(json.dumps(TABLE | {key: rate}), "here")
    assert parse_config(json.dumps(TABLE | {"auto_map": {"AutoModel": "code.Model"}, "_name": None}), "here") == CONFIG


def test_missing_rates_are_those_of_bert() -> None:
    config = parse_config(json.dumps({key: TABLE[key] for key in SIZES}), "here")
    assert config == replace(CONFIG, norm_eps=1e-12, dropout=0.1, attention_dropout=0.1, initializer_range=0.02)


def test_the_hidden_size_must_be_a_multiple_of_the_heads(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(TABLE | {"num_attention_heads": 5}))
    assert "hidden_size 12 is not a multiple of num_attention_heads 5" in message(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("hidden_size: 12", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"a":' * 100_000, "not valid JSON"),
        (
            json.dumps(TABLE)[:-1] + f', "extra": {"9" * 5000}}}',
            "not valid JSON",
        ),  # more digits than Python converts to a number
        ("[]", "a JSON object"),
        ("null", "a JSON object"),
        ('"bert"', "a JSON object"),
    ],
    ids=["empty", "half", "yaml", "lists", "objects", "digits", "list", "null", "string"],
)
def test_a_config_that_is_not_a_json_object_is_refused(folder: Path, text: str, sentence: str) -> None:
    (folder / "config.json").write_text(text)
    assert f"config.json: {sentence}" in message(folder)


def test_a_config_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "config.json").write_bytes(b'{"model_type": "\xff"}')
    assert "config.json: cannot be read" in message(folder)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(TABLE)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_any_config_gives_sizes_in_range_or_an_error_message(changes: dict[str, Any]) -> None:
    try:
        config = parse_config(json.dumps(TABLE | changes), "here")
    except SwissbertError:
        return
    assert config.hidden_size % config.heads == 0
    for value, limit in zip(
        (
            config.vocab_size,
            config.hidden_size,
            config.layers,
            config.heads,
            config.intermediate_size,
            config.max_positions,
            config.token_types,
        ),
        SIZES.values(),
        strict=True,
    ):
        assert type(value) is int
        assert 1 <= value <= limit
    rates = (config.norm_eps, config.dropout, config.attention_dropout, config.initializer_range)
    for rate, (low, high) in zip(rates, RATES.values(), strict=True):
        assert type(rate) is float
        assert low <= rate <= high


def test_shapes_are_compared_before_an_encoder_of_terabytes_is_allocated(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(TABLE | SIZES))
    text = message(folder)
    assert "misshaped embeddings.LayerNorm.bias [12] instead of [16384]" in text
    assert "missing encoder.layer.10." in text


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.perf
def test_a_config_of_terabytes_is_refused_in_little_time_and_memory(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(TABLE | SIZES))
    before, start = peak_memory(), time.process_time()
    message(folder)
    assert peak_memory() - before < 200e6
    assert time.process_time() - start < 10


def test_a_file_that_claims_terabytes_is_refused(folder: Path) -> None:
    header = {"embeddings.word_embeddings.weight": {"dtype": "F32", "shape": [2**40, 12], "data_offsets": [0, 2**40]}}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"tiny")
    assert "not a readable safetensors file" in message(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[:4],
        lambda whole: whole[:100],
        lambda whole: whole[:-1],
        lambda whole: whole + b"x",
        lambda whole: b"\xff" * 8 + whole[8:],
        lambda whole: b"\x80\x04\x95" + whole,  # the first bytes of a pickle
        lambda whole: whole[:8] + b"[" + whole[9:],
    ],
    ids=["empty", "no-header", "half-header", "cut", "longer", "huge-header", "pickle", "other-json"],
)
def test_a_corrupt_weights_file_is_refused(folder: Path, spoil: Callable[[bytes], bytes]) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(spoil(weights.read_bytes()))
    assert "model.safetensors: not a readable safetensors file" in message(folder)


def test_pickles_are_never_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert message(folder).endswith("model.safetensors: no such file")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    text = message(folder)
    assert "no such file; pytorch_model.bin holds pickled weights, which are not read here" in text
    assert f"`swissbert convert {folder}`" in text


def test_a_folder_without_a_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert message(folder).endswith("config.json: no such file")
    (folder / "0_Transformer").mkdir()
    (folder / "0_Transformer" / "config.json").write_text("{}")
    assert message(folder).endswith("config.json: no such file; its folder '0_Transformer' has one, so name that")
    (folder / "adapter_config.json").write_text("{}")
    assert "holds an adapter (PEFT), which must be merged into its model first" in message(folder)
