"""Nothing that leaves the machine names a path of it, and what needs the paths still finds them."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from swissbert.cli import main
from swissbert.config import STARTER, make_config
from swissbert.errors import SwissbertError
from swissbert.export.hf import export_hf
from swissbert.export.onnx import export_onnx
from swissbert.inference import load
from swissbert.model_folder.description import without_paths
from swissbert.model_folder.origin import base_folder, data_directory
from swissbert.model_folder.push import push
from swissbert.model_folder.save import save_model
from swissbert.reading import sha256
from swissbert.training import train

TEXTS = ["a good film", "a dull plot"]


@pytest.fixture(scope="module")
def home(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder, data and a run on them."""
    home = tmp_path_factory.mktemp("home-of-the-author")
    shutil.copytree(tiny, home / "encoders" / "my-bert")
    shutil.copytree(STARTER, home / "rows")
    table = {
        "tasks": ["sst"],
        "data": {"dir": str(home / "rows"), "limit": 16, "cache": False},
        "encoder": {"name": str(home / "encoders" / "my-bert"), "max_length": 48},
        "train": {
            "epochs": 1,
            "max_steps": 2,
            "batch_size": 4,
            "lr": 1e-2,
            "precision": "fp32",
            "device": "cpu",
            "threads": 1,
            "tensorboard": False,
        },
    }
    train(make_config(table, "recipe.toml"), home / "run")
    return home


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    return home / "run"


@pytest.fixture
def old(home: Path, run: Path, tmp_path: Path) -> Path:
    """A model folder as swissbert 0.1.0 wrote it, with paths, and without its run."""
    folder = Path(shutil.copytree(run / "model", tmp_path / "old"))
    path, encoder = folder / "swissbert.json", str(home / "encoders" / "my-bert")
    table = json.loads(path.read_text())
    table["encoder"]["name"] = encoder
    del table["provenance"]["encoder_sha256"], table["checksums"]
    table["provenance"] |= {"encoder": f"{encoder} at v1", "data": str(home / "rows")}
    table["tasks"][0]["files"]["train"] = [str(home / "rows" / "sst-train.tsv")]
    path.write_text(json.dumps(table))
    return folder


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def assert_no_path(contents: Iterator[tuple[str, bytes]], home: Path) -> None:
    names = []
    for name, content in contents:
        names.append(name)
        for part in (str(home), home.name, "/encoders"):
            assert part.encode() not in content, (name, part)
    assert names


