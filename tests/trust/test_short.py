"""The short form of every part of the fault campaign finds no fault."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.frame import PARTS
from conftest import ROOT


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run all parts in one process, which imports what they need once; return the faults of each that was tried."""
    out: Path = tmp_path_factory.mktemp("campaign") / "out"
    command = [sys.executable, "-m", "campaign", "--short", "--out", str(out)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert (out / "results.json").is_file(), result.stdout + result.stderr
    faults: dict[str, list[str]] = {}
    for row in json.loads((out / "results.json").read_text(encoding="utf-8")):
        faults.setdefault(row["part"], []).extend(f"{row['trial']}: {fault}" for fault in row["faults"])
    return faults


@pytest.mark.parametrize("part", PARTS)
def test_part(part: str, ended: dict[str, list[str]]) -> None:
    """No trial of a part ends otherwise than it should."""
    assert ended[part] == []
