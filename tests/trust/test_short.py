"""The short form of every part of the fault campaign finds no fault."""

import importlib.util
import subprocess
import sys

import pytest

from campaign.frame import PARTS
from conftest import ROOT


@pytest.mark.parametrize("part", [part for part in PARTS if importlib.util.find_spec(f"campaign.{part}")])
def test_part(part: str) -> None:
    """No trial of a part ends otherwise than it should."""
    command = [sys.executable, "-m", "campaign", part, "--short"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
