"""The programs of `benchmarks` run on a few rows, and print what `bench.py` reads."""

import csv
import json
import os
import re
import runpy
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
MINI = ROOT / "src" / "swissbert" / "mini"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files in the layout of the course, with invented rows."""
    folder = tmp_path_factory.mktemp("course")
    columns: dict[str, tuple[list[str], Callable[[int], list[object]]]] = {
        "ids-sst": (["id", "sentence", "sentiment"], lambda n: [n, f"a film with number {n}", n % 5]),
        "quora": (
            ["id", "sentence1", "sentence2", "is_duplicate"],
            lambda n: [n, f"what is {n}", f"is {n} what", float(n % 2)],
        ),
        "sts": (
            ["id", "sentence1", "sentence2", "similarity"],
            lambda n: [n, f"a dog and {n}", f"{n} and a cat", float(n % 6)],
        ),
    }
    for name, (header, cells) in columns.items():
        for split in ("train", "dev"):
            with (folder / f"{name}-{split}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter="\t")
                writer.writerow(header)
                writer.writerows(cells(n) for n in range(96))
    return folder


def figures(program: str, *arguments: object) -> dict[str, object]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / program), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(line, dict)
    return line


@pytest.mark.perf
def test_training_steps_of_both_are_measured_alike(course: Path) -> None:
    options = ("--data", course, "--steps", 1, "--warmup", 1, "--threads", 1)
    ours = figures("train_step.py", *options, "--peak", 50)
    theirs = figures("peers/train_step.py", *options, "--group-by-length")
    assert ours.keys() == theirs.keys()
    assert theirs["program"] == "transformers fp32, grouped"
    for measured in (ours, theirs):
        assert float(str(measured["sequences_per_s"])) > 0


@pytest.mark.perf
def test_scoring_of_both_is_measured_alike(course: Path) -> None:
    ours = figures("score.py", "--data", course, "--precision", "fp32", "--threads", 1)
    theirs = figures("peers/inference.py", "--data", course, "--peer", "pipeline", "--threads", 1, "--limit", 8)
    assert ours.keys() == theirs.keys()
    assert float(str(ours["pairs_per_s"])) > 0


def test_the_published_figures_are_those_of_the_results() -> None:
    code = (
        "import json, pathlib, tables; "
        "files = sorted(pathlib.Path('results').glob('*.json')); "
        "print(tables.markdown({file.stem: json.loads(file.read_text()) for file in files}), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert page.partition("<!-- results -->\n\n")[2] == done.stdout


OTHERS = [
    "bench.py",
    "growth.py",
    "memory.py",
    "many_tasks.py",
    "surgery.py",
    "method_cost.py",
    "accuracy.py",
    "peers/peak.py",
    "peers/server.py",
]


def test_every_other_program_explains_itself() -> None:
    """All in one process, which imports their libraries once."""
    code = """
import runpy, sys
for path in sys.argv[1:]:
    sys.argv, sys.path[0] = [path, "--help"], path.rpartition("/")[0]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        assert not end.code, path
    print("end of", path)
"""
    paths = [str(BENCHMARKS / program) for program in OTHERS]
    command = [sys.executable, "-c", code, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rest = done.stdout
    for path in paths:
        text, _, rest = rest.partition(f"end of {path}\n")
        assert "--help" in text, path


def test_peers_use_nothing_of_this_project() -> None:
    for path in (BENCHMARKS / "peers").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import swissbert" not in text, path.name
        assert "from swissbert" not in text, path.name


def test_the_card_of_mini_is_what_its_program_writes() -> None:
    card = runpy.run_path(str(BENCHMARKS / "make_mini.py"))["CARD"]
    fields = [(re.escape(text), name) for text, name, _, _ in string.Formatter().parse(card)]
    pattern = "".join(text + (f"(?P<{name}>.+?)" if name else "") for text, name in fields)
    match = re.fullmatch(pattern, (MINI / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None, "benchmarks/make_mini.py and the card differ in their words"
    scores = json.loads((MINI / "swissbert.json").read_text(encoding="utf-8"))["scores"]
    assert match["overall"] == f"{scores['overall']:.3f}"
    for name in ("sst.accuracy", "para.accuracy", "sts.pearson"):
        task, metric = name.split(".")
        assert f"| `{task}` | {metric} | {scores[name]:.3f} |" in match["rows"]
