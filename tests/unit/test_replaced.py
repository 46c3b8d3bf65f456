"""A model or encoder that is replaced while it is read is one of its versions, never a mixture."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference.bulk import answer_file
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.model_folder import steady
from swissbert.model_folder.encoders import read_encoder_folder
from swissbert.model_folder.save import save_model


def save(model: Model, folder: Path) -> None:
    save_model(folder, model.network, model.tokenizer, model.description)


@pytest.fixture
def two(tiny_run: Path) -> tuple[Model, Model]:
    """Two models; all parameters of the second are larger by one."""
    one, other = load(tiny_run, "cpu"), load(tiny_run, "cpu")
    with torch.no_grad():
        for parameter in other.network.parameters():
            parameter.add_(1)
    return one, other


def versions(model: Model, one: Model) -> set[float]:
    """By how much the parameters of encoder and heads are larger than those of a model: one number, or a mixture."""
    mine, theirs = model.network.state_dict(), one.network.state_dict()
    return {
        round(float((mine[name] - theirs[name]).mean()), 3)
        for name, _ in one.network.named_parameters(remove_duplicate=False)
    }


def test_a_model_replaced_between_its_files_is_read_again(
    two: tuple[Model, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(two[0], tmp_path / "model")
    left = [1]

    def read(folder: Path) -> Any:
        encoder = read_encoder(folder)
        if left:
            left.pop()
            save(two[1], tmp_path / "model")
        return encoder

    monkeypatch.setattr("swissbert.encoder.checkpoint.read_encoder", read)
    model = load(tmp_path / "model", "cpu")
    assert left == []
    assert versions(model, two[0]) == {1.0}


def test_an_encoder_replaced_between_its_files_is_read_again(two: tuple[Model, Model], tmp_path: Path) -> None:
    save(two[0], tmp_path / "model")
    attempts: list[Path] = []

    def read(folder: Path) -> tuple[torch.Tensor, Tokenizer]:
        weights = read_encoder(folder).state_dict()["pooler.weight"]
        if not attempts:
            save(two[1], tmp_path / "model")
        attempts.append(folder)
        return weights, Tokenizer(folder)

    weights, _ = read_encoder_folder(str(tmp_path / "model"), None, read)
    assert len(attempts) == 2
    assert torch.equal(weights, two[1].network.encoder.state_dict()["pooler.weight"])


def test_loads_beside_a_process_that_replaces_the_model_are_of_one_version(
    two: tuple[Model, Model], tmp_path: Path
) -> None:
    save(two[0], tmp_path / "model")
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for model in reversed(two):
                save(model, tmp_path / "model")

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        seen = [versions(load(tmp_path / "model", "cpu"), two[0]) for _ in range(12)]
    finally:
        stop.set()
        thread.join()
    assert all(version in ({0.0}, {1.0}) for version in seen)


def test_a_folder_between_two_renames_is_found(two: tuple[Model, Model], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    save(two[0], tmp_path / "run" / "model")
    (tmp_path / "run" / "model").rename(tmp_path / "run" / ".model.old")
    assert versions(load(tmp_path / "run" / "model", "cpu"), two[0]) == {0.0}
    assert read_encoder_folder(str(tmp_path / "run" / "model"), None, read_encoder).config.hidden_size == 32


def test_a_folder_that_never_stops_changing_is_given_up(
    two: tuple[Model, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "PATIENCE", 0.1)
    save(two[0], tmp_path / "model")
    with pytest.raises(
        SwissbertError, match=r"model: was replaced or changed each time that it was read, for 0\.1 seconds"
    ):
        steady.read_steadily(lambda: tmp_path / "model", lambda folder: os.utime(folder / "heads.safetensors"))


def test_an_error_of_a_folder_that_stays_is_not_repeated(tmp_path: Path) -> None:
    calls: list[Path] = []

    def read(folder: Path) -> None:
        calls.append(folder)
        raise SwissbertError("no")

    with pytest.raises(SwissbertError, match="no"):
        steady.read_steadily(lambda: tmp_path, read)
    assert len(calls) == 1


def test_a_job_of_answers_belongs_to_the_model_that_was_loaded(two: tuple[Model, Model], tmp_path: Path) -> None:
    save(two[0], tmp_path / "model")
    (tmp_path / "texts.txt").write_text("a good film\n")
    model = load(tmp_path / "model", "cpu")
    save(two[1], tmp_path / "model")  # replaced after loading
    answer_file(model, model.task("sst"), tmp_path / "texts.txt", tmp_path / "answers")
    other = load(tmp_path / "model", "cpu")
    assert (
        json.loads((tmp_path / "answers" / "job.json").read_text())["model"] == model.fingerprint != other.fingerprint
    )
    with pytest.raises(SwissbertError, match="contains another job, which differs in model"):
        answer_file(other, other.task("sst"), tmp_path / "texts.txt", tmp_path / "answers")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_flip, Path.unlink], ids=["one bit", "missing"])
@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "heads.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json"],
)
def test_damage_to_any_file_of_a_model_is_named(
    two: tuple[Model, Model], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    save(two[0], tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("The card may be edited.")
    load(tmp_path / "model", "cpu")
    damage(tmp_path / "model" / name)
    with pytest.raises(SwissbertError, match=rf"{name}: (its checksum differs|is missing)"):
        load(tmp_path / "model", "cpu")
    with pytest.raises(SwissbertError, match=rf"{name}: (its checksum differs|is missing)"):
        read_encoder_folder(str(tmp_path / "model"), None, read_encoder)


def test_a_label_name_that_changed_is_noticed_and_may_be_edited(two: tuple[Model, Model], tmp_path: Path) -> None:
    save(two[0], tmp_path / "model")
    path = tmp_path / "model" / "swissbert.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"positive"', '"great"'), encoding="utf-8")
    with pytest.raises(
        SwissbertError, match=r"swissbert\.json: its content does not fit its own checksum; .* remove its line"
    ):
        load(tmp_path / "model", "cpu")
    table = json.loads(path.read_text(encoding="utf-8"))
    del table["checksums"]["swissbert.json"]
    path.write_text(json.dumps(table), encoding="utf-8")
    assert "great" in load(tmp_path / "model", "cpu").task("sst").labels
    _flip(tmp_path / "model" / "heads.safetensors")
    with pytest.raises(SwissbertError, match=r"heads\.safetensors: its checksum differs"):
        load(tmp_path / "model", "cpu")


def test_a_folder_of_an_earlier_version_loads_with_one_line(
    two: tuple[Model, Model], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(two[0], tmp_path / "model")
    path = tmp_path / "model" / "swissbert.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    del table["checksums"]
    path.write_text(json.dumps(table), encoding="utf-8")
    for _ in range(2):
        load(tmp_path / "model", "cpu")
    load("mini", "cpu")
    assert [entry.getMessage().partition(":")[0] for entry in caplog.records] == [str(tmp_path / "model")]
    assert "without checksums" in caplog.text
