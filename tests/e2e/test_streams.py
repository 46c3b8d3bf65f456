"""Streams that are closed, full, or whose reader has ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, STARTER


def shell(line: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in which ``SB`` is the program; its status is that of the first command of a pipe."""
    program = f"'{sys.executable}' -m swissbert"
    command = ["bash", "-c", f"{line.replace('SB', program)}; exit ${{PIPESTATUS[0]}}"]
    whole = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize("command", ["recipes", "--help", "predict --help", "env", "data check starter"])
def test_a_reader_that_has_ended_ends_a_command_as_it_does_other_programs(command: str) -> None:
    done = shell(f"SB {command} | true")
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_that_ends_early_ends_predict(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("A fine film.\n" * 5000, encoding="utf-8")
    done = shell(f"SB predict mini --precision int8 --task sst --input '{texts}' | head -1")
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_messages_without_a_reader_or_room_do_not_change_the_end_of_a_command(stderr: str) -> None:
    assert shell(f"SB predict /nowhere x {stderr}").returncode == 2
    done = shell(f"SB predict mini --precision int8 --task sst 'A fine film.' {stderr}")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1


@pytest.mark.trains
@pytest.mark.parametrize("stderr", ["2> >(head -1 >/dev/null)", "<&- 2>&-"])
def test_training_goes_on_when_its_messages_have_no_reader(stderr: str, tiny: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "my.toml"
    recipe.write_text(
        f'name = "my"\ntasks = ["sst"]\ndata = {{ dir = "{STARTER}", limit = 16 }}\n'
        f'encoder = {{ name = "{tiny}", max_length = 16 }}\n'
        'train = { max_steps = 2, batch_size = 8, device = "cpu", threads = 1, tensorboard = false }\n',
        encoding="utf-8",
    )
    done = shell(f"SB train '{recipe}' --out '{tmp_path}/run' {stderr}")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path}/run/model\n"
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_results_need_standard_output() -> None:
    assert shell("SB recipes >&-").returncode == 2
    done = shell("SB recipes >/dev/full")
    assert done.returncode == 2
    assert done.stderr == "error: standard output: cannot be written (No space left on device)\n"


def test_a_current_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    done = shell(f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; SB train quickstart --out run")
    assert done.returncode == 2
    assert (
        done.stderr == "error: the current folder cannot be used (No such file or directory); change to another one\n"
    )
