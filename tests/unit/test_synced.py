"""What was finished survives power loss: content and names are synced, in an order that leaves the old or the new."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import swissbert
from swissbert.encoder.checkpoint import read_encoder
from swissbert.encoder.names import to_hf
from swissbert.errors import SwissbertError
from swissbert.exclusive import sync_folder
from swissbert.files import locked, make_folder, whole_bytes, write_folder, write_text
from swissbert.model_folder.layout import METRICS_LOG
from swissbert.tracking import TrackedRun
from swissbert.tracking.tracking import Tracking
from swissbert.training.log import MetricsLog

Synced = Callable[[Path], list[set[str]]]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    """Returns the names in a folder at each time that it was synced, and ``{""}`` for each time of a file."""
    calls: list[tuple[tuple[int, int], set[str]]] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        status = os.fstat(handle)
        names = set(os.listdir(handle)) if stat.S_ISDIR(status.st_mode) else {""}
        calls.append(((status.st_dev, status.st_ino), names))
        fsync(handle)

    def of(path: Path) -> list[set[str]]:
        status = path.stat()
        return [names for number, names in calls if number == (status.st_dev, status.st_ino)]

    monkeypatch.setattr(os, "fsync", record)
    return of


def has_name(synced: Synced, path: Path) -> bool:
    return any(path.name in names for names in synced(path.parent))


def test_the_name_of_a_file_is_synced(tmp_path: Path, synced: Synced) -> None:
    write_text(tmp_path / "answers.jsonl", "text")
    assert synced(tmp_path / "answers.jsonl")
    assert has_name(synced, tmp_path / "answers.jsonl")


def test_the_name_of_a_file_behind_a_link_is_synced(tmp_path: Path, synced: Synced) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "table.parquet")
    with whole_bytes(tmp_path / "link") as file:
        file.write(b"table")
    assert has_name(synced, tmp_path / "real" / "table.parquet")


def test_names_of_new_folders_are_synced(tmp_path: Path, synced: Synced) -> None:
    make_folder(tmp_path / "a" / "b")
    assert has_name(synced, tmp_path / "a")
    assert has_name(synced, tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert len(synced(tmp_path)) == 1


def test_names_above_a_folder_are_synced(tmp_path: Path, synced: Synced) -> None:
    write_folder(tmp_path / "exports" / "my", lambda new: (new / "file").touch())
    assert has_name(synced, tmp_path / "exports")
    assert has_name(synced, tmp_path / "exports" / "my")


def test_names_above_a_run_are_synced(tmp_path: Path, synced: Synced) -> None:
    with locked(tmp_path / "runs" / "my"):
        assert has_name(synced, tmp_path / "runs")
        assert has_name(synced, tmp_path / "runs" / "my")
        MetricsLog(tmp_path / "runs" / "my", 0).close()
    assert has_name(synced, tmp_path / "runs" / "my" / METRICS_LOG)


def test_events_of_tensorboard_are_synced_with_the_log(tmp_path: Path, synced: Synced) -> None:
    pytest.importorskip("tensorboard")
    tracking = Tracking(["tensorboard"], TrackedRun("my", tmp_path), tmp_path / "trackers.json", print)
    tracking.log({"step": 1, "loss": 1.0})
    tracking.sync()
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert synced(events)
    assert has_name(synced, events)
    tracking.end("finished")


def test_converted_weights_are_synced(tiny: Path, tmp_path: Path, synced: Synced) -> None:
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    torch.save(to_hf(read_encoder(tiny)), tmp_path / "pytorch_model.bin")
    swissbert.convert_weights(tmp_path)
    assert synced(tmp_path / "model.safetensors")
    assert has_name(synced, tmp_path / "model.safetensors")


def test_folders_that_cannot_be_synced_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> Callable[..., int]:
        def call(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse(errno.EACCES))
        sync_folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(errno.EINVAL))
        sync_folder(tmp_path)
        patch.setattr(os, "fsync", refuse(errno.EIO))
        with pytest.raises(OSError, match="rror"):
            sync_folder(tmp_path)


def test_a_relative_path_in_a_folder_that_is_gone_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SwissbertError, match="the current folder does not exist any more"):
        write_text(Path("answers.jsonl"), "text")
