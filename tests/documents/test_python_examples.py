"""The Python examples of the documents run as they are written, and their TOML holds valid settings."""

import tomllib
from pathlib import Path

import pytest
from example_files import prepare
from pages import PAGES, blocks, name_of, uses_engine
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from conftest import ROOT
from swissbert.config import make_config

EXAMPLES = Sybil(parsers=[PythonCodeBlockParser()], path=str(ROOT / "docs"), patterns=["**/*.md"])
TOML = [(page, number) for page in PAGES for number in range(len(blocks(page, "toml")))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the folder in which the examples run."""
    return prepare(tmp_path_factory.mktemp("documents"))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_the_examples_of_a_page_run(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They share their names, as those of a session do."""
    monkeypatch.chdir(place)
    examples = list(EXAMPLES.parse(page))
    assert len(examples) == len(blocks(page, "python"))
    for example in examples:
        if uses_engine(example.parsed):
            continue
        example.evaluate()
        assert capsys.readouterr().out, f"line {example.line} prints nothing"


@pytest.mark.parametrize(("page", "number"), TOML, ids=[f"{name_of(page)}-{number}" for page, number in TOML])
def test_the_settings_of_an_example_are_valid(page: Path, number: int) -> None:
    table = tomllib.loads(blocks(page, "toml")[number])
    extra = [{"file": "more.tsv", "rows": 8}]
    table.setdefault("tasks", [{"base": "sst", "extra": extra}, "para", "sts"])
    assert make_config(table, name_of(page)).tasks
