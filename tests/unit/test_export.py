"""A model in the hands of other programs: the same answers, or one sentence and nothing written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer as Fast

import swissbert.export.onnx as exporter
from conftest import STARTER
from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.rows import Row
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.export.hf import export_hf
from swissbert.export.onnx import export_int8, export_onnx
from swissbert.inference.model import Model, load
from swissbert.model_folder.description import Description
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import Task, find_task

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a good film", "The dog RUNS in the park, and the cat plays guitar!", "Ünïcode, 中文", "it " * 60]
PAIRS = [(a, b) for a in TEXTS for b in reversed(TEXTS)]
LONGEST = 48


def saved(tiny: Path, folder: Path, settings: ModelSettings, *more: Task) -> Model:
    """A model of the paper's tasks and of `more`, with random heads that say something."""
    torch.manual_seed(1)
    tasks = [*(find_task(name) for name in ("sst", "para", "sts")), *more]
    model = build_network(read_encoder(tiny), tasks, settings, freeze=False)
    for parameter in model.head_parameters():
        parameter.data.normal_(std=0.5)
    encoder = EncoderSettings(name="tiny", max_length=LONGEST)
    save_model(folder, model, Tokenizer(tiny), Description(format=1, tasks=tasks, encoder=encoder, model=settings))
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """With a regression without a sigmoid, called as torch calls a value inside the graph."""
    linear = find_task("sts").model_copy(update={"name": "linear", "output": "linear"})
    return saved(tiny, tmp_path_factory.mktemp("export") / "model", ModelSettings(), linear)


