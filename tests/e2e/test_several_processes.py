"""Whole runs of several processes: results, resume with another number, stop, and processes that are killed."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import together
from lines import Lines
from swissbert.config import RunConfig, make_config
from swissbert.distributed.processes import Processes
from swissbert.distributed.world import World
from swissbert.model_folder.description import read_table
from swissbert.training.callbacks import Callback
from swissbert.training.loader import BatchLoader
from swissbert.training.loop import train
from swissbert.training.record import read_record
from swissbert.training.run import Run
from swissbert.training.step_record import StepRecord

STEPS = 8


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(tiny: Path, steps: int = STEPS, **sections: dict[str, Any]) -> RunConfig:
    table: dict[str, Any] = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": "starter", "limit": 40},
        "encoder": {"name": str(tiny), "dropout": 0, "max_length": 16},
        "model": {"dropout": 0},
        "loss": {"weighting": "automatic", "lr": 0.05, "surgery": "gradvac"},
        "train": {
            "batch_size": 7,
            "epochs": 4,
            "epoch_ends": 2,
            "max_steps": steps,
            "lr": 1e-4,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
            "baseline": False,
        },
    }
    return make_config(
        {key: {**value, **sections.get(key, {})} if isinstance(value, dict) else value for key, value in table.items()},
        "here",
    )


def log(out: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("seconds", None)
    return entries


def assert_same_log(one: Path, other: Path) -> None:
    """Both runs have the same entries, numbers up to rounding."""
    expected, actual = log(one), log(other)
    assert [entry.keys() for entry in actual] == [entry.keys() for entry in expected]
    for a, b in zip(actual, expected, strict=True):
        assert (a["step"], a.get("tokens")) == (b["step"], b.get("tokens"))
        for key in a.keys() & {"loss", "weight", "cosine", "dev"}:
            expected_figures = {name: figure for name, figure in b[key].items() if figure is not None}
            figures = {name: figure for name, figure in a[key].items() if figure is not None}
            # ranks of dev rows are close to each other, as the encoder is untrained
            atol = 0.02 if key == "dev" else 1e-5
            assert figures == pytest.approx(expected_figures, rel=1e-4, abs=atol), (a["step"], key)


@pytest.fixture(scope="module")
def alone(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    train(config(tiny), out)
    return out


@pytest.fixture(scope="module")
def two(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run of two processes, of which each writes its result beside it."""
    folder = tmp_path_factory.mktemp("two")

    def work(world: World) -> None:
        display = Lines()
        result = train(config(tiny), folder / "run", world=world, display=display)
        table = {
            "model": str(result.model),
            "scores": result.scores,
            "step": result.progress.step,
            "lines": display.lines,
        }
        (folder / f"result-{world.rank}").write_text(json.dumps(table))

    assert together.run(2, folder, work) == [0, 0], together.errors(folder, 2)
    return folder