class Uploads:
    """A stand-in for the hub client that keeps what is uploaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents: dict[str, bytes] = {}
        monkeypatch.setattr("huggingface_hub.HfApi", lambda: self)

    def create_repo(self, repo_id: str, **_: Any) -> str:
        return f"https://hub.example/{repo_id}"

    def model_info(self, repo_id: str) -> SimpleNamespace:
        return SimpleNamespace(private=True, siblings=[])

    def create_commit(self, repo_id: str, operations: list[Any], **_: Any) -> None:
        for operation in operations:
            source = operation.path_or_fileobj
            self.contents[operation.path_in_repo] = source if isinstance(source, bytes) else source.read()


def test_a_recipe_with_relative_paths_is_trained_and_resumed_from_any_directory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    recipe = home / "recipe.toml"
    recipe.write_text(
        'name = "mine"\ntasks = ["sst"]\n[data]\ndir = "rows"\nlimit = 16\ncache = false\n'
        '[encoder]\nname = "encoders/my-bert"\nmax_length = 48\n'
        '[train]\nepochs = 1\nmax_steps = 1\nprecision = "fp32"\ndevice = "cpu"\nthreads = 1\ntensorboard = false\n'
    )

    def run_cli(directory: Path, *arguments: object) -> str:
        monkeypatch.chdir(directory)
        monkeypatch.setattr(sys, "argv", ["swissbert", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    run = tmp_path / "run"
    assert run_cli(home, "train", "recipe.toml", "--out", run) == f"{run / 'model'}\n"
    assert run_cli(tmp_path / "elsewhere", "train", recipe, "--out", "../run", "--resume") == "../run/model\n"
    assert run_cli(tmp_path / "elsewhere", "train", "--out", "../run", "--resume") == "../run/model\n"
    assert '"accuracy"' in run_cli(tmp_path / "elsewhere", "evaluate", "../run", "--json")


def test_a_model_folder_names_no_path(home: Path, run: Path) -> None:
    assert_no_path(files(run / "model"), home)
    table = json.loads((run / "model" / "swissbert.json").read_text())
    assert table["encoder"]["name"] == table["provenance"]["encoder"] == "my-bert"
    assert table["provenance"]["data"] == "rows"
    assert table["provenance"]["encoder_sha256"] == sha256(home / "encoders" / "my-bert" / "model.safetensors")


def test_pushed_files_name_no_path(home: Path, run: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (run / "model", old):
        uploads = Uploads(monkeypatch)
        push(folder, "owner/name")
        assert {"swissbert.json", "README.md", "model.safetensors"} <= uploads.contents.keys()
        assert_no_path(iter(uploads.contents.items()), home)
        assert json.loads(uploads.contents["swissbert.json"])["encoder"]["name"] == "my-bert"
    uploads = Uploads(monkeypatch)
    push(run / "model", "owner/name")
    assert uploads.contents["swissbert.json"] == (run / "model" / "swissbert.json").read_bytes()


@pytest.mark.parametrize("source", ["new", "old"])
def test_exported_files_name_no_path(home: Path, run: Path, old: Path, tmp_path: Path, source: str) -> None:
    model = load(run if source == "new" else old, "cpu")
    export_hf(model, tmp_path / "hf")
    save_model(tmp_path / "saved", model.network, model.tokenizer, model.description)
    save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=base_folder(model.folder))
    for name in ("hf", "saved", "compact"):
        assert_no_path(files(tmp_path / name), home)


def test_an_onnx_export_names_no_path_and_is_not_a_model_folder(
    home: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    export_onnx(load(old, "cpu"), tmp_path / "onnx")
    assert_no_path(files(tmp_path / "onnx"), home)
    with pytest.raises(SwissbertError, match="an exported ONNX folder, for onnxruntime; a model folder is expected"):
        load(tmp_path / "onnx")
    uploads = Uploads(monkeypatch)
    with pytest.raises(SwissbertError, match="an exported ONNX folder"):
        push(tmp_path / "onnx", "owner/name")
    assert uploads.contents == {}


def test_a_compact_folder_finds_its_base_beside_it(home: Path, run: Path, tmp_path: Path) -> None:
    model = load(run, "cpu")
    assert base_folder(model.folder) == home / "encoders" / "my-bert"
    save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=base_folder(model.folder))
    with pytest.raises(SwissbertError, match=rf"copy or link that encoder to {tmp_path / 'my-bert'}$"):
        load(tmp_path / "compact", "cpu")
    (tmp_path / "my-bert").symlink_to(home / "encoders" / "my-bert")
    numbers = load(tmp_path / "compact", "cpu").numbers("sst", TEXTS)
    assert numbers == pytest.approx(model.numbers("sst", TEXTS), abs=0.02)


def test_a_compact_folder_whose_base_is_a_folder_is_not_pushed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(run, "cpu")
    save_model(tmp_path / "compact", model.network, model.tokenizer, model.description, base=base_folder(model.folder))
    uploads = Uploads(monkeypatch)
    with pytest.raises(SwissbertError, match="'my-bert' is a folder of this machine; push the full model folder"):
        push(tmp_path / "compact", "owner/name")
    assert uploads.contents == {}


def test_a_model_in_its_run_finds_its_data_and_one_elsewhere_does_not(
    home: Path, run: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_directory(load(run, "cpu").folder) == home / "rows"
    assert data_directory(old) == home / "rows"
    elsewhere = Path(shutil.copytree(run / "model", tmp_path / "model"))
    (tmp_path / "rows").mkdir()
    monkeypatch.chdir(tmp_path)  # a folder that happens to have the name of the data directory
    assert data_directory(elsewhere) is None


def test_an_old_model_folder_answers_the_same(run: Path, old: Path) -> None:
    assert np.array_equal(load(old, "cpu").numbers("sst", TEXTS), load(run, "cpu").numbers("sst", TEXTS))


def test_paths_are_cut_and_all_else_stays() -> None:
    table = {
        "encoder": {"name": r"C:\models\bert", "max_length": 8},
        "provenance": {
            "encoder": r"C:\models\bert at v1",
            "data": "/data",
            "note": "from /data, /data-2 and hub/data",
            "urls": ["https://example.org/data", "/a/b"],
            "step": 3,
        },
        "tasks": [
            {
                "files": {"train": ["/data/x.csv", "y.csv"]},
                "extra": [{"file": "/a/more.csv"}, {"file": "/b/more.csv"}],  # of no use in a model folder
                "labels": ["/", "and/or"],
            },
            3,
        ],
        "scores": {"overall": 0.5},
    }
    assert without_paths(table) == {
        "encoder": {"name": "bert", "max_length": 8},
        "provenance": {
            "encoder": "bert at v1",
            "data": "data",
            "note": "from data, /data-2 and hub/data",
            "urls": ["https://example.org/data", "b"],
            "step": 3,
        },
        "tasks": [{"files": {"train": ["x.csv", "y.csv"]}, "labels": ["/", "and/or"]}, 3],
        "scores": {"overall": 0.5},
    }
    for name in ("minilm", "owner/name", "tiny", ""):
        assert without_paths({"encoder": {"name": name}}) == {"encoder": {"name": name}}
    assert without_paths({"encoder": 3, "provenance": None, "tasks": "x"}) == {
        "encoder": 3,
        "provenance": None,
        "tasks": "x",
    }
