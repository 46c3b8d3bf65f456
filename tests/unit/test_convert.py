"""Conversion of pickled weights: what is read, what is refused, and in which process."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import swissbert
from forked import exit_status_of, fork, python
from swissbert.encoder.checkpoint import read_encoder, read_pretrained
from swissbert.encoder.names import to_hf
from swissbert.errors import SwissbertError
from swissbert.model_folder import unpickle


class Evil:
    """An object whose unpickling writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return open, (str(self.target), "w")


@pytest.fixture
def pickled(tiny: Path, tmp_path: Path) -> Path:
    """A checkpoint with pickled weights alone."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (folder / name).write_bytes((tiny / name).read_bytes())
    (folder / "modeling.py").write_text("raise SystemExit")
    torch.save(tensors(tiny), folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the program that reads pickles in a forked process, which finds torch imported; other tests start Python anew."""

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        program = command.index(unpickle.__file__)
        with tempfile.TemporaryFile("w+") as error, open(os.devnull, "r+b") as nothing:
            streams = [nothing.fileno(), nothing.fileno(), error.fileno()]
            status = exit_status_of(fork(unpickle.main, command[program:], None, streams))
            error.seek(0)
            return subprocess.CompletedProcess(command, status, "", error.read())

    monkeypatch.setattr("swissbert.model_folder.convert.subprocess.run", run)


def tensors(tiny: Path) -> dict[str, Tensor]:
    return {f"bert.{name}": tensor for name, tensor in to_hf(read_encoder(tiny)).items()}


def assert_same(folder: Path, tiny: Path) -> None:
    ours, theirs = read_encoder(folder).state_dict(), read_encoder(tiny).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_weights_are_written_beside_the_pickle(pickled: Path, tiny: Path) -> None:
    before = {path.name for path in pickled.iterdir()}
    lines: list[str] = []
    assert swissbert.convert_weights(pickled, log=lines.append) == pickled
    assert {path.name for path in pickled.iterdir()} == before | {"model.safetensors"}
    assert_same(pickled, tiny)
    assert len(lines) == 1
    assert lines[0].startswith(f"{pickled / 'model.safetensors'}: written from pytorch_model.bin; a BERT of ")
    with pytest.raises(SwissbertError, match="has safetensors already"):
        swissbert.convert_weights(pickled)


