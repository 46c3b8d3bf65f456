"""The wheel has every file of the package and works outside the source tree."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT
from swissbert.version import __version__


def tracked(folder: str) -> list[str]:
    """Return the paths below a folder that git tracks or would add, relative to that folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", folder]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git checkout, to know which files belong to the package")
    paths = [path for path in done.stdout.splitlines() if (ROOT / path).is_file()]
    return [str(Path(path).relative_to(folder)) for path in paths]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the files that git tracks, so that the checkout gets no build folder."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", *(f"src/{path}" for path in tracked("src"))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(out), str(source)], check=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a folder."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True, timeout=120)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> "Run":
    return Run(installed, tmp_path)


class Run:
    """Runs the installed package from an empty directory."""

    def __init__(self, installed: Path, cwd: Path) -> None:
        self.installed, self.cwd = installed, cwd
        # PYTHONPATH precedes site-packages, and so an editable install of the checkout.
        self.environment = {**os.environ, "PYTHONPATH": str(installed)}

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.cwd, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_the_wheel_has_the_files_that_git_tracks_and_no_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == set(tracked("src"))


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "mini/delta.safetensors",
        "recipes/minilm.toml",
        "tasks/sst.toml",
        "experiments/table2.toml",
        "data/starter/sst-train.tsv",
        "analysis/report.html.jinja",
        "serving/page/index.html",
    ],
)
def test_data_files_are_installed(installed: Path, name: str) -> None:
    assert (installed / "swissbert" / name).is_file()


def test_metadata_has_version_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        folder = f"swissbert-{__version__}.dist-info"
        metadata = file.read(f"{folder}/METADATA").decode()
        assert f"{folder}/licenses/LICENSE" in file.namelist()
        assert "swissbert = swissbert.__main__:run" in file.read(f"{folder}/entry_points.txt").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata


def test_the_installed_package_is_the_one_that_runs(run: Run, installed: Path) -> None:
    path = run("-c", "import swissbert; print(swissbert.__file__)").strip()
    assert path == str(installed / "swissbert" / "__init__.py")


def test_the_command_line_runs_from_an_empty_directory(run: Run) -> None:
    assert run("-m", "swissbert", "--version") == f"swissbert {__version__}\n"
    recipes = {line.split()[0] for line in run("-m", "swissbert", "recipes").splitlines()}
    assert recipes >= {"quickstart", "minilm", "paper"}


def test_the_shipped_model_answers(run: Run) -> None:
    line = run("-m", "swissbert", "predict", "mini", "--task", "sst", "A joy from start to finish.")
    assert json.loads(line)["label_name"] == "positive"
