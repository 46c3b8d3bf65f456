"""A callback that ends a run: the run has a result, a checkpoint, and goes on when it is resumed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import swissbert
import together
from lines import Lines
from more_rows import settings
from swissbert.config import RunConfig
from swissbert.distributed.world import World
from swissbert.training import Callback, EndRun, Result, train
from swissbert.training.state import checkpoints


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(tiny: Path) -> RunConfig:
    train = {"batch_size": 4, "epochs": 2, "epoch_ends": 4, "checkpoint_every": 2, "keep": 9}
    more = {"data": {"limit": 24}, "encoder": {"max_length": 16}}
    return settings(tiny, Path("starter"), ["sst", "sts"], train=train, **more)


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that no callback ends."""
    threads, out = torch.get_num_threads(), tmp_path_factory.mktemp("whole") / "run"
    train(config(tiny), out)
    torch.set_num_threads(threads)
    return out


def losses(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


class Ends(Callback):
    """Ends the run at an event of a step, and keeps the events."""

    def __init__(self, event: str = "", step: int = 0) -> None:
        self.event, self.step = event, step
        self.calls: list[tuple[str, Any]] = []

    def _see(self, event: str, step: int) -> None:
        self.calls.append((event, step))
        if (event, step) == (self.event, self.step):
            raise EndRun("time is up")

    def on_step(self, step: int, record: object) -> None:
        self._see("step", step)

    def on_evaluation(self, step: int, scores: object) -> None:
        self._see("evaluation", step)

    def on_checkpoint(self, step: int, folder: Path) -> None:
        assert (folder / "parameters.safetensors").is_file()
        self._see("checkpoint", step)

    def on_end(self, result: Result) -> None:
        self.calls.append(("end", result.progress.step))


@pytest.mark.parametrize(
    ("event", "step", "last"),
    [("step", 3, 3), ("evaluation", 4, 4), ("checkpoint", 2, 3), ("checkpoint", 4, 4)],
)
def test_a_run_that_a_callback_ends_has_a_result_and_goes_on_with_the_next_step(
    tiny: Path, whole: Path, tmp_path: Path, event: str, step: int, last: int
) -> None:
    display, ends, seen = Lines(), Ends(event, step), Ends()
    result = train(config(tiny), tmp_path / "run", callbacks=[ends, seen], display=display)
    assert result.progress.step == last
    assert f"a callback ends this run after step {last} of 8: time is up" in display.lines
    assert ends.calls == seen.calls  # the others are called nevertheless
    assert ends.calls[-3:] == [("evaluation", last), ("checkpoint", last), ("end", last)]
    assert checkpoints(tmp_path / "run" / "checkpoints")[-1] == last
    assert swissbert.load(result.model).predict("sst", "a good film").label is not None
    train(config(tiny), tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == losses(whole)


def test_a_callback_that_ends_the_last_step_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    display, ends = Lines(), Ends("step", 8)
    assert train(config(tiny), tmp_path / "run", callbacks=[ends], display=display).progress.step == 8
    assert display.about("a callback") == []
    assert ends.calls[-3:] == [("evaluation", 8), ("checkpoint", 8), ("end", 8)]


def test_all_processes_end_after_the_same_step(tiny: Path, tmp_path: Path) -> None:
    def work(world: World) -> None:
        callbacks = [Ends("step", 3)] if world.is_first else []  # callbacks are called in the first process alone
        assert train(config(tiny), tmp_path / "run", world=world, callbacks=callbacks).progress.step == 3

    assert together.run(2, tmp_path, work) == [0, 0], together.errors(tmp_path, 2)
    assert len(losses(tmp_path / "run")) == 3
