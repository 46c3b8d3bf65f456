"""The commands and examples of the README run as written; tests/documents has those of docs/."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT, SHARED
from forked import SHELL, swissbert

DOCUMENTS = ["README.md"]
SHORT = " ".join(
    f"--set {setting}"
    for setting in (
        "train.max_steps=2",
        "data.limit=48",
        "train.tensorboard=false",
        "train.baseline=false",
        "encoder.name={encoder}",
    )
)
"""What is added to commands that train: few steps, and a tiny encoder in the place of MiniLM."""
TRAINING = ("swissbert train", "swissbert distill", "swissbert reproduce", "torchrun")
"""Commands that get these settings."""
SLOW = ("swissbert analyse", "swissbert export mini --format onnx")
"""Commands that take a quarter of a minute each: test_report_page.py and test_export.py run them on a tiny model."""


def blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a document in one language, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(document: str) -> list[str]:
    """Return the lines of the shell blocks of a document."""
    return [line for block in blocks(document, "sh") for line in block.splitlines()]


def run(command: str, cwd: Path) -> str:
    if command.startswith("swissbert ") and not SHELL & set(command):
        done = swissbert(*shlex.split(command)[1:], cwd=cwd)
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
        return done.stdout
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
    [declaration] = blocks("README.md", "toml")
    tomllib.loads(declaration)
    (folder / "mytask.toml").write_text(declaration)
    return folder


def test_the_readme_opens_with_the_two_commands_and_the_makefile_does_what_it_says() -> None:
    assert commands("README.md")[:2] == ["make quickstart", "make test"]
    for target, command in (("quickstart", "swissbert quickstart"), ("test", "python -m pytest")):
        plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert command in plan
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.two_threads
def test_quickstart_learns_all_three_tasks(place: Path) -> None:
    assert "Predictions" in run("swissbert quickstart", place)  # what `make quickstart` runs after setting up
    scores = json.loads(run("swissbert evaluate runs/quickstart --json", place))["tasks"]
    assert scores["sst"]["metrics"]["accuracy"] >= 0.40
    assert scores["para"]["metrics"]["accuracy"] >= 0.68
    assert scores["sts"]["metrics"]["pearson"] >= 0.70


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_runs_in_the_order_of_the_document(place: Path, tiny: Path, document: str) -> None:
    missing = [name for name in ("cs224n", "own_tasks") if not (place / name).exists()]
    needs = {"cs224n": ("cs224n", "runs/minilm", "runs/paper"), "own_tasks": ("own_tasks",)}
    lines = [line for line in commands(document) if not line.startswith(("make ", ". .venv"))]
    runnable = [line for line in lines if not any(word in line for name in missing for word in needs[name])]
    for line in runnable:
        if line.startswith(SLOW):
            assert run(f"{line} --help", place)  # the command and its options exist
            continue
        trains = "--resume" not in line and line.startswith(TRAINING)
        command = f"{line} {SHORT.format(encoder=tiny)}" if trains else line
        assert run(command, place), f"{command} printed nothing"
    if runnable != lines:
        pytest.skip(f"ran {len(runnable)} of {len(lines)} commands; the others need {' and '.join(missing)}")


@pytest.mark.parametrize(
    ("document", "number"), [(document, i) for document in DOCUMENTS for i in range(len(blocks(document, "python")))]
)
def test_every_python_example_runs(place: Path, document: str, number: int) -> None:
    assert run(f"python - <<'END'\n{blocks(document, 'python')[number]}\nEND", place)


def test_the_first_example_of_the_readme_is_answered_right(place: Path) -> None:
    lines = run(f"python - <<'END'\n{blocks('README.md', 'python')[0]}\nEND", place).splitlines()
    assert lines[0] == "positive"
    assert float(lines[1]) > float(lines[2])
    assert lines[-1].startswith("{'para': Answer(")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120
