"""The README's commands and examples run as written."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT, SHARED

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
SHORT = "--set train.max_steps=2 --set data.limit=48 --set train.tensorboard=false"


def run(command: str, cwd: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a working directory with what the README expects: the first rows of the data sets, where they exist, and a CSV."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("cs224n", "own_tasks"):
        if (SHARED / "data" / name).is_dir():
            (folder / name).mkdir()
            for file in (SHARED / "data" / name).iterdir():
                lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
                (folder / name / file.name).write_text("".join(lines[:65]), encoding="utf-8")
    (folder / "mydata").mkdir()
    rows = [
        f"{'please' if n % 2 else 'now'} look at number {n},{['low', 'normal', 'high'][n % 3]}\n" for n in range(90)
    ]
    (folder / "mydata" / "messages.csv").write_text("message,level\n" + "".join(rows))
    declaration = next(block for language, block in BLOCKS if language == "toml")
    tomllib.loads(declaration)
    (folder / "mytask.toml").write_text(declaration)
    return folder


def test_the_readme_opens_with_the_two_commands_and_the_makefile_does_what_it_says() -> None:
    assert COMMANDS[:2] == ["make quickstart", "make test"]
    for target, command in (("quickstart", "swissbert quickstart"), ("test", "python -m pytest")):
        plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert command in plan
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_quickstart_learns_all_three_tasks(place: Path) -> None:
    assert "Predictions" in run("swissbert quickstart", place)  # what `make quickstart` runs after setting up
    scores = json.loads(run("swissbert evaluate runs/quickstart --json", place))["tasks"]
    assert scores["sst"]["metrics"]["accuracy"] >= 0.40
    assert scores["para"]["metrics"]["accuracy"] >= 0.68
    assert scores["sts"]["metrics"]["pearson"] >= 0.70


def test_every_other_command_runs_in_the_order_of_the_readme(place: Path) -> None:
    seen, missing = [], [name for name in ("cs224n", "own_tasks") if not (place / name).exists()]
    for line in COMMANDS:
        needs = {"cs224n": ("cs224n", "runs/minilm", "runs/paper"), "own_tasks": ("own_tasks",)}
        if line.startswith(("make ", ". .venv")) or any(word in line for name in missing for word in needs[name]):
            continue
        training = line.startswith(("swissbert train", "swissbert reproduce")) and "--resume" not in line
        command = f"{line} {SHORT}" if training else line
        seen.append((line, run(command, place)))
    assert all(output for _, output in seen)
    if missing:
        pytest.skip(f"ran {len(seen)} commands; those that need {' and '.join(missing)} were left out")
    assert len(seen) >= 12
    assert (place / "predictions" / "sst-test-output.csv").is_file()


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"^[A-Z_]{6,}$", README, re.MULTILINE)


def test_the_python_example_runs(place: Path) -> None:
    code = next(block for language, block in BLOCKS if language == "python")
    lines = run(f"python - <<'END'\n{code}\nEND", place).splitlines()
    assert lines[0] in ("negative", "somewhat negative", "neutral", "somewhat positive", "positive")
    assert float(lines[1]) > float(lines[2])
    assert lines[-1].startswith("{'para': Answer(")
