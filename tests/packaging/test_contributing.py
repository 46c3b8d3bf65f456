"""The examples of CONTRIBUTING.md work as written."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT, STARTER
from forked import python
from swissbert.config import make_config
from swissbert.experiments.declarations import ResultsTable
from swissbert.settings import validated
from swissbert.tasks import make_task

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## How to add an? (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


def block(section: str, language: str) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)
    return str(code)


@pytest.fixture
def workplace(tiny: Path, tmp_path: Path) -> Path:
    """A directory with ``my.toml``: two steps of the tiny encoder."""
    text = f"""
tasks = ["sst", "sts"]
data = {{ dir = {json.dumps(str(STARTER))}, limit = 24 }}
encoder = {{ name = {json.dumps(str(tiny))}, max_length = 16 }}
train = {{ max_steps = 2, batch_size = 8, device = "cpu", precision = "fp32", threads = 1, trackers = [] }}
"""
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_row_of_the_tables_has_a_section() -> None:
    assert set(SECTIONS) == {
        "way to balance tasks",
        "head",
        "kind of task",
        "metric",
        "file format",
        "member of the BERT family",
        "tracker",
        "task",
        "recipe",
        "table of results",
        "bucket of rows",
    }


@pytest.mark.parametrize(
    "section",
    [
        "head",
        "kind of task",
        "metric",
        "file format",
        "member of the BERT family",
        "tracker",
        "bucket of rows",
    ],
)
def test_the_python_example_runs(section: str, workplace: Path) -> None:
    done = python(block(section, "python"), workplace)
    assert done.returncode == 0, done.stderr


def test_the_balancer_runs_and_changes_the_weights(workplace: Path) -> None:
    done = python(block("way to balance tasks", "python"), workplace)
    assert done.returncode == 0, done.stderr
    first = json.loads((workplace / "runs" / "inverse" / "metrics.jsonl").read_text().splitlines()[0])
    weights, losses = first["weight"], first["loss"]
    assert weights["sst"] * losses["sst"] == pytest.approx(weights["sts"] * losses["sts"], rel=1e-5)


def test_the_format_reads_its_rows(workplace: Path) -> None:
    (workplace / "rows.ft").write_text("__label__good a fine film\nno label\n", encoding="utf-8")
    code = block("file format", "python") + (
        "\nfrom pathlib import Path\nprint(list(FastText().cells(Path('rows.ft'), ReadOptions())))\n"
    )
    done = python(code, workplace)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "[(1, {'label': 'good', 'text': 'a fine film'}), (2, 'no label at the beginning of the line')]"
    )


def test_the_task_is_a_declaration() -> None:
    assert make_task(tomllib.loads(block("task", "toml task")), "here").labels == ["low", "normal", "high"]


def test_the_recipe_has_valid_settings() -> None:
    config = make_config(tomllib.loads(block("recipe", "toml recipe")), "here")
    assert [task.name for task in config.tasks] == ["sst", "sts"]


def test_the_table_of_results_is_valid() -> None:
    table = validated(ResultsTable, tomllib.loads(block("table of results", "toml table")), "here")
    assert [row.name for row in table.rows] == ["baseline", "pairs", "student", "mean"]


def test_paths_that_are_named_exist() -> None:
    paths = re.findall(r"`((?:src|tests)/[\w./-]+)`", TEXT)
    assert len(paths) >= 8
    for path in paths:
        assert (ROOT / path).exists(), path
