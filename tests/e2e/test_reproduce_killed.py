"""Resuming a table after its process was killed or stopped, with real processes and signals."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

STEPS = 60


def command(tiny: Path, out: Path) -> list[str]:
    settings = ["train.threads=1", "train.epochs=3", f"train.epoch_ends={STEPS}", "train.batch_size=4", "data.limit=24"]
    settings += ["encoder.max_length=32", "train.tensorboard=false"]
    settings += ["train.precision=fp32", "train.device=cpu"]
    words = [sys.executable, "-m", "swissbert", "reproduce", "table2", "--rows", "pair", "--data", "starter"]
    words += ["--encoder", str(tiny), "--out", str(out)]
    return words + [word for setting in settings for word in ("--set", setting)]


def evaluations(out: Path) -> list[dict[str, Any]]:
    record = json.loads((out / "rows" / "pair.seed-0.json").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = record["runs"][0]["evaluations"]
    return entries


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Evaluations of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    subprocess.run(command(tiny, out), check=True, capture_output=True, timeout=120)
    return evaluations(out)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_the_same_command_resumes(
    tiny: Path, tmp_path: Path, whole: list[dict[str, Any]], kind: signal.Signals
) -> None:
    log = tmp_path / "runs" / "pair" / "seed-0" / "metrics.jsonl"
    process = subprocess.Popen(command(tiny, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b"\n") > 1.3 * STEPS) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(kind)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == (130 if kind != signal.SIGKILL else -signal.SIGKILL), messages
    if kind != signal.SIGKILL:
        assert f"of {log.parent}; the same command " in messages.replace("\n", "")
    assert not (tmp_path / "rows" / "pair.seed-0.json").exists()
    again = subprocess.run(command(tiny, tmp_path), check=True, capture_output=True, text=True, timeout=120)
    assert "resumes at step" in again.stderr
    assert evaluations(tmp_path) == whole
    record = json.loads((tmp_path / "rows" / "pair.seed-0.json").read_text(encoding="utf-8"))
    assert record["runs"][0]["resumed"]
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3 * STEPS + 3
