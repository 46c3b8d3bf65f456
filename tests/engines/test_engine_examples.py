"""The examples of the page on engines run as they are written, each in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "documents"))
from example_files import prepare
from pages import ENGINES, blocks, commands, uses_engine

PAGE = ROOT / "docs" / "using" / "engines.md"
EXAMPLES = [
    (code, name)
    for code in blocks(PAGE, "python")
    for name in ENGINES
    if f"import {name}" in code or f"from {name}" in code
]

pytestmark = pytest.mark.engines


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.parametrize(("code", "engine"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_an_example_runs(code: str, engine: str, tmp_path: Path) -> None:
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    if engine == "pyspark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    assert "label" in run([sys.executable, "-c", code], prepare(tmp_path)).stdout


def test_the_command_starts_ray_and_ends_it(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    (line,) = filter(uses_engine, commands(PAGE))
    place = prepare(tmp_path)
    done = run(["bash", "-ec", line], place)
    assert "9 rows in 1 shard in answers" in done.stderr
    assert (
        run(["bash", "-ec", line], place)
        .stderr.strip()
        .endswith("there is nothing to compute\n9 rows in 1 shard in answers")
    )


def test_every_engine_of_the_page_has_an_example() -> None:
    assert sorted(name for _, name in EXAMPLES) == sorted(ENGINES)
