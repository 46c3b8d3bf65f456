"""Paths with bytes that are not UTF-8 are refused before work begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import swissbert
from conftest import ROOT, STARTER
from swissbert.config import make_config
from swissbert.errors import SwissbertError
from swissbert.files import need_name
from swissbert.inference.answer_table import AnswerTable
from swissbert.inference.bulk import answer_file
from swissbert.inference.output import table_output
from swissbert.paths import check_path

ODD = os.fsdecode(b"odd\xff")


def config(tiny: Path, **data: object) -> swissbert.RunConfig:
    train = {"max_steps": 1, "batch_size": 4, "device": "cpu", "precision": "fp32", "threads": 1}
    data = {"dir": str(STARTER), "limit": 8, **data}
    encoder = {"name": str(tiny), "max_length": 16}
    return make_config({"tasks": ["sst"], "data": data, "encoder": encoder, "train": train})


@pytest.mark.parametrize(
    "path", ["plain", "Zürich-中", "two\nlines", "\x1b[31m", "'\"", "-dash", " ", "n" * 255, Path("a/b")]
)
def test_other_paths_are_allowed(path: str | Path) -> None:
    check_path(path, "out")


def test_the_message_names_argument_path_and_remedy() -> None:
    with pytest.raises(SwissbertError) as caught:
        check_path(Path("runs") / ODD, "out")
    assert caught.value.argument == "out"
    assert str(caught.value).startswith(r"out is 'runs/odd\udcff', which has bytes that are not UTF-8")
    assert str(caught.value).endswith("rename it")


def test_training_does_not_begin(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"^out is"):
        swissbert.train(config(tiny), tmp_path / ODD)
    (tmp_path / ODD).mkdir()
    for task in STARTER.glob("sst-*"):
        (tmp_path / ODD / task.name).write_bytes(task.read_bytes())
    settings = config(tiny)
    odd = settings.model_copy(update={"data": settings.data.model_copy(update={"dir": str(tmp_path / ODD)})})
    with pytest.raises(SwissbertError, match=r"^data\.dir is"):
        swissbert.train(odd, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_models_and_outputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("A fine film.\n", encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"^model is"):
        swissbert.load(tmp_path / ODD)
    with pytest.raises(SwissbertError, match=r"^out is"):
        need_name(tmp_path / ODD, "export")
    model = swissbert.load("mini", "cpu")
    with pytest.raises(SwissbertError, match=r"^output_dir is"):
        answer_file(model, model.task("sst"), tmp_path / "texts.txt", tmp_path / ODD)
    table = AnswerTable(["text"], [model.task("sst")], False)
    with pytest.raises(SwissbertError, match=r"^output is"), table_output(tmp_path / f"{ODD}.parquet", table):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_a_locale_in_which_python_cannot_tell_a_path_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "swissbert", "train", "quickstart", "--out", str(tmp_path / "Zürich")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"set PYTHONUTF8=1" in done.stderr
    assert list(tmp_path.iterdir()) == []
