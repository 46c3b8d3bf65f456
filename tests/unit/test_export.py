"""Exports: the same answers in other programs, or one sentence and nothing written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from ordinal import Ordinal, stars_task
from tokenizers import Tokenizer as FastTokenizer

import swissbert.export.onnx as exporter
from conftest import STARTER
from swissbert.config import EncoderSettings, ModelSettings, make_config
from swissbert.data.rows import Row
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.export import export_hf, export_int8, export_onnx
from swissbert.export.trace import INPUTS
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.kinds import Array
from swissbert.model_folder.description import Description
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import Task, find_task
from swissbert.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a good film", "The dog RUNS in the park, and the cat plays guitar!", "Ünïcode, 中文", "it " * 60]
PAIRS = [(a, b) for a in TEXTS for b in reversed(TEXTS)]
LONGEST = 48
TOPICS = ["good", "loud", "film"]


def saved(tiny: Path, folder: Path, settings: ModelSettings, *more: Task) -> Model:
    """A model of the paper's tasks and of `more`, with heads whose weights are large enough for distinct answers."""
    torch.manual_seed(1)
    tasks = [*(find_task(name) for name in ("sst", "para", "sts")), *more]
    network = build_network(read_encoder(tiny), tasks, settings, freeze=False)
    for parameter in network.head_parameters():
        parameter.data.normal_(std=0.5)
    encoder = EncoderSettings(name="tiny", max_length=LONGEST)
    save_model(folder, network, Tokenizer(tiny), Description(format=1, tasks=tasks, encoder=encoder, model=settings))
    return load(folder, "cpu", kinds={"ordinal": Ordinal()})


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The paper's tasks, a regression without sigmoid named as torch names a value of the graph, and an ordinal task."""
    linear = find_task("sts").model_copy(update={"name": "linear", "output": "linear"})
    return saved(tiny, tmp_path_factory.mktemp("export") / "model", ModelSettings(), linear, stars_task())


