"""Encoders and files beside them as people have them, and exports in other libraries: folders ``e`` and ``f``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from case_runner import Command

pytestmark = pytest.mark.usefixtures("one_thread")


def trained_encoder(folder: Path) -> dict[str, Any]:
    return load_file(folder / "RUN" / "model" / "model.safetensors")


@pytest.mark.parametrize("case", ["e01-further-pretrained"], indirect=True)
def test_an_encoder_without_pooler_takes_the_mean_and_has_a_new_one(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "no pooler, so it begins with new weights" in ended.stderr
    assert "model.pooling mean: the checkpoint has no pooler\n" in ended.stderr
    assert "cls.predictions.bias" in ended.stderr
    assert 0.01 < float(trained_encoder(case)["pooler.dense.weight"].std()) < 0.04


@pytest.mark.parametrize("case", ["e02-fine-tuned"], indirect=True)
def test_a_classifier_is_left_behind_and_said_so(case: Path, train_case: Command) -> None:
    ended = train_case("task.toml", "train.lr=1e-9", "model.pooling=pooler", steps=2)
    assert ended.status == 0, ended.stderr
    assert "classifier.bias, classifier.weight left behind" in ended.stderr
    assert "pooler" not in ended.stderr
    before, after = load_file(case / "checkpoint" / "model.safetensors"), trained_encoder(case)
    torch.testing.assert_close(after["pooler.dense.weight"], before["bert.pooler.dense.weight"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["e02-fine-tuned"], indirect=True)
def test_our_own_run_and_export_are_encoders(case: Path, train_case: Command, swissbert: Command) -> None:
    assert train_case("task.toml", "model.pooling=pooler", steps=2).status == 0
    assert swissbert("export", "RUN", "--format", "hf", "--out", "hf").status == 0
    again = train_case("task.toml", "encoder.name=hf/mood", steps=2, out="AGAIN")
    assert again.status == 0, again.stderr
    assert "classifier.bias, classifier.weight left behind" in again.stderr
    more = train_case("task.toml", "encoder.name=RUN", "train.lr=1e-9", steps=1, out="MORE")
    assert more.status == 0, more.stderr
    assert "a trained model; its encoder is taken, and the heads of its tasks (mood) left behind" in more.stderr
    after = load_file(case / "MORE" / "model" / "model.safetensors")
    for name, tensor in trained_encoder(case).items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["e04-pickled-weights"], indirect=True)
def test_pickled_weights_are_refused_with_the_way_out_which_works(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    ended = train_case(steps=2)
    assert ended.status == 2
    assert f"`swissbert convert {case / 'checkpoint'}` writes safetensors from them once" in ended.stderr
    converted = swissbert("convert", "checkpoint")
    assert converted.status == 0, converted.stderr
    assert "written from pytorch_model.bin; a BERT of 42,144 parameters" in converted.stderr
    assert converted.lines == ["checkpoint"]
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "left behind" not in ended.stderr


@pytest.mark.parametrize("case", ["e05-cased-words-alone"], indirect=True)
def test_a_vocabulary_with_capitals_keeps_them_and_says_so(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "capitals of texts are kept" in ended.stderr
    from swissbert.inference import load

    tokenizer = load(case / "RUN", "cpu").tokenizer
    ids = tokenizer.encode(["The negative Negative"], None, together=True, max_length=64).ids.tolist()
    assert tokenizer.words(ids) == ["[CLS]", "The", "negative", "Negative", "[SEP]"]
    from transformers import AutoTokenizer

    oracle: Any = AutoTokenizer.from_pretrained(str(case / "RUN" / "model"))
    assert oracle("The negative Negative")["input_ids"] == ids
    assert oracle.model_max_length == 64


@pytest.mark.parametrize("case", ["e08-odd-settings"], indirect=True)
@pytest.mark.parametrize("name", ["old", "odd", "relu", "gelu_new"])
def test_settings_files_of_all_ages_and_activations_train(case: Path, name: str, train_case: Command) -> None:
    ended = train_case("task.toml", f"encoder.name=checkpoint_{name}", "model.pooling=pooler", steps=2)
    assert ended.status == 0, ended.stderr
    model = case / "RUN" / "model"
    assert json.loads((model / "config.json").read_text())["hidden_act"] == (name if name[0] != "o" else "gelu")
    from transformers import AutoTokenizer, BertModel

    from swissbert.inference import load

    texts = ["The guide knew every bird by its call.", "cold"]
    rows: Any = AutoTokenizer.from_pretrained(str(model))
    oracle: Any = BertModel.from_pretrained(model, dtype=torch.float32)
    encoder = load(case / "RUN", "cpu").network.encoder
    for text in texts:
        inputs = rows(text, return_tensors="pt")
        with torch.no_grad():
            ours = encoder.pool(inputs["input_ids"][0], inputs["token_type_ids"][0], [inputs["input_ids"].shape[1]])
            torch.testing.assert_close(ours, oracle.eval()(**inputs).pooler_output, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["e08-odd-settings"], indirect=True)
def test_an_unknown_activation_is_refused_with_those_that_are_known(case: Path, train_case: Command) -> None:
    path = case / "checkpoint_relu" / "config.json"
    path.write_text(path.read_text().replace('"relu"', '"laplace"'))
    ended = train_case("task.toml", "encoder.name=checkpoint_relu", steps=2)
    assert ended.status == 2
    assert "hidden_act is 'laplace', but it must be one of gelu, " in ended.stderr
    assert ", relu, silu" in ended.stderr


@pytest.mark.parametrize("case", ["e11-first-releases"], indirect=True)
def test_names_of_the_first_releases_in_half_precision_train(case: Path, train_case: Command) -> None:
    ended = train_case("task.toml", "train.lr=1e-9", steps=2)
    assert ended.status == 0, ended.stderr
    assert "cls.predictions.bias" in ended.stderr
    before, after = load_file(case / "checkpoint" / "model.safetensors"), trained_encoder(case)
    old = before["bert.embeddings.LayerNorm.gamma"]
    assert old.dtype == torch.float16
    torch.testing.assert_close(after["embeddings.LayerNorm.weight"], old.float(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["e12-not-a-bert"], indirect=True)
def test_other_kinds_of_encoders_are_refused_with_what_is_read(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 2
    assert "model_type is 'deberta', but only encoders of the types 'bert', 'roberta'" in ended.stderr
    google = train_case("task.toml", "encoder.name=checkpoint_google", steps=2)
    assert google.status == 2
    assert "bert_model.ckpt.index: a TensorFlow checkpoint, but safetensors are expected" in google.stderr
    assert "from_tf=True" in google.stderr
    assert not (case / "RUN").exists()


@pytest.mark.parametrize("case", ["f01-pipeline"], indirect=True)
def test_exported_classifiers_answer_in_a_pipeline_as_the_model_does(case: Path, swissbert: Command) -> None:
    from transformers import pipeline

    from swissbert.inference import load

    assert swissbert("export", "mini", "--format", "hf", "--out", "hf").status == 0
    model = load("mini", "cpu")
    sst: Any = pipeline("text-classification", "hf/sst", device="cpu")
    answer = model.predict("sst", "What a day!")
    scores = {row["label"]: row["score"] for row in sst("What a day!", top_k=None)}
    expected = dict(zip(model.task("sst").labels, answer.probabilities or [], strict=True))
    assert scores == pytest.approx(expected, abs=1e-4)
    assert "LABEL_0" not in scores
    pair = {"text": "How do I swim?", "text_pair": "How can one swim?"}
    para: Any = pipeline("text-classification", "hf/para", device="cpu")
    both = para([pair, pair], top_k=None)
    expected = dict(
        zip(
            model.task("para").labels,
            model.predict("para", (pair["text"], pair["text_pair"])).probabilities or [],
            strict=True,
        )
    )
    assert [{row["label"]: row["score"] for row in rows} for rows in both] == [pytest.approx(expected, abs=1e-4)] * 2
    sts: Any = pipeline("text-classification", "hf/sts", device="cpu")
    score = model.predict("sts", (pair["text"], pair["text_pair"])).score
    assert score is not None
    assert sts(pair)["score"] == pytest.approx(score / 5, abs=1e-4)
    long = "word " * 3000
    assert sst.tokenizer.model_max_length == model.description.encoder.max_length
    assert len(sst.tokenizer(long, truncation=True)["input_ids"]) == model.description.encoder.max_length
    [cut] = sst(long, truncation=True)
    assert cut["score"] == pytest.approx(max(model.predict("sst", long).probabilities or []), abs=1e-4)


@pytest.mark.parametrize("case", ["f02-onnx-shapes"], indirect=True)
def test_one_file_runs_every_shape_and_takes_what_transformers_gives(case: Path, swissbert: Command) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    from swissbert.inference import load

    ended = swissbert("export", "mini", "--format", "onnx", "--out", "onnx")
    assert ended.status == 0, ended.stderr
    model = load("mini", "cpu")
    session = onnxruntime.InferenceSession("onnx/model.onnx")
    fast, other = Tokenizer.from_file("onnx/tokenizer.json"), AutoTokenizer.from_pretrained("onnx")
    for texts in (["What a day!"], ["a"] * 7, ["short", "word " * 200], ["word " * 900]):
        rows = fast.encode_batch(texts)
        names = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        feed = {name: np.array([getattr(row, field) for row in rows], np.int64) for name, field in names.items()}
        theirs = dict(other(texts, padding=True, truncation=True, return_tensors="np"))
        assert theirs.keys() == feed.keys()
        expected = model.numbers("sst", texts)
        for inputs in (feed, theirs):
            assert session.run(["sst"], inputs)[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("case", ["e02-fine-tuned"], indirect=True)
def test_files_that_other_checkpoints_have_beside_the_weights_change_tokens(case: Path, train_case: Command) -> None:
    """`added_tokens.json` is honoured or refused: here its token has no row in the embeddings."""
    entries = len((case / "checkpoint" / "vocab.txt").read_text().splitlines())
    (case / "checkpoint" / "added_tokens.json").write_text(json.dumps({"<place>": entries}))
    ended = train_case(steps=2)
    assert ended.status == 2
    assert f"the vocabulary has {entries + 1} entries, but the encoder has {entries}" in ended.stderr
