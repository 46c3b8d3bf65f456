"""What swissbert-lite installs is enough to predict, to evaluate and to serve, with the same answers, and the rest says what it lacks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_server import Server, one

import swissbert
from forked import swissbert as swissbert_here
from swissbert.inference.int8 import has_int8

pytestmark = pytest.mark.skipif(not has_int8(), reason="onnxruntime is not installed")

ABSENT = ("torch", "scipy", "sklearn", "pyarrow", "datasets", "pandas", "tomli_w", "onnx", "onnxscript", "transformers")
"""What an environment with swissbert-lite alone does not have, and may be installed here."""
SITE = f"""
import sys

class Without:
    "A finder of modules that does not find some."

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in {ABSENT!r} else self.finder.find_spec(name, *more)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
"""
TEXTS = ["A joy from start to finish.", "Dull and far too long.", "It is a film."]
PAIR = ("How do I learn to swim?", "What is the best way to learn swimming?")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a folder that hides modules from every Python which has it on its path; return the value of PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(SITE)
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


def run(site: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": site}
    command = [sys.executable, *arguments]
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)


def rows(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def model() -> swissbert.Model:
    """The model of a process that has torch."""
    return swissbert.load("mini", "cpu", "int8")


def test_answers_are_those_of_a_process_with_torch(site: str, model: swissbert.Model) -> None:
    lines = "".join(f"{text}\n" for text in TEXTS)
    done = run(site, "-m", "swissbert", "predict", "mini", "--task", "sst", "--input", "-", text=lines)
    answers = [{key: value for key, value in row.items() if key != "row"} for row in rows(done)]
    assert answers == [answer.as_json() for answer in model.predict("sst", TEXTS)]
    assert not done.stderr
    pair = run(site, "-m", "swissbert", "predict", "mini", *PAIR)
    assert rows(pair) == [{name: answer.as_json() for name, answer in model.predict_all(*PAIR).items()}]


def test_a_run_folder_answers_as_with_torch(site: str, tiny_run: Path) -> None:
    done = run(site, "-m", "swissbert", "predict", str(tiny_run), *PAIR)
    expected = swissbert.load(tiny_run, "cpu", "int8").predict_all(*PAIR)
    assert rows(done) == [{name: answer.as_json() for name, answer in expected.items()}]


def test_vectors_numbers_and_explanations_need_no_torch(site: str, model: swissbert.Model) -> None:
    code = f"""
import json, sys, swissbert
model = swissbert.load()
explained = model.explain("sst", {TEXTS[0]!r})
numbers = model.numbers("sst", {TEXTS!r})
print(json.dumps([model.precision, numbers.tolist(), model.encode({TEXTS!r}).tolist(), explained.without.tolist()]))
assert not [name for name in {ABSENT!r} if name in sys.modules]
"""
    precision, numbers, vectors, without = rows(run(site, "-c", code))[0]
    assert precision == "int8"
    assert numbers == model.numbers("sst", TEXTS).tolist()
    assert vectors == model.encode(TEXTS).tolist()
    assert without == model.explain("sst", TEXTS[0]).without.tolist()


def test_int8_answers_import_no_torch_where_it_is_installed() -> None:
    code = f"""
import sys, swissbert
swissbert.load("mini", "cpu", "int8").predict("sst", "A joy from start to finish.")
print([name for name in {ABSENT!r} if name in sys.modules])
"""
    assert run(os.environ.get("PYTHONPATH", ""), "-c", code).stdout == "[]\n"


@pytest.fixture(scope="module")
def server(site: str) -> Iterator[Server]:
    server = Server(Path("mini"), PYTHONPATH=site)
    yield server
    assert server.stop() == (0, "", ""), "nothing is logged"


def test_the_server_answers_as_with_torch(server: Server, model: swissbert.Model) -> None:
    status, content, _ = server.ask("/v1/predict", {**one(*PAIR), "tasks": ["para", "sts"]})
    assert status == 200
    expected = {name: answer.as_json() for name, answer in model.predict_all(*PAIR).items()}
    assert content["answers"] == [expected]


def test_scores_are_those_of_a_process_with_torch(site: str) -> None:
    command = ["-m", "swissbert", "evaluate", "mini", "--data", "starter", "--json"]
    [scores] = rows(run(site, *command))
    done = swissbert_here(*command[2:], "--precision", "int8")
    assert scores["tasks"]["para"]["metrics"]["roc_auc"] > 0.5
    assert scores == json.loads(done.stdout)


def test_the_server_shows_attention_and_explains(server: Server) -> None:
    status, content, _ = server.ask("/v1/attention", {"text": TEXTS[0]})
    assert status == 200
    assert len(content["weights"]) == 6
    for head in (head for layer in content["weights"] for head in layer):
        assert all(sum(row) == pytest.approx(1, abs=0.01) for row in head)
    status, content, _ = server.ask("/v1/explain", {"text": TEXTS[0], "tasks": ["sst"]})
    assert status == 200
    assert [word["text"] for word in content["words"]][:2] == ["A", "joy"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "mini", "--precision", "fp32", "A text."],
        ["train", "quickstart", "--data", "starter", "--out", "OUT"],
        ["evaluate", "mini", "--data", "starter", "--precision", "fp32"],
        ["analyse", "mini", "--data", "starter", "--out", "OUT"],
        ["export", "mini", "--format", "hf", "--out", "OUT"],
        ["env"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_more_says_what_to_install(arguments: list[str], site: str, tmp_path: Path) -> None:
    words = [str(tmp_path / "out") if word == "OUT" else word for word in arguments]
    done = run(site, "-m", "swissbert", *words)
    assert done.returncode == 2, done.stdout
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert ", which is not installed: swissbert-lite answers in int8 only; " in line
    assert line.endswith("pip uninstall swissbert-lite, then pip install swissbert")
    assert "Traceback" not in done.stderr


def test_the_library_says_so_too(site: str) -> None:
    code = """
import swissbert
try:
    swissbert.train
except swissbert.SwissbertError as error:
    print(error)
"""
    done = run(site, "-c", code)
    assert done.stdout.startswith("this needs torch, which is not installed: swissbert-lite answers in int8 only;")