@pytest.fixture(scope="module")
def file(trained: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(trained, tmp_path_factory.mktemp("onnx") / "out")


@pytest.fixture(scope="module")
def topics_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of a multilabel task; every label has rows on both sides, so that its threshold is fitted."""
    folder = tmp_path_factory.mktemp("topics")
    texts = [
        f"the {noun} is {word} {end}" for noun in ("film", "dog") for word in ("good", "bad", "fine") for end in ".!"
    ]
    rows = [
        {
            "text": f"{text} {number}",
            "label": [t for t, word in zip(TOPICS, ("good", "!", "film"), strict=True) if word in text],
        }
        for number in range(4)
        for text in texts
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    for split in ("train", "dev"):
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def multilabel(tiny: Path, topics_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A multilabel model after a short training, with fitted thresholds."""
    task = {
        "name": "topics",
        "kind": "multilabel",
        "labels": TOPICS,
        "loss": "binary_cross_entropy",
        "metric": "micro_f1",
        "columns": {"text": "text", "label": "label"},
        "files": {"train": "train.jsonl", "dev": "dev.jsonl"},
    }
    table = {
        "tasks": [task],
        "data": {"dir": str(topics_data), "cache": False},
        "encoder": {"name": str(tiny), "max_length": LONGEST},
        "train": {
            "epochs": 1,
            "batch_size": 8,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    model = load(train(make_config(table, "here"), tmp_path_factory.mktemp("multilabel") / "run").model, "cpu")
    shift = model.network.head("topics").get_buffer("shift")
    assert shift.abs().min() > 0.01, "thresholds that were not fitted would show nothing"
    return model


@pytest.fixture(scope="module")
def multilabel_file(multilabel: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(multilabel, tmp_path_factory.mktemp("multilabel") / "out")


def rows(task: Task) -> list[Row]:
    inputs = PAIRS if task.is_pair else [(text, None) for text in TEXTS]
    return [Row(i, str(i), a.strip(), b and b.strip(), None) for i, (a, b) in enumerate(inputs)]


def pipeline_inputs(task: Task) -> Any:
    return [{"text": row.text} | ({"text_pair": row.text_pair or ""} if task.is_pair else {}) for row in rows(task)]


def pipeline_scores(answers: Any, labels: list[str]) -> Array:
    """Scores of a pipeline with ``top_k=None``, in the order of the labels."""
    return np.array([[{a["label"]: a["score"] for a in answer}[label] for label in labels] for answer in answers])


def logits_of(model: Model, task: Task) -> torch.Tensor:
    """The model's own logits of `rows`."""
    from swissbert.data.batches import pack
    from swissbert.data.dataset import tokenize

    table = tokenize(model.tokenizer, task, rows(task), **model.token_options(task))
    with torch.no_grad():
        logits: torch.Tensor = model.network(pack(table, np.arange(len(table))), task.name)
    return logits


# Hugging Face


@pytest.mark.parametrize("name", ["sst", "para", "sts", "linear"])
def test_transformers_loads_a_task_and_gives_the_same_answers(
    trained: Model, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    (folder,) = export_hf(trained, tmp_path / "out", [name])
    assert folder == tmp_path / "out" / name
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "BertForSequenceClassification"
    assert tokenizer.model_max_length == LONGEST
    task = trained.task(name)
    texts = [row.text for row in rows(task)], [row.text_pair for row in rows(task)] if task.is_pair else None
    encoded = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits
    expected = logits_of(trained, task)
    if name == "para":  # logits 0 and z
        expected = torch.cat([torch.zeros_like(expected), expected], dim=1)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)

    classify = pipeline("text-classification", model=str(folder), device="cpu")
    answers: Any = classify(pipeline_inputs(task), truncation=True, top_k=None)
    if task.kind.has_labels:
        scores = pipeline_scores(answers, task.labels)
    else:
        label = "sts as a share of 0 to 5" if name == "sts" else "linear"
        share = pipeline_scores(answers, [label])[:, 0]
        scores = 5 * share if name == "sts" else share.clip(0, 5)
    assert scores == pytest.approx(trained.answer_rows(task, rows(task)), abs=1e-5)
    assert "newly initialized" not in capfd.readouterr().err


@pytest.mark.parametrize(("kind", "closeness"), [(torch.float32, 5e-5), (torch.bfloat16, 5e-2)])
def test_a_model_that_pools_by_the_mean_is_a_classifier_with_one_more_layer(
    tiny: Path, tmp_path: Path, kind: torch.dtype, closeness: float
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    mean = saved(tiny, tmp_path / "mean", ModelSettings(pooling="mean", pair_encoding=True))
    for task in (mean.task("sst"), mean.task("sts")):
        (folder,) = export_hf(mean, tmp_path / task.name, [task.name])
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=kind)
        texts = [row.text for row in rows(task)], [row.text_pair for row in rows(task)] if task.is_pair else None
        with torch.no_grad():  # in one batch, so that padding is seen to be left out of the mean
            logits = model(**tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")).logits.float()
        torch.testing.assert_close(logits, logits_of(mean, task), atol=closeness, rtol=closeness)
        assert model.config.num_hidden_layers == mean.network.encoder.config.layers + 1


def test_transformers_gives_the_answers_of_a_multilabel_task_with_its_thresholds(
    multilabel: Model, tmp_path: Path
) -> None:
    from transformers import pipeline

    (folder,) = export_hf(multilabel, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "good", "1": "loud", "2": "film"}
    task = multilabel.task("topics")
    ours = multilabel.answer_rows(task, rows(task))
    classify = pipeline("text-classification", model=str(folder), device="cpu")
    for options in ({"function_to_apply": "sigmoid"}, {}):  # the sigmoid is the pipeline's choice, too
        answers: Any = classify(pipeline_inputs(task), truncation=True, top_k=None, **options)
        assert pipeline_scores(answers, TOPICS) == pytest.approx(ours, abs=1e-5)
    raw = torch.sigmoid(logits_of(multilabel, task)).numpy()
    assert np.abs(raw - ours).min() > 1e-3, "without the thresholds the answers would be others"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "top_k=None" in card
    assert "every label with s >= 0.5 is assigned" in card


def test_a_task_that_cannot_be_exported_is_refused_with_the_reason(tiny: Path, tmp_path: Path, trained: Model) -> None:
    separate = saved(tiny, tmp_path / "separate", ModelSettings(pair_encoding=False))
    out = tmp_path / "out"
    with pytest.raises(SwissbertError) as caught:
        export_hf(separate, out)
    assert str(caught.value) == (
        "task 'para' cannot be exported as a Hugging Face classifier: it encodes the sentences of a pair separately; "
        "these tasks can be exported: sst"
    )
    with pytest.raises(SwissbertError, match=r"'sts' .* as an ONNX file: it encodes .*; serve the model, or train"):
        export_onnx(separate, out, ["sts"])
    cosine = saved(tiny, tmp_path / "cosine", ModelSettings(pair_encoding=False, pair_head="cosine"))
    with pytest.raises(SwissbertError, match=r"'para' .*: its head is the cosine of two sentence vectors"):
        export_hf(cosine, out)
    sharing = saved(tiny, tmp_path / "sharing", ModelSettings(layer_sharing=True))
    with pytest.raises(SwissbertError, match=r"'sst' .*: its head has a hidden layer \(model\.layer_sharing\)$"):
        export_hf(sharing, out)
    with pytest.raises(SwissbertError, match=r"'stars' .*: its logits are steps between ordered labels; these tasks"):
        export_hf(trained, out)
    with pytest.raises(SwissbertError, match="has no task 'x'; its tasks are"):
        export_hf(sharing, out, ["x"])
    assert not out.exists()
    assert export_hf(separate, out, ["sst"]) == [out / "sst"]


def test_existing_files_are_kept(trained: Model, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(SwissbertError, match="already exists and is not an empty folder; choose another one"):
            export_hf(trained, taken, ["sst"])
        with pytest.raises(SwissbertError, match="already exists"):
            export_onnx(trained, taken, ["sst"])
    with pytest.raises(SwissbertError, match=r"is '\.'"):
        export_hf(trained, Path("."), ["sst"])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    export_hf(trained, tmp_path / "empty", ["sst"])


# ONNX


def answers_by_hand(folder: Path, task: Task) -> Array:
    """Answers of a file without swissBERT, as the folder's README computes them."""
    tokenizer = FastTokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    encoded = tokenizer.encode_batch([(r.text, r.text_pair) if task.is_pair else r.text for r in rows(task)])
    inputs = {
        "input_ids": np.array([encoding.ids for encoding in encoded], np.int64),
        "attention_mask": np.array([encoding.attention_mask for encoding in encoded], np.int64),
        "token_type_ids": np.array([encoding.type_ids for encoding in encoded], np.int64),
    }
    assert inputs["input_ids"].shape[1] == LONGEST
    answers: Array = session.run([task.name], inputs)[0]
    return answers


def test_a_file_gives_the_answers_of_the_model(trained: Model, file: Path) -> None:
    names = sorted(path.name for path in file.parent.iterdir())
    assert names == [
        "README.md",
        "model.onnx",
        "swissbert.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    for task in trained.description.tasks:
        expected = trained.answer_rows(task, rows(task))
        assert answers_by_hand(file.parent, task) == pytest.approx(expected, abs=1e-5)
    table = json.loads((file.parent / "swissbert.json").read_text(encoding="utf-8"))
    assert list(table["tasks"]) == ["sst", "para", "sts", "linear", "stars"]
    assert table["tasks"]["para"]["labels"] == ["different", "paraphrase"]
    assert table["tasks"]["sts"]["range"] == [0, 5]
    assert table["tasks"]["stars"] == {
        "kind": "ordinal",
        "input": "sentence",
        "labels": ["poor", "fair", "good"],
        "metric": "spearman",
        "dev_score": None,
    }


def test_a_file_is_self_contained_and_holds_no_path_of_this_machine(file: Path) -> None:
    model = onnx.load(file, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output}
    scores = {"sst": ["batch", 5], "para": ["batch", 2], "sts": ["batch"], "linear": ["batch"], "stars": ["batch", 3]}
    assert shapes == scores
    assert [value.name for value in model.graph.input] == INPUTS
    assert not any(note in file.read_bytes() for note in (b"stack_trace", b'File "', b".py"))


def test_an_exported_folder_is_not_taken_for_a_model(file: Path) -> None:
    with pytest.raises(SwissbertError) as caught:
        load(file.parent)
    assert str(caught.value) == (f"{file.parent}: an exported ONNX folder, for onnxruntime; a model folder is expected")


def test_multilabel_answers_are_the_same_in_fp32_and_close_in_int8(
    multilabel: Model,
    multilabel_file: Path,
    topics_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = multilabel.task("topics")
    expected = multilabel.answer_rows(task, rows(task))
    assert expected.shape == (len(TEXTS), 3)
    assert answers_by_hand(multilabel_file.parent, task) == pytest.approx(expected, abs=1e-5)
    table = json.loads((multilabel_file.parent / "swissbert.json").read_text(encoding="utf-8"))["tasks"]["topics"]
    assert (table["kind"], table["labels"], table["metric"]) == ("multilabel", TOPICS, "micro_f1")
    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(multilabel_file))
    scores = export_int8(multilabel, tmp_path / "int8", data=topics_data)
    assert scores["topics"][0] == multilabel.description.scores["topics.micro_f1"]
    rounded = answers_by_hand(tmp_path / "int8", task)
    assert 0 < np.abs(rounded - expected).max() < 0.05


def test_int8_answers_are_close_and_do_not_depend_on_neighbours(
    trained: Model, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(file))
    names = ["sst", "para", "sts", "linear"]
    scores = export_int8(trained, tmp_path / "out", names, STARTER)
    assert list(scores) == names
    assert (tmp_path / "out" / "model.onnx").stat().st_size < file.stat().st_size
    table = json.loads((tmp_path / "out" / "swissbert.json").read_text(encoding="utf-8"))
    assert table["precision"] == "int8"
    assert table["tasks"]["sst"]["dev_score"] == scores["sst"][1]
    for name in names:
        task = trained.task(name)
        difference = np.abs(answers_by_hand(tmp_path / "out", task) - trained.answer_rows(task, rows(task)))
        assert 0 < difference.max() < 0.05 * task.kind.answer_span(task)

    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    ids = np.array([[2, 150, 160, 3], [2, 90, 3, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    alone = session.run(["sst"], {name: value[1:, :3] for name, value in inputs.items()})[0]
    assert session.run(["sst"], inputs)[0][1:] == pytest.approx(alone, abs=1e-6)


def test_a_file_that_fails_its_check_is_not_written(
    trained: Model, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: Any) -> onnx.ModelProto:
        model = onnx.load(file)
        (bias,) = (t for t in model.graph.initializer if t.name.startswith("model.heads.for_para.out.bias"))
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1e-3, bias.name))
        return model

    monkeypatch.setattr(exporter, "trace", damaged)
    with pytest.raises(SwissbertError, match="task 'para': answers of the ONNX file differ from the model's by"):
        export_onnx(trained, tmp_path / "out")
    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(file))
    scores = iter([{"accuracy": 0.9}, {"accuracy": 0.5}])
    monkeypatch.setattr(exporter, "task_scores", lambda *_: next(scores))
    message = r"task 'sst': accuracy on dev rows falls from 0\.9000 to 0\.5000 with int8 products.*; export in fp32"
    with pytest.raises(SwissbertError, match=message):
        export_int8(trained, tmp_path / "out", ["sst"], STARTER)
    assert list(tmp_path.iterdir()) == []


def test_an_operator_that_onnx_lacks_ends_in_one_sentence(
    trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise torch.onnx.OnnxExporterError("long\nreport") from ValueError("No ONNX function found for cummin\nstack")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(SwissbertError, match=r"^the model cannot be converted to ONNX: No ONNX function .* cummin$"):
        export_onnx(trained, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_all_three_formats(
    multilabel: Model,
    multilabel_file: Path,
    topics_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from swissbert.cli import main

    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(multilabel_file))
    for format, written in (("hf", "topics"), ("onnx", "model.onnx"), ("onnx-int8", "model.onnx")):
        out = tmp_path / format
        words = ["swissbert", "export", str(multilabel.folder), "--format", format, "--out", str(out)]
        monkeypatch.setattr("sys.argv", [*words, "--data", str(topics_data)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        assert ended.value.code == 0, output.err
        assert output.out.split() == [str(out / written)]
    assert "topics micro_f1 on dev rows: 0." in output.err