def test_two_processes_train_the_model_of_one(alone: Path, two: Path) -> None:
    assert_same_log(alone, two / "run")
    first, second = (json.loads((two / f"result-{rank}").read_text()) for rank in range(2))
    assert first["scores"] == second["scores"]
    assert second == {**first, "lines": []}
    assert any(
        line.startswith("8 steps in 4 epochs") and "1 thread in each of 2 processes" in line for line in first["lines"]
    )
    assert not list((two / "run").glob(".*")), "a lock or half-written file was left"
    record = read_record(two / "run")
    assert record is not None
    assert record["processes"] == 2
    models = [read_table(run / "model") for run in (alone, two / "run")]
    assert models[0]["scores"] == pytest.approx(models[1]["scores"], abs=0.02)
    assert models[0]["provenance"]["step"] == models[1]["provenance"]["step"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(
    tiny: Path, alone: Path, tmp_path: Path, before: int, after: int
) -> None:
    out = tmp_path / "run"
    lines: list[str] = []
    for count, steps in ((before, STEPS // 2), (after, STEPS)):
        settings = config(tiny, steps)
        if count == 1:
            display = Lines()
            train(settings, out, resume=True, display=display)
            lines = display.lines
            continue

        def work(world: World, settings: RunConfig = settings) -> None:
            display = Lines()
            train(settings, out, resume=True, world=world, display=display)
            if world.is_first:
                (tmp_path / "lines").write_text("\n".join(display.lines))

        assert together.run(count, tmp_path / "processes", work) == [0, 0], together.errors(tmp_path / "processes", 2)
        lines = (tmp_path / "lines").read_text().splitlines()
    assert_same_log(alone, out)
    assert any(f"the number of processes was {before} and is {after}" in line for line in lines), lines


def test_a_resumed_run_of_two_processes_repeats_its_first_step_and_goes_on_exactly(
    tiny: Path, two: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def work(world: World) -> None:
        train(config(tiny, STEPS // 2), out, world=world)
        display = Lines()
        train(config(tiny), out, resume=True, world=world, display=display)
        assert not any("not the same run" in line for line in display.lines), display.lines

    assert together.run(2, tmp_path, work) == [0, 0], together.errors(tmp_path, 2)
    assert log(out) == log(two / "run")


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Do something when the batches of a step are asked for."""
    original = BatchLoader.__call__

    def call(self: BatchLoader, number: int) -> Any:
        if number == step:
            action()
        return original(self, number)

    monkeypatch.setattr(BatchLoader, "__call__", call)


def test_a_stop_signal_to_one_process_stops_all_after_the_same_step(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(world: World) -> None:
        if world.rank == 1:
            at_step(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        train(config(tiny), tmp_path / "run", world=world)

    assert together.run(2, tmp_path, work) == [1, 1]
    assert together.errors(tmp_path, 2) == ["Stopped: stopped after step 3 of 8"] * 2
    assert (tmp_path / "run" / "checkpoints" / "step-3").is_dir()


@pytest.mark.parametrize(("count", "victim"), [(2, 1), (2, 0), (3, 1)])
def test_a_killed_process_ends_the_others_with_one_sentence(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, victim: int
) -> None:
    def work(world: World) -> None:
        if world.rank == victim:
            at_step(monkeypatch, 3, lambda: os.kill(os.getpid(), signal.SIGKILL))
        train(config(tiny), tmp_path / "run", world=world)

    statuses = together.run(count, tmp_path, work)
    assert statuses == [-9 if rank == victim else 1 for rank in range(count)]
    messages = sorted(filter(None, together.errors(tmp_path, count)))
    assert messages[-1].startswith("LostError: process ")
    assert "another process of this run has ended or does not answer" in messages[-1]
    assert "pair.cc" not in messages[-1]
    assert messages[-1].endswith("resume=True goes on from the last checkpoint")
    assert messages[:-1] == ["EndedElsewhereError: another process of this run has ended it, and says why"] * (
        count - 2
    )
    assert (tmp_path / "run" / "checkpoints" / "step-2").is_dir()


def test_a_callback_that_fails_in_process_0_ends_the_others_with_one_sentence(tiny: Path, tmp_path: Path) -> None:
    class Failing(Callback):
        def on_step(self, step: int, record: StepRecord) -> None:
            if step == 2:
                raise OSError("no room for notes")

    def work(world: World) -> None:
        train(config(tiny), tmp_path / "run", world=world, callbacks=[Failing()])

    assert together.run(2, tmp_path, work) == [1, 1]
    assert together.errors(tmp_path, 2) == [
        "OSError: no room for notes",
        "EndedElsewhereError: another process of this run has ended it, and says why",
    ]


def test_a_callback_that_freezes_parameters_in_process_0_alone_is_refused(tiny: Path, tmp_path: Path) -> None:
    class Freezing(Callback):
        def on_start(self, run: Run) -> None:
            run.network.encoder.requires_grad_(False)

    def work(world: World) -> None:
        train(config(tiny), tmp_path / "run", world=world, callbacks=[Freezing()])

    assert together.run(2, tmp_path, work) == [1, 1]
    assert max(together.errors(tmp_path, 2)).startswith(
        "SwissbertError: other parameters learn in process 0 than in the others: callbacks run in process 0 alone"
    )


def test_an_error_is_reported_by_one_process(tiny: Path, two: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    shutil.copytree(two / "run", taken)

    def exists(world: World) -> None:
        train(config(tiny), taken, world=world)

    def explodes(world: World) -> None:
        train(config(tiny, loss={"scale": {"sst": 1e39}}), tmp_path / "run", world=world)

    def one_alone(world: Processes) -> None:
        train(config(tmp_path / "no encoder" if world.rank == 1 else tiny), tmp_path / "other", world=world)

    for work, kind, text in (
        (exists, "SwissbertError", "holds a run already; resume it"),
        (explodes, "SettingsError", "the loss of task 'sst' is inf at step 1"),
        (one_alone, "SwissbertError", "no encoder"),
    ):
        folder = tmp_path / work.__name__
        assert together.run(2, folder, work) == [1, 1]
        own, elsewhere = sorted(together.errors(folder, 2), reverse=True)
        assert own.startswith(f"{kind}: ")
        assert text in own
        assert elsewhere == "EndedElsewhereError: another process of this run has ended it, and says why"


def test_processes_with_other_settings_are_refused(tiny: Path, tmp_path: Path) -> None:
    def work(world: World) -> None:
        train(config(tiny, train={"lr": 1e-3 * (1 + world.rank)}), tmp_path / "run", world=world)

    assert together.run(2, tmp_path, work) == [1, 1]
    assert "SwissbertError: the processes have other rows, settings or versions" in max(together.errors(tmp_path, 2))
    assert not (tmp_path / "run" / "config.toml").exists()
