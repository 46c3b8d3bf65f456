"""Sweeps by several real processes on one folder, of which some are killed or interrupted."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from forked import start, swissbert
from swissbert.experiments.trainer import last_checkpoint
from swissbert.reading import read_object
from swissbert.sweeps.search import BEST
from together import wait

SETTINGS = [
    "train.threads=1",
    "train.precision=fp32",
    "train.device=cpu",
    "train.batch_size=4",
    "train.tensorboard=false",
    "train.lr=1e-3",
    "data.limit=16",
    "encoder.max_length=32",
    "loss.surgery=false",
]


@pytest.fixture
def words(tiny: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that makes the words of the command."""
    (tmp_path / "space.toml").write_text("train.lr = { low = 1e-4, high = 1e-2, log = true }\n")

    def make(trials: int, epochs: int, steps: int) -> list[str]:
        settings = [*SETTINGS, f"train.epoch_ends={steps}", f"train.epochs={epochs}", f"encoder.name={tiny}"]
        command = ["sweep", "quickstart", "--space", str(tmp_path / "space.toml"), "--out", str(tmp_path / "out")]
        return [*command, "--trials", str(trials), *(word for one in settings for word in ("--set", one))]

    return make


def trials_of(out: Path) -> list[optuna.trial.FrozenTrial]:
    backend = optuna.storages.journal.JournalFileBackend(str(out / "study.log"))
    return optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend)).trials


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_processes_share_the_trials(words: Callable[..., list[str]], tmp_path: Path) -> None:
    logs = [tmp_path / f"log-{number}" for number in range(2)]
    pids = [start(*words(trials=6, epochs=1, steps=3), output=log) for log in logs]
    assert wait(pids) == [0, 0], [log.read_text() for log in logs]
    trials = trials_of(tmp_path / "out")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6
    assert [trial.user_attrs.get("recipe") for trial in trials] == [True] + [None] * 5
    assert len({trial.params["train.lr"] for trial in trials}) == 6
    shares = [{n for n in range(6) if f"\ntrial {n} of 6: " in log.read_text()} for log in logs]
    assert all(shares), "each process ran trials"
    assert not shares[0] & shares[1], "no trial ran twice"
    assert shares[0] | shares[1] == set(range(6))
    assert (tmp_path / "out" / BEST).is_file()
    assert not list((tmp_path / "out").rglob("*.writing"))


def test_a_trial_whose_process_was_killed_is_resumed(words: Callable[..., list[str]], tmp_path: Path) -> None:
    run, command = tmp_path / "out" / "trials" / "000", words(trials=1, epochs=5, steps=8)
    pid = start(*command, output=tmp_path / "log")
    until(lambda: last_checkpoint(run) >= 8)
    os.kill(pid, signal.SIGKILL)
    assert wait([pid]) == [-signal.SIGKILL]
    assert [trial.state.name for trial in trials_of(tmp_path / "out")] == ["RUNNING"]
    before = (run / "metrics.jsonl").read_bytes()
    identity = read_object(run / "run.json")["run"]
    done = swissbert(*command)
    assert done.returncode == 0, done.stderr
    assert "going on after step" in done.stderr
    (trial,) = trials_of(tmp_path / "out")
    assert trial.state.name == "COMPLETE"
    assert sorted(trial.intermediate_values) == list(range(5))
    assert read_object(run / "run.json")["run"] == identity
    log = (run / "metrics.jsonl").read_bytes()
    assert log.splitlines()[:8] == before.splitlines()[:8], "the first steps, with their durations, were not run again"
    assert log.count(b"\n") == 5 * 8 + 5


def test_an_interrupt_says_the_next_command_which_goes_on(words: Callable[..., list[str]], tmp_path: Path) -> None:
    command = words(trials=2, epochs=3, steps=10)
    pid = start(*command, output=tmp_path / "log")
    until((tmp_path / "out" / "trials" / "001" / "checkpoints").exists)
    os.kill(pid, signal.SIGINT)
    assert wait([pid]) == [130]
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text
    assert f"go on with: swissbert sweep quickstart --space {tmp_path / 'space.toml'}" in text
    assert [trial.state.name for trial in trials_of(tmp_path / "out")] == ["COMPLETE", "RUNNING"]
    done = swissbert(*command)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'out'}: 1 of 2 trials finished so far" in done.stderr
    assert [trial.state.name for trial in trials_of(tmp_path / "out")] == ["COMPLETE", "COMPLETE"]


def test_a_dry_run_writes_nothing(words: Callable[..., list[str]], tmp_path: Path) -> None:
    done = swissbert(*words(trials=12, epochs=1, steps=2), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "0.0001 to 0.01, logarithmic" in done.stdout
    assert "lr 0.001 (the recipe)" in done.stdout
    assert "12 trials; the recipe has 2 steps and 1 evaluation" in done.stdout
    assert "Settings of trials from 10 on depend on the scores of those before." in done.stdout
    assert not (tmp_path / "out").exists()
