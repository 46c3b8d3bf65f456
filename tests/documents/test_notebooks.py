"""The notebooks run, with a tiny encoder and few steps; `make docs` executes them as they are."""

import json
import re
from pathlib import Path

import pytest
from pages import NOTEBOOKS


def cells(notebook: Path) -> list[str]:
    """Return the code of a notebook, cell by cell."""
    stored = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in stored if cell["cell_type"] == "code"]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {"__name__": "notebook"}
    for number, code in enumerate(cells(notebook)):
        code = re.sub(r'^ENCODER = "minilm"', f"ENCODER = {str(tiny)!r}", code, flags=re.MULTILINE)
        code = re.sub(r"^STEPS = \d+", "STEPS = 2", code, flags=re.MULTILINE)
        code = re.sub(r'"limit": \d+', '"limit": 24', code)
        exec(compile(code, f"{notebook.name}, cell {number}", "exec"), names)


def test_there_are_three_notebooks_and_none_holds_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["balancers", "inside", "own-csv"]
    for notebook in NOTEBOOKS:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), f"{notebook.name} holds outputs; clear them"
            assert cell.get("execution_count") is None