@pytest.fixture(scope="module")
def file(trained: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(trained, tmp_path_factory.mktemp("onnx") / "out")


def rows(task: Task) -> list[Row]:
    inputs = PAIRS if task.is_pair else [(text, None) for text in TEXTS]
    return [Row(i, str(i), a.strip(), b and b.strip(), None) for i, (a, b) in enumerate(inputs)]


@pytest.mark.parametrize("name", ["sst", "para", "sts", "linear"])
def test_transformers_loads_a_task_and_answers_alike(
    trained: Model, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    (folder,) = export_hf(trained, tmp_path / "out", [name])
    assert folder == tmp_path / "out" / name
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "BertForSequenceClassification"
    assert tokenizer.model_max_length == LONGEST
    task = trained.task(name)
    ours = trained.answer_rows(task, rows(task))
    given: Any = [
        {"text": row.text} | ({"text_pair": row.text_pair or ""} if task.is_pair else {}) for row in rows(task)
    ]
    texts = [row.text for row in rows(task)], [row.text_pair for row in rows(task)] if task.is_pair else None
    found = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**found).logits
    own = logits_of(trained, task)
    if task.kind.name == "binary":  # 0 and z
        own = torch.cat([torch.zeros_like(own), own], dim=1)
    torch.testing.assert_close(logits, own, atol=1e-5, rtol=0)

    answering = pipeline("text-classification", model=str(folder), device="cpu")
    answers: Any = answering(given, truncation=True, top_k=None)
    if task.kind.name == "regression":
        assert task.range is not None
        low, high = task.range
        scores = np.array([answer[0]["score"] for answer in answers])
        theirs = low + (high - low) * scores if name == "sts" else scores.clip(low, high)
        label = "sts as a share of 0 to 5" if name == "sts" else "linear"
        assert answers[0][0]["label"] == label
    else:
        theirs = np.array(
            [[{a["label"]: a["score"] for a in each}[label] for label in task.labels] for each in answers]
        )
    assert theirs == pytest.approx(ours, abs=1e-5)
    assert "newly initialized" not in capfd.readouterr().err


def logits_of(trained: Model, task: Task) -> torch.Tensor:
    """The model's own logits of `rows`."""
    from swissbert.data.batches import pack
    from swissbert.data.dataset import tokenize

    table = tokenize(trained.tokenizer, task, rows(task), **trained.token_options(task))
    with torch.no_grad():
        logits: torch.Tensor = trained.network(pack(table, np.arange(len(table))), task.name)
    return logits


def test_a_task_that_is_no_classifier_is_refused_with_its_reason(tiny: Path, tmp_path: Path) -> None:
    separate = saved(tiny, tmp_path / "separate", ModelSettings(pair_encoding=False))
    out = tmp_path / "out"
    with pytest.raises(SwissbertError) as caught:
        export_hf(separate, out)
    assert str(caught.value) == (
        "task 'para' does not fit into a Hugging Face classifier: it encodes the sentences of a pair one by one; "
        "--task sst exports what does"
    )
    with pytest.raises(SwissbertError, match="'sts' does not fit into an ONNX file: it encodes the sentences"):
        export_onnx(separate, out, ["sts"])
    cosine = saved(tiny, tmp_path / "cosine", ModelSettings(pair_encoding=False, pair_head="cosine"))
    with pytest.raises(SwissbertError, match=r"'para' .*: its head is the cosine of two sentence vectors"):
        export_hf(cosine, out)
    sharing = saved(tiny, tmp_path / "sharing", ModelSettings(layer_sharing=True))
    with pytest.raises(SwissbertError, match=r"'sst' .*: its head has a hidden layer \(model\.layer_sharing\)$"):
        export_hf(sharing, out)
    with pytest.raises(SwissbertError, match="has no task 'x'; its tasks are"):
        export_hf(sharing, out, ["x"])
    assert not out.exists()
    assert export_hf(separate, out, ["sst"]) == [out / "sst"]


def test_what_is_there_is_kept(trained: Model, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(SwissbertError, match="is there already; another --out keeps it"):
            export_hf(trained, taken)
        with pytest.raises(SwissbertError, match="is there already"):
            export_onnx(trained, taken, ["sst"])
    with pytest.raises(SwissbertError, match="it takes a folder to make"):
        export_hf(trained, Path("."))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    export_hf(trained, tmp_path / "empty", ["sst"])


def answers_by_hand(folder: Path, task: Task) -> np.ndarray:
    """As the folder's README does it: with nothing of swissbert."""
    tokenizer, running = (
        Fast.from_file(str(folder / "tokenizer.json")),
        onnxruntime.InferenceSession(folder / "model.onnx"),
    )
    encoded = tokenizer.encode_batch([(r.text, r.text_pair) if task.is_pair else r.text for r in rows(task)])
    inputs = {
        "input_ids": np.array([each.ids for each in encoded], np.int64),
        "attention_mask": np.array([each.attention_mask for each in encoded], np.int64),
        "token_type_ids": np.array([each.type_ids for each in encoded], np.int64),
    }
    assert inputs["input_ids"].shape[1] == LONGEST
    found: np.ndarray = running.run([task.name], inputs)[0]
    return found


def test_a_file_answers_as_the_model_does(trained: Model, file: Path) -> None:
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "README.md",
        "model.onnx",
        "swissbert.json",
        "tokenizer.json",
        "vocab.txt",
    ]
    for task in trained.description.tasks:
        own = trained.answer_rows(task, rows(task))
        assert answers_by_hand(file.parent, task) == pytest.approx(own, abs=1e-5)
    table = json.loads((file.parent / "swissbert.json").read_text(encoding="utf-8"))
    assert list(table["tasks"]) == ["sst", "para", "sts", "linear"]
    assert table["tasks"]["para"]["labels"] == ["different", "paraphrase"]
    assert table["tasks"]["sts"]["range"] == [0, 5]


def test_a_file_is_self_contained_and_tells_nothing_of_where_it_was_made(file: Path) -> None:
    model = onnx.load(file, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output}
    assert shapes == {"sst": ["batch", 5], "para": ["batch", 2], "sts": ["batch"], "linear": ["batch"]}
    assert [value.name for value in model.graph.input] == exporter.INPUTS
    assert not any(note in file.read_bytes() for note in (b"stack_trace", b'File "', b".py"))


def test_eight_bits_are_close_and_neighbours_change_nothing(
    trained: Model, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(file))
    found = export_int8(trained, tmp_path / "out", data=STARTER)
    assert list(found) == ["sst", "para", "sts", "linear"]
    assert (tmp_path / "out" / "model.onnx").stat().st_size < file.stat().st_size
    described = json.loads((tmp_path / "out" / "swissbert.json").read_text(encoding="utf-8"))
    assert described["precision"] == "int8"
    assert described["tasks"]["sst"]["dev_score"] == found["sst"][1]
    for task in trained.description.tasks:
        far = np.abs(answers_by_hand(tmp_path / "out", task) - trained.answer_rows(task, rows(task)))
        assert 0 < far.max() < 0.05 * (5 if task.range else 1)

    running = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    ids = np.array([[2, 150, 160, 3], [2, 90, 3, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    alone = running.run(["sst"], {name: value[1:, :3] for name, value in inputs.items()})[0]
    assert running.run(["sst"], inputs)[0][1:] == pytest.approx(alone, abs=1e-6)


def test_a_file_that_fails_its_check_is_not_written(
    trained: Model, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: Any) -> onnx.ModelProto:
        model = onnx.load(file)
        (bias,) = (t for t in model.graph.initializer if t.name.startswith("model.heads.for_para.out.bias"))
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1e-3, bias.name))
        return model

    monkeypatch.setattr(exporter, "trace", damaged)
    with pytest.raises(SwissbertError, match="task 'para': the file's answers differ from the model's by"):
        export_onnx(trained, tmp_path / "out")
    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(file))
    measured = iter([{"accuracy": 0.9}, {"accuracy": 0.5}])
    monkeypatch.setattr(exporter, "task_scores", lambda *_: next(measured))
    with pytest.raises(
        SwissbertError, match=r"accuracy on dev rows is .* with eight bits and .* --format onnx keeps it"
    ):
        export_int8(trained, tmp_path / "out", ["sst"], STARTER)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_makes_all_three(
    trained: Model, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from swissbert.cli import main

    monkeypatch.setattr(exporter, "trace", lambda *_: onnx.load(file))
    for format, written in (
        ("hf", ["sst", "para", "sts", "linear"]),
        ("onnx", ["model.onnx"]),
        ("onnx-int8", ["model.onnx"]),
    ):
        out = tmp_path / format
        words = [
            "swissbert",
            "export",
            str(trained.folder),
            "--format",
            format,
            "--out",
            str(out),
            "--data",
            str(STARTER),
        ]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        assert said.out.split() == [str(out / name) for name in written]
    assert "sst accuracy on dev rows: 0." in said.err
