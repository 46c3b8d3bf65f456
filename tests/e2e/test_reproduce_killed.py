"""Resuming a table after its process was killed or stopped, with real processes and signals."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from forked import exit_status_of, start, swissbert

STEPS = 30


def words(tiny: Path, out: Path) -> list[str]:
    """Return the command line after the name of the program."""
    settings = ["train.threads=1", "train.epochs=3", f"train.epoch_ends={STEPS}", "train.batch_size=4", "data.limit=24"]
    settings += ["encoder.max_length=32", "train.tensorboard=false"]
    settings += ["train.precision=fp32", "train.device=cpu"]
    command = ["reproduce", "beyond", "--rows", "plain", "--data", "starter", "--encoder", str(tiny), "--out", str(out)]
    return command + [word for setting in settings for word in ("--set", setting)]


def evaluations(out: Path) -> list[dict[str, Any]]:
    record = json.loads((out / "rows" / "plain.seed-0.json").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = record["runs"][0]["evaluations"]
    return entries


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Evaluations of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    done = swissbert(*words(tiny, out))
    assert done.returncode == 0, done.stderr
    return evaluations(out)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_the_same_command_resumes(
    tiny: Path, tmp_path: Path, whole: list[dict[str, Any]], kind: signal.Signals
) -> None:
    log = tmp_path / "runs" / "plain" / "seed-0" / "metrics.jsonl"
    printed = tmp_path / "printed"
    pid = start(*words(tiny, tmp_path), output=printed)
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b"\n") > 1.3 * STEPS) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(pid, kind)
    status, messages = exit_status_of(pid), printed.read_text(encoding="utf-8")
    assert status == (130 if kind != signal.SIGKILL else -signal.SIGKILL), messages
    if kind != signal.SIGKILL:
        assert f"of {log.parent}; the same command " in messages.replace("\n", "")
    assert not (tmp_path / "rows" / "plain.seed-0.json").exists()
    again = swissbert(*words(tiny, tmp_path))
    assert again.returncode == 0, again.stderr
    assert "resumes at step" in again.stderr
    assert evaluations(tmp_path) == whole
    record = json.loads((tmp_path / "rows" / "plain.seed-0.json").read_text(encoding="utf-8"))
    assert record["runs"][0]["resumed"]
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3 * STEPS + 3
