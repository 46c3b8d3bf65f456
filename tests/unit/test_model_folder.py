"""Model folders are loaded as they were saved, and damaged ones are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.model.head_layout import hidden_key
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.description import Description
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task

TASKS = ["sst", "para", "sts"]
SETTINGS = {
    "pair": ModelSettings(pooling="pooler"),
    "separate": ModelSettings(pooling="pooler", pair_encoding=False),
    "sharing": ModelSettings(pooling="pooler", layer_sharing=True),
    "separate sharing": ModelSettings(pooling="pooler", layer_sharing=True, pair_encoding=False),
    "cosine": ModelSettings(pooling="pooler", pair_head="cosine", pair_encoding=False),
}


def write(tiny: Path, folder: Path, settings: ModelSettings) -> MultitaskModel:
    torch.manual_seed(1)
    tasks = [find_task(name) for name in TASKS]
    model = build_network(read_encoder(tiny), tasks, settings, freeze=False)
    for name, buffer in model.heads.named_buffers():
        assert name.endswith("threshold")
        buffer.fill_(0.25)
    encoder = EncoderSettings(name="tiny", max_length=64)
    description = Description(format=1, tasks=tasks, encoder=encoder, model=settings, scores={"sst.accuracy": 0.5})
    save_model(folder, model, Tokenizer(tiny), description)
    return model


@pytest.fixture(scope="module")
def saved(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    write(tiny, folder, ModelSettings(layer_sharing=True))
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A model folder to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refused(folder: Path, file: str = "swissbert.json") -> str:
    """Return the error message of a folder that does not load, after the file's name."""
    with pytest.raises(SwissbertError) as caught:
        load(folder, "cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / file}: ")
    return message.removeprefix(f"{folder / file}: ")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "swissbert.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    change(table)
    path.write_text(json.dumps(table), encoding="utf-8")


def unlist(folder: Path, name: str = "swissbert.json") -> None:
    """Remove the checksum of a file, as somebody does who edited it on purpose."""
    edit(folder, lambda table: table["checksums"].pop(name))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_saved_model_is_loaded_bit_for_bit(tiny: Path, tmp_path: Path, settings: ModelSettings) -> None:
    model = write(tiny, tmp_path / "model", settings)
    loaded = load(tmp_path / "model", "cpu")
    assert loaded.description.model == settings
    assert loaded.network.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    assert not loaded.network.training


def test_a_shared_layer_is_stored_once_and_shared_after_loading(folder: Path) -> None:
    assert sorted(load_file(folder / "heads.safetensors")) == sorted(
        f"{layer}.{kind}"
        for layer in (*(f"heads.for_{name}.out" for name in TASKS), "hidden.pair.linear", "hidden.sst_alone.linear")
        for kind in ("weight", "bias")
    )
    model = load(folder, "cpu").network
    pair = model.hidden["pair"]
    before = {name: model.hidden[hidden_key(model.tasks[name])] for name in TASKS}
    assert before["para"] is before["sts"] is pair
    assert before["sst"] is not pair


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t["tasks"][0]["labels"].__setitem__(1, {}),
            "'tasks.0.labels.1' is {}; input should be a valid string",
        ),
        (lambda t: t["tasks"][1].update(labls=[]), "unknown key 'tasks.1.labls'; did you mean 'labels'?"),
        (
            lambda t: t["tasks"][1].update(kind=3),
            "tasks.1.kind: 3 is not a kind of task; the kinds are classification, ",
        ),
        (lambda t: t["tasks"][2].update(range=[5, 0]), "tasks.2: range is [5.0, 0.0], but low must be below high"),
        (lambda t: t["tasks"].append(t["tasks"][0]), "tasks: the name 'sst' is used twice"),
        (lambda t: t.update(tasks=[]), "tasks is missing: name at least one"),
        (lambda t: t.update(tasks=["sst"]), "'tasks.0' is 'sst'; "),
        (lambda t: t.pop("model"), "'model' is missing and has no default"),
        (lambda t: t["model"].update(pair_head="cosine"), "model.pair_head = 'cosine' and model.pair_encoding = true"),
        (
            lambda t: t["encoder"].update(max_length=200),
            "encoder.max_length is 200, but this encoder takes at most 128",
        ),
        (lambda t: t.update(format=True), "format is True, but this version of swissbert reads formats 1 to 2"),
        (lambda t: t.update(format=3), "format is 3, but this version of swissbert reads formats 1 to 2"),
        (lambda t: t.update(format=1.0), "format is 1.0, but "),
        (lambda t: t.pop("format"), "format is None, but "),
        (lambda t: t["encoder"].update(name="\ud800"), r"'encoder.name' is '\ud800'; "),
        (lambda t: t.update({"a\nb": 1}), r"unknown key 'a\nb'"),
    ],
)
def test_an_invalid_description_is_refused_with_its_key(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    unlist(folder)
    edit(folder, change)
    assert refused(folder).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read (Expecting value"),
        (b"\xff", "cannot be read ("),
        (b"[]", "a JSON object is expected"),
        (b"[" * 100_000, "cannot be read (maximum recursion depth exceeded"),
        (
            b'{"format": 1, "tasks": ' + b"[" * 500 + b"]" * 500 + b"}",
            "cannot be read (tables and lists are nested more than 100 deep)",
        ),
        (b'{"format": ' + b"9" * 5000 + b"}", "cannot be read (Exceeds the limit"),
    ],
)
def test_a_description_that_is_not_json_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "swissbert.json").write_bytes(content)
    assert refused(folder).startswith(message)


def test_heads_that_do_not_fit_are_refused_with_the_differences(folder: Path) -> None:
    path = folder / "heads.safetensors"
    heads = load_file(path)
    heads["heads.for_sts.out.bias"] = torch.zeros(7)
    del heads["heads.for_sst.out.weight"]
    heads["heads.for_more.out.weight"] = torch.zeros(1)
    save_file(heads, path)
    unlist(folder, "heads.safetensors")
    assert refused(folder, "heads.safetensors") == (
        "the tensors do not fit swissbert.json: missing heads.for_sst.out.weight; unknown heads.for_more.out.weight; "
        "misshaped heads.for_sts.out.bias [7] instead of [1]"
    )


def test_unreadable_heads_are_refused(folder: Path) -> None:
    unlist(folder, "heads.safetensors")
    (folder / "heads.safetensors").write_bytes(b"garbage")
    assert refused(folder, "heads.safetensors").startswith("not a readable safetensors file (")
    (folder / "heads.safetensors").unlink()
    assert refused(folder, "heads.safetensors").startswith("not a readable safetensors file (")


def test_heads_of_other_tasks_are_refused(folder: Path) -> None:
    unlist(folder)
    edit(folder, lambda table: table["tasks"].pop())
    message = refused(folder, "heads.safetensors")
    assert message.endswith(": unknown heads.for_sts.out.bias, heads.for_sts.out.weight")
