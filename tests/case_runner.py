"""Fixtures of the tests in `cases`: copies of the input folders, and the command line in this process."""

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

INPUTS = Path(__file__).parent / "cases" / "inputs"


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """Lines of standard output."""
        return self.stdout.splitlines()


Command = Callable[..., Ended]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy an input folder, named by ``@pytest.mark.parametrize("case", ["a01-float-labels"], indirect=True)``, and enter it."""
    folder = tmp_path / "case"
    shutil.copytree(INPUTS / request.param, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def swissbert(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Command:
    """Return a function that runs a command line in this process.

    A process of its own would take two seconds to import torch, and there are about a hundred commands.
    """
    from swissbert.cli import main

    def run(*arguments: object, stdin: str | None = None) -> Ended:
        monkeypatch.setattr(sys, "argv", ["swissbert", *map(str, arguments)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        captured = capfd.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


@pytest.fixture
def train_case(swissbert: Command) -> Command:
    """Return a function that trains a recipe of a case for a few steps into the folder ``RUN``."""

    def run(
        recipe: str = "task.toml", *settings: str, steps: int = 3, out: str = "RUN", options: list[str] | None = None
    ) -> Ended:
        pinned = [
            "train.device=cpu",
            "train.precision=fp32",
            "train.threads=1",
            "train.tensorboard=false",
            "train.keep=1",
            "train.baseline=false",
            "encoder.freeze=true",  # steps take a third of the time, and checkpoints hold no moments of the encoder
        ]
        pinned += [f"train.max_steps={steps}", "train.batch_size=8", "encoder.max_length=64"]
        overrides = [part for setting in (*pinned, *settings) for part in ("--set", setting)]
        return swissbert("train", recipe, "--data", ".", "--out", out, *overrides, *(options or []))

    return run
