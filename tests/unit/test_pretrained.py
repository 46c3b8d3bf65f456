"""Checkpoints as others publish them: wrapped, with heads, without a pooler, in shards; and trained models as encoders."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    BertConfig as OracleConfig,
)
from transformers import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from encoders import SMALL, shake, small_encoder
from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.checkpoint import read_encoder, read_pretrained, write_encoder
from swissbert.errors import SwissbertError
from swissbert.export import export_hf
from swissbert.inference import load
from swissbert.model_folder import layout
from swissbert.model_folder.encoders import encoder_folder, left_behind
from swissbert.model_folder.origin import base_folder
from swissbert.model_folder.save import save_model

SIZES: dict[str, Any] = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "attn_implementation": "eager",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_encoder(small_encoder(), tmp_path)
    return tmp_path


def stored(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def store(folder: Path, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors")


def assert_is_small(folder: Path) -> list[str]:
    """Check that a folder is read as the encoder it was written from; return the notes."""
    encoder, notes, _ = read_pretrained(folder)
    ours, theirs = encoder.state_dict(), small_encoder().state_dict()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    return notes


@pytest.mark.parametrize(
    ("kind", "left", "has_pooler"),
    [
        (BertModel, [], True),
        (BertForMaskedLM, ["cls.predictions"], False),
        (BertForPreTraining, ["cls.predictions"], True),
        (BertForNextSentencePrediction, ["cls.seq_relationship"], True),
        (BertForSequenceClassification, ["classifier.bias, classifier.weight"], True),
        (BertForTokenClassification, ["classifier.bias, classifier.weight"], False),
        (BertForQuestionAnswering, ["qa_outputs.bias, qa_outputs.weight"], False),
    ],
)
def test_the_encoder_of_any_model_of_transformers_is_read(
    kind: Any, left: list[str], has_pooler: bool, tmp_path: Path
) -> None:
    oracle = shaken(kind(OracleConfig(**SIZES)))
    oracle.save_pretrained(tmp_path)
    encoder, notes, _ = read_pretrained(tmp_path)
    inner: Any = oracle if kind is BertModel else oracle.bert
    ids = torch.arange(1, 11)
    expected = inner(ids[None]).last_hidden_state[0]
    torch.testing.assert_close(encoder.eval()(ids, ids * 0, [10]).hidden, expected, rtol=0, atol=1e-5)
    assert len(notes) == len(left) + (not has_pooler)
    assert all(name in notes[0] for name in left)
    assert any("no pooler, so it begins with new weights" in note for note in notes) is not has_pooler
    if not has_pooler:
        with pytest.raises(SwissbertError, match=r"missing pooler\.dense\.bias, pooler\.dense\.weight$"):
            read_encoder(tmp_path)


def shaken(oracle: Any) -> Any:
    shake(oracle.eval(), seed=3)
    return oracle


@pytest.mark.parametrize(
    "prefix", ["", "bert.", "module.", "module.bert.", "model.", "encoder.", "model.encoder.", "0.auto_model."]
)
def test_what_wraps_the_encoder_does_not_matter(folder: Path, prefix: str) -> None:
    tensors = {prefix + name: tensor for name, tensor in stored(folder).items()}
    store(folder, tensors | {"head.weight": torch.zeros(2), "embeddings_norm.bias": torch.zeros(1)})
    [note] = assert_is_small(folder)
    assert (
        note
        == f"{folder}/model.safetensors: embeddings_norm.bias, head.weight left behind, because only the encoder is used"
    )


def test_a_new_pooler_depends_on_the_seed_alone(folder: Path) -> None:
    store(folder, {name: tensor for name, tensor in stored(folder).items() if not name.startswith("pooler.")})
    poolers = []
    for seed in (1, 1, 2):
        before = torch.random.get_rng_state()
        poolers.append(read_pretrained(folder, seed=seed).encoder.pooler)
        assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(poolers[0].weight, poolers[1].weight)
    assert not torch.equal(poolers[0].weight, poolers[2].weight)
    assert 0.5 < float(poolers[0].weight.detach().std()) / SMALL.initializer_range < 1.5
    assert not poolers[0].bias.any()
    assert all(parameter.requires_grad for parameter in poolers[0].parameters())


def test_half_a_pooler_is_refused(folder: Path) -> None:
    store(folder, {name: tensor for name, tensor in stored(folder).items() if name != "pooler.dense.bias"})
    with pytest.raises(SwissbertError, match=r"missing pooler\.dense\.bias$"):
        read_pretrained(folder)


def shard(folder: Path) -> dict[str, str]:
    """Replace the weights of a folder by two shards and an index; return its map."""
    tensors = stored(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    files = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    weight_map = {name: file for file, held in files.items() for name in held}
    write_index(folder, weight_map)
    return weight_map


def write_index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def test_shards_are_read(folder: Path) -> None:
    shard(folder)
    assert assert_is_small(folder) == []


@pytest.mark.parametrize("elsewhere", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "", "a\\b", 3])
def test_shards_outside_the_folder_are_refused(folder: Path, elsewhere: object) -> None:
    write_index(folder, shard(folder) | {"pooler.dense.bias": elsewhere})
    with pytest.raises(
        SwissbertError, match=r"the file of the tensor pooler\.dense\.bias is .* must lie in the same folder"
    ):
        read_encoder(folder)


def test_missing_shards_and_tensors_are_named(folder: Path) -> None:
    weight_map = shard(folder)
    write_index(folder, weight_map | {"classifier.bias": "model-00001-of-00002.safetensors"})
    with pytest.raises(
        SwissbertError, match=r"model-00001-of-00002.safetensors: .* promises the tensor classifier\.bias"
    ):
        read_encoder(folder)
    write_index(folder, weight_map)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        SwissbertError, match=r"model-00002-of-00002\.safetensors: no such file, but model\.saf.* lists it"
    ):
        read_encoder(folder)
    write_index(folder, None)
    with pytest.raises(SwissbertError, match="weight_map is missing"):
        read_encoder(folder)


def test_names_in_an_index_stay_on_one_line_of_a_message(folder: Path) -> None:
    weight_map = shard(folder)
    for more, part in (
        ({"pooler.dense.bias": "a\nb\x1b.safetensors"}, r"a\\u000ab\\u001b.safetensors: no such file, but"),
        ({"c\nd": "model-00001-of-00002.safetensors"}, r"promises the tensor c\\u000ad, which is not in this file"),
        ({"c\nd": "../x"}, r"the file of the tensor c\\u000ad is '../x', but it must lie in the same folder"),
    ):
        write_index(folder, weight_map | more)
        with pytest.raises(SwissbertError, match=part) as caught:
            read_encoder(folder)
        assert str(caught.value).isprintable()


def test_the_settings_file_of_the_first_releases_is_read(folder: Path) -> None:
    (folder / "config.json").rename(folder / "bert_config.json")
    assert assert_is_small(folder) == []


@pytest.mark.parametrize("file", ["bert_model.ckpt.index", "tf_model.h5", "flax_model.msgpack"])
def test_checkpoints_of_other_libraries_are_refused_with_a_way_out(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"x")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        SwissbertError, match=r"checkpoint, but safetensors are expected; transformers before version 5"
    ):
        read_encoder(tmp_path)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_are_those_of_transformers(name: str) -> None:
    from transformers.activations import ACT2FN

    x = torch.linspace(-8, 8, 1001, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[name](x), ACT2FN[name](x), rtol=0, atol=1e-9)


# Trained models as encoders


def test_a_run_a_model_folder_and_an_export_are_encoders(tiny_run: Path, tmp_path: Path) -> None:
    expected = load(tiny_run, "cpu").network.encoder.state_dict()
    [*exports] = export_hf(load(tiny_run, "cpu"), tmp_path / "hf")
    for name in (tiny_run, tiny_run / "model", *exports):
        folder = encoder_folder(str(name))
        encoder, notes, _ = read_pretrained(folder)
        actual = encoder.state_dict()
        assert all(torch.equal(actual[key], expected[key]) for key in expected)
        assert len(notes) == (name in exports)
    note = left_behind(encoder_folder(str(tiny_run)))
    assert note is not None
    assert "the heads of its tasks (sst, para, sts) left behind" in note
    assert left_behind(exports[0]) is None


def test_a_compact_folder_is_no_encoder(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run, "cpu")
    save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=base_folder(model.folder))
    for name in (str(tmp_path / "compact"), "mini"):
        with pytest.raises(
            SwissbertError, match="a compact model folder, which holds the difference from its encoder only"
        ):
            encoder_folder(name)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / layout.RUN_CONFIG).write_text("")
    with pytest.raises(SwissbertError, match="a run folder without a model yet"):
        encoder_folder(str(tmp_path / "run"))


def test_a_model_that_went_on_from_a_run_is_stored_compactly_against_it(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run, "cpu")
    encoder = model.description.encoder.model_copy(update={"name": str(tiny_run)})
    description = model.description.model_copy(update={"encoder": encoder})
    save_model(tmp_path / "full", model.network, model.tokenizer, description)
    table = json.loads((tmp_path / "full" / layout.DESCRIPTION).read_text())
    assert table["encoder"]["name"] == tiny_run.name
    assert "encoder_sha256" in table["provenance"]
    os.symlink(tiny_run, tmp_path / tiny_run.name)
    base = base_folder(tmp_path / "full")
    assert base.samefile(tiny_run / "model")
    save_model(tmp_path / "compact", model.network, model.tokenizer, description, base=base)
    texts = ["A good film.", "no"]
    assert load(tmp_path / "compact", "cpu").numbers("sst", texts) == pytest.approx(
        model.numbers("sst", texts), abs=1e-5
    )


def test_a_compact_folder_needs_a_base_with_a_pooler(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run, "cpu")
    write_encoder(model.network.encoder, tmp_path)
    store(tmp_path, {name: tensor for name, tensor in stored(tmp_path).items() if not name.startswith("pooler.")})
    with pytest.raises(SwissbertError, match="has no pooler, so the model's is no small difference from it"):
        save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=tmp_path)
    assert not (tmp_path / "compact").exists()


def test_a_compact_folder_keeps_the_tokens_of_a_vocabulary_without_settings(
    tiny_run: Path, tiny: Path, tmp_path: Path
) -> None:
    """Models of 0.1.0 were trained with small letters; a base with capitals in its vocabulary now keeps capitals."""
    model = load(tiny_run, "cpu")
    base = base_folder(model.folder)
    save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=base)
    (tmp_path / "tiny").mkdir()
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (tmp_path / "tiny" / name).write_bytes((tiny / name).read_bytes())
    path = tmp_path / "compact" / layout.DESCRIPTION
    table = json.loads(path.read_text())
    table["encoder"]["name"] = "tiny"
    del table["compact"]["tokenizer"], table["compact"]["base/tokenizer_config.json"], table["checksums"]
    path.write_text(json.dumps(table))
    old = load(tmp_path / "compact", "cpu").tokenizer
    ids = old.encode(["The FILM"], None, together=True, max_length=8).ids.tolist()
    assert old.words(ids) == ["[CLS]", "the", "film", "[SEP]"]


@pytest.mark.parametrize("name", ["model.fp16.safetensors", "model-00001-of-00001.safetensors"])
def test_weights_under_another_name_are_named(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(
        SwissbertError, match=rf"model\.safetensors: no such file; {name} is there: weights are read from"
    ):
        read_encoder(folder)


@pytest.mark.parametrize("file", ["model.gguf", "model.onnx", "best.pt"])
def test_weights_in_another_format_are_named(folder: Path, file: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(b"x")
    with pytest.raises(SwissbertError, match=rf"model\.safetensors: no such file; {file} \(.*\) is not read"):
        read_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(SwissbertError, match=rf"config\.json: no such file; {file} \(.*\) is not read"):
        read_pretrained(folder)


def test_a_pointer_of_git_lfs_is_recognised(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4\n")
    with pytest.raises(SwissbertError, match="a pointer of Git LFS and not the weights themselves"):
        read_pretrained(folder)


def test_a_file_is_no_encoder_and_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(SwissbertError, match=r"encoder\.name is 'models/m\.gguf', which is a file; name the folder"):
        encoder_folder("models/m.gguf", None)