def test_a_new_folder_has_settings_and_vocabulary_but_no_pickle_and_no_code(
    pickled: Path, tiny: Path, tmp_path: Path
) -> None:
    out = swissbert.convert_weights(pickled, tmp_path / "new")
    assert {path.name for path in out.iterdir()} == {
        "config.json",
        "vocab.txt",
        "tokenizer_config.json",
        "model.safetensors",
    }
    assert_same(out, tiny)
    assert not (pickled / "model.safetensors").exists()
    with pytest.raises(SwissbertError, match="already exists and is not an empty folder"):
        swissbert.convert_weights(pickled, tmp_path / "new")


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("form", ["old file", "wrapped", "shared", "shards", "half"])
def test_forms_of_pickled_weights(pickled: Path, tiny: Path, form: str) -> None:
    state: dict[str, Any] = tensors(tiny)
    file = pickled / "pytorch_model.bin"
    if form == "old file":
        torch.save(state, file, _use_new_zipfile_serialization=False)
    elif form == "wrapped":
        torch.save({"epoch": 3, "state_dict": state}, file)
    elif form == "shared":  # a tied output layer, and slices of one tensor
        tied = {"cls.predictions.decoder.weight": state["bert.embeddings.word_embeddings.weight"]}
        torch.save(state | tied | {"qa_outputs.bias": torch.zeros(9)[2:4]}, file)
    elif form == "shards":
        file.unlink()
        names = sorted(state)
        parts = {"pytorch_model-00001-of-00002.bin": names[:7], "pytorch_model-00002-of-00002.bin": names[7:]}
        for part, held in parts.items():
            torch.save({name: state[name] for name in held}, pickled / part)
        weight_map = {name: part for part, held in parts.items() for name in held}
        (pickled / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    else:
        torch.save({name: tensor.half() for name, tensor in state.items()}, file)
    swissbert.convert_weights(pickled)
    if form != "half":
        assert_same(pickled, tiny)
    notes = read_pretrained(pickled).notes
    assert ["left behind" in note for note in notes] == [True] * (form == "shared")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_runs_none(pickled: Path, tmp_path: Path, zipped: bool) -> None:
    state = {"bert.x": torch.zeros(1), "evil": Evil(tmp_path / "written")}
    torch.save(state, pickled / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    before = sorted(path.name for path in pickled.iterdir())
    with pytest.raises(SwissbertError, match=r"pytorch_model\.bin: holds more than tensors, which can run code"):
        swissbert.convert_weights(pickled)
    assert not (tmp_path / "written").exists()
    assert sorted(path.name for path in pickled.iterdir()) == before


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be read as weights of torch"),
        (b"PK\x03\x04 half a file", "cannot be read as weights of torch"),
        (b"not a pickle", "pytorch_model.bin: "),
    ],
)
def test_damaged_files_end_in_a_sentence(pickled: Path, content: bytes, sentence: str) -> None:
    (pickled / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(SwissbertError) as caught:
        swissbert.convert_weights(pickled)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (pickled / "model.safetensors").exists()


@pytest.mark.usefixtures("forks")
def test_weights_that_do_not_fit_the_settings_are_not_kept(pickled: Path) -> None:
    torch.save({"bert.pooler.dense.bias": torch.zeros(3)}, pickled / "pytorch_model.bin")
    with pytest.raises(SwissbertError, match=r"the tensors do not fit its config\.json: missing embeddings"):
        swissbert.convert_weights(pickled)
    torch.save([1, 2], pickled / "pytorch_model.bin")
    with pytest.raises(SwissbertError, match="it holds no table of tensors"):
        swissbert.convert_weights(pickled)
    assert not (pickled / "model.safetensors").exists()


def test_another_kind_of_model_is_not_opened(pickled: Path) -> None:
    (pickled / "config.json").write_text('{"model_type": "deberta-v2"}')
    (pickled / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(SwissbertError, match="but only encoders of the types 'bert', 'roberta'"):
        swissbert.convert_weights(pickled)


def test_nothing_to_convert_is_said(tiny: Path, pickled: Path) -> None:
    with pytest.raises(SwissbertError, match="there is nothing to convert"):
        swissbert.convert_weights(tiny)
    with pytest.raises(SwissbertError, match=r"not converted within 0\.01 seconds"):
        swissbert.convert_weights(pickled, time_limit=0.01)


def test_mistakes_name_the_files_that_are_there(pickled: Path, tiny: Path, forks: None, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match="nowhere: there is no such folder"):
        swissbert.convert_weights(tmp_path / "nowhere")
    file = pickled / "pytorch_model.bin"
    table = tensors(tiny)
    table["bert.encoder.layer.0.attention.self.value.weight"] *= float("nan")
    torch.save(table, file)
    with pytest.raises(SwissbertError, match=rf"^{file}: bert\.\S+value\.weight holds NaN"):
        swissbert.convert_weights(pickled)
    first = next(iter(table))
    shards = {"pytorch_model-1.bin": {first: table.pop(first)}, "pytorch_model-2.bin": table}
    for name, part in shards.items():
        torch.save(part, pickled / name)
    weight_map = {tensor: name for name, part in shards.items() for tensor in part}
    index = file.rename(pickled / "whole").with_name("pytorch_model.bin.index.json")
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(SwissbertError, match=rf"^{index}: bert\.\S+value\.weight holds NaN"):
        swissbert.convert_weights(pickled)
    with pytest.raises(SwissbertError, match="a file; name the folder that it lies in"):
        swissbert.convert_weights(index)
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(SwissbertError, match=rf"^{file}: a pointer of Git LFS"):
        swissbert.convert_weights(pickled)


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import subprocess; subprocess.Popen(['true'])",
        "import os; os.system('true')",
        "open('written', 'w')",
        "import os; os.open('written', os.O_WRONLY | os.O_CREAT)",
    ],
)
def test_the_process_that_reads_pickles_can_do_nothing_else(attempt: str, tmp_path: Path) -> None:
    done = python(f"from swissbert.model_folder.unpickle import isolate; isolate()\n{attempt}", tmp_path)
    assert done.returncode == 1
    assert "PermissionError" in done.stderr
    assert not (tmp_path / "written").exists()


def test_pickles_are_read_in_one_file_of_the_package_only() -> None:
    package = Path(swissbert.__file__).parent
    readers = [path.name for path in package.rglob("*.py") if "torch.load(" in path.read_text(encoding="utf-8")]
    assert readers == ["unpickle.py"]
