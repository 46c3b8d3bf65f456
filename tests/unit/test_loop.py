"""The training loop: schedule, optimizer groups, epochs, stopping, log and display."""

import io
import json
import math
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

import swissbert
from swissbert.config import RunConfig, TrainSettings, make_config
from swissbert.data.batches import PackedBatch
from swissbert.data.dataset import TaskData
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, TaskScores, evaluate
from swissbert.inference.loading import load
from swissbert.mtl.methods.automatic import Automatic
from swissbert.progress import Steps
from swissbert.tasks import find_task
from swissbert.training import run as training_run
from swissbert.training import run_evaluation
from swissbert.training import step as training_step
from swissbert.training.interrupt import stop_signal
from swissbert.training.log import MetricsLog, dev_entry, dev_line
from swissbert.training.loop import train
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates
from swissbert.training.preparation import prepare
from swissbert.training.result import Result, Stopped
from swissbert.training.run_log import RunLog
from swissbert.training.state import Progress, save_checkpoint

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
TASKS = ["sst", "para", "sts"]
QUIET = Display(quiet=True)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(tiny: Path, **overrides: object) -> RunConfig:
    """Return a config of 6 steps per epoch on pinned hardware; keys of `overrides` have two underscores for a dot."""
    table: dict[str, Any] = {
        "tasks": TASKS,
        "data": {"dir": str(STARTER), "limit": 24},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 16},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "trackers": [],
        },
    }
    for key, value in overrides.items():
        *path, last = key.split("__")
        node = table
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return make_config(table, "here")


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(out: Path) -> list[dict[str, float]]:
    return [line["loss"] for line in lines(out) if "loss" in line]


def checkpoint(out: Path, step: int, file: str = "parameters") -> dict[str, Tensor]:
    return load_file(out / "checkpoints" / f"step-{step}" / f"{file}.safetensors")


# --- the schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25, 0]),
        ("cosine", [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0]),
    ],
)
def test_values_of_schedules_without_warm_up(schedule: Any, expected: list[float]) -> None:
    train = TrainSettings(schedule=schedule)
    assert [schedule_factor(step, 40, train) for step in (0, 10, 20, 30, 40)] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_linearly_to_the_full_rate_and_the_schedule_follows(schedule: Any) -> None:
    train = TrainSettings(schedule=schedule, warmup=0.1)
    assert [schedule_factor(step, 100, train) for step in range(11)] == pytest.approx([i / 11 for i in range(1, 12)])
    middle = {"constant": 1, "linear": 0.5, "cosine": 0.5}[schedule]
    assert schedule_factor(55, 100, train) == pytest.approx(middle)
    last = {"constant": 1, "linear": 1 / 90, "cosine": 0.5 - 0.5 * math.cos(math.pi / 90)}[schedule]
    assert schedule_factor(99, 100, train) == pytest.approx(last)


@given(
    step=st.integers(0, 2000),
    total=st.integers(1, 1000),
    warmup=st.floats(0, 0.999),
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
)
def test_a_schedule_stays_between_0_and_1_and_is_positive_at_every_step(
    step: int, total: int, warmup: float, schedule: Any
) -> None:
    train = TrainSettings(schedule=schedule, warmup=warmup)
    assert 0 <= schedule_factor(step, total, train) <= 1
    factors = [schedule_factor(i, total, train) for i in range(total)]
    assert min(factors) > 0
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)


def test_rates_of_all_groups_are_multiples_of_their_own_base() -> None:
    one, two = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimizer = torch.optim.AdamW([{"params": [one], "base_lr": 1e-3}, {"params": [two], "base_lr": 4e-3}])
    for factor in (0.5, 0.25, 1.0):
        set_rates(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [1e-3 * factor, 4e-3 * factor]


def test_a_run_uses_the_rates_of_its_schedule(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []

    def spy(optimizer: torch.optim.Optimizer, factor: float) -> None:
        set_rates(optimizer, factor)
        seen.append([group["lr"] for group in optimizer.param_groups])

    monkeypatch.setattr(training_step, "set_rates", spy)
    config = make(tiny, train__schedule="linear", train__warmup=0.25, train__epochs=2, train__head_lr=1e-2)
    train(config, tmp_path)
    factors = [1 / 4, 2 / 4, 3 / 4, *(1 - i / 9 for i in range(9))]
    assert seen == [pytest.approx([1e-3 * f, 1e-3 * f, 1e-2 * f, 1e-2 * f]) for f in factors]


# --- the optimizer


@pytest.mark.parametrize("freeze", [False, True])
def test_every_parameter_that_learns_is_in_one_group_with_its_own_rate_and_decay(tiny: Path, freeze: bool) -> None:
    config = make(
        tiny, encoder__freeze=freeze, loss__lr=0.05, train__lr=0.001, train__head_lr=0.01, train__weight_decay=0.2
    )
    model, weighting = prepare(config).network, Automatic().setup(TASKS)
    optimizer = make_optimizer(
        model.encoder.parameters(), model.head_parameters(), weighting.parameters(), config.train, config.loss
    )
    actual: dict[int, tuple[float, float, float]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert id(parameter) not in actual
            actual[id(parameter)] = (group["lr"], group["base_lr"], group["weight_decay"])
    expected: dict[int, tuple[float, float, float]] = {}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != (freeze and name.startswith("encoder.")), name
        if parameter.requires_grad:
            rate = 0.01 if name.startswith("heads.") else 0.001
            expected[id(parameter)] = (rate, rate, 0.0 if name.endswith(".bias") or "norm." in name else 0.2)
    expected |= {id(parameter): (0.05, 0.05, 0.0) for parameter in weighting.parameters()}
    assert actual == expected
    assert len(expected) == (0 if freeze else 31) + 7


def test_heads_have_the_rate_of_the_encoder_unless_they_have_their_own(tiny: Path) -> None:
    config = make(tiny)
    model = prepare(config).network
    optimizer = make_optimizer(
        model.encoder.parameters(),
        model.head_parameters(),
        Automatic().setup(TASKS).parameters(),
        config.train,
        config.loss,
    )
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 1e-3, 1e-3, 1e-3, 1e-4]


@pytest.mark.parametrize("freeze", [False, True])
def test_a_frozen_encoder_keeps_its_parameters_while_heads_learn(tiny: Path, tmp_path: Path, freeze: bool) -> None:
    config = make(tiny, encoder__freeze=freeze, train__weight_decay=0.1)
    fresh = {name: t.clone() for name, t in prepare(config).network.heads.state_dict().items()}
    train(config, tmp_path)
    before, after = load_file(tiny / "model.safetensors"), load_file(tmp_path / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert {name for name in before if not torch.equal(before[name], after[name])} == (set() if freeze else set(before))
    heads = load_file(tmp_path / "model" / "heads.safetensors")
    assert all(not torch.equal(fresh[name], heads[f"heads.{name}"]) for name in fresh)


def test_two_rounds_per_step_equal_one_round_of_twice_the_size(tiny: Path, tmp_path: Path) -> None:
    plain = {"data__limit": 8, "encoder__dropout": 0, "model__dropout": 0, "train__epochs": 3, "train__keep": 9}
    one, two = tmp_path / "one", tmp_path / "two"
    train(make(tiny, **plain, train__batch_size=8), one)
    train(make(tiny, **plain, train__batch_size=4, train__accumulation=2), two)
    for a, b in zip(losses(one), losses(two), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    assert [line["tokens"] for line in lines(one) if "loss" in line] == [
        line["tokens"] for line in lines(two) if "loss" in line
    ]
    first, second = checkpoint(one, 1, "optimizer"), checkpoint(two, 1, "optimizer")
    moments = [name for name in first if name.endswith(".exp_avg")]
    assert len(moments) == 37
    for name in moments:  # a tenth of the gradient
        torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=1e-6)
    assert max(first[name].abs().max() for name in moments) > 1e-3


def test_clipping_bounds_the_norm_of_the_whole_gradient(tiny: Path, tmp_path: Path) -> None:
    norms = []
    for clip in (None, 0.25, 1e6):
        out = tmp_path / str(clip)
        train(make(tiny, train__max_steps=1, **({} if clip is None else {"train__clip": clip})), out)
        moments = checkpoint(out, 1, "optimizer")
        squares = [t.double().square().sum() for name, t in moments.items() if name.endswith(".exp_avg")]
        norms.append(10 * math.sqrt(sum(squares)))  # after one step a moment is a tenth of the gradient
    free, clipped, wide = norms
    assert free > 0.5
    assert clipped == pytest.approx(0.25, rel=1e-4)
    assert wide == free


def test_a_factor_on_a_loss_is_a_factor_on_its_gradient(tiny: Path, tmp_path: Path) -> None:
    actual = {}
    for factor in (1.0, 0.25):
        out = tmp_path / str(factor)
        train(make(tiny, tasks=["sts"], train__max_steps=1, loss__scale={"sts": factor}), out)
        actual[factor] = checkpoint(out, 1, "optimizer")
        assert losses(out)[0] == losses(tmp_path / "1.0")[0], "the logged loss is not scaled"
    for name in (name for name in actual[1.0] if name.endswith(".exp_avg")):
        torch.testing.assert_close(actual[1.0][name] * 0.25, actual[0.25][name], rtol=1e-4, atol=1e-9)


# --- epochs and rows


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Return a data folder with 10, 14 and 22 rows: 3, 4 and 6 batches of 4."""
    folder = tmp_path / "uneven"
    folder.mkdir()
    for task, rows in zip(TASKS, (10, 14, 22), strict=True):
        for split in ("train", "dev"):
            text = (STARTER / f"{task}-{split}.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / f"{task}-{split}.tsv").write_text("".join(text[: rows + 1]), encoding="utf-8")
    return folder


def drawn(config: RunConfig, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Return task and rows of every batch that a run trains on, in order."""
    seen: list[tuple[str, list[int]]] = []
    batch = TaskData.batch

    def spy(data: TaskData, rows: np.ndarray) -> PackedBatch:
        seen.append((data.task.name, rows.tolist()))
        return batch(data, rows)

    monkeypatch.setattr(TaskData, "batch", spy)
    train(config, out)
    return seen


def counts(batches: list[tuple[str, list[int]]], task: str, rows: int) -> Counter[int]:
    """Return how many rows of a task were drawn how often."""
    often = Counter(row for name, chosen in batches for row in chosen if name == task)
    assert set(often) <= set(range(rows))
    return Counter(often[row] for row in range(rows))


@pytest.mark.parametrize(
    ("ends", "steps", "whole"),
    [
        ("shortest", 3, {"sst": {1: 10}}),  # every row of the smallest task exactly once
        ("longest", 6, {"sst": {2: 10}, "sts": {1: 22}}),
        (5, 5, {}),
        (1, 1, {}),
    ],
)
def test_an_epoch_ends_by_its_rule_and_draws_without_replacement(
    tiny: Path,
    uneven: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: str | int,
    steps: int,
    whole: dict[str, dict[int, int]],
) -> None:
    """`whole` gives how many rows are drawn how often, for tasks that are drawn to the end."""
    config = make(tiny, data__dir=str(uneven), train__epoch_ends=ends, train__epochs=2)
    batches = drawn(config, tmp_path / "run", monkeypatch)
    assert [name for name, _ in batches] == TASKS * steps * 2  # one batch of each task in turn
    first, second = batches[: 3 * steps], batches[3 * steps :]
    assert first != second
    for epoch in (first, second):
        for task, rows in zip(TASKS, (10, 14, 22), strict=True):
            actual = counts(epoch, task, rows)
            # a task starts over only after all its rows have been drawn
            assert max(actual) - min(actual) <= 1, task
            assert max(actual) == -(-steps // -(-rows // 4)), task
            if task in whole:
                assert actual == whole[task], task
    dev = [line["step"] for line in lines(tmp_path / "run") if "dev" in line]
    assert dev == [steps, 2 * steps]


def test_accumulation_draws_that_many_batches_of_each_task_per_step(
    tiny: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(tiny, data__dir=str(uneven), train__epoch_ends="longest", train__accumulation=3)
    batches = drawn(config, tmp_path / "run", monkeypatch)
    assert [name for name, _ in batches] == [task for _ in range(2) for task in TASKS for _ in range(3)]
    assert [line["step"] for line in lines(tmp_path / "run")] == [1, 2, 2]
    assert counts(batches, "sts", 22) == {1: 22}


@pytest.mark.parametrize(("limit", "steps", "dev"), [(4, 4, [4]), (8, 8, [6, 8]), (100, 12, [6, 12])])
def test_max_steps_ends_a_run_with_an_evaluation(
    tiny: Path, tmp_path: Path, limit: int, steps: int, dev: list[int]
) -> None:
    result = train(make(tiny, train__epochs=2, train__max_steps=limit), tmp_path)
    assert len(losses(tmp_path)) == result.progress.step == steps
    assert [line["step"] for line in lines(tmp_path) if "dev" in line] == dev


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(tiny: Path, tmp_path: Path) -> None:
    for number, (name, seed) in enumerate((("one", 5), ("two", 5), ("three", 6))):
        torch.manual_seed(number)  # the state before a run does not matter
        train(make(tiny, seed=seed), tmp_path / name)
    one, two, three = (losses(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one[0] != three[0]
    same = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("one", "two", "three")]
    assert same[0] == same[1] != same[2]


# --- best model and patience


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[tuple[float, float]]) -> None:
    """Replace the results of evaluations by these (overall, sts.pearson), in order."""
    script = iter(values)

    def fake(*_: object, **__: object) -> Scores:
        overall, pearson = next(script)
        return Scores({"sts": TaskScores("pearson", 1, 0, {"pearson": pearson})}, overall, overall)

    monkeypatch.setattr(run_evaluation, "evaluate", fake)


@pytest.mark.parametrize(("best_by", "best"), [("overall", 6), ("sts.pearson", 12)])
def test_the_model_folder_holds_the_model_of_the_best_evaluation(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best_by: str, best: int
) -> None:
    scripted(monkeypatch, [(0.7, 0.1), (0.2, 0.9), (0.7, 0.9)])  # an equal value is not better
    result = train(make(tiny, train__epochs=3, train__keep=3, train__best_by=best_by), tmp_path)
    assert result.model == tmp_path / "model"
    assert result.progress.best_step == best
    actual = json.loads((tmp_path / "model" / "swissbert.json").read_text())
    assert actual["provenance"]["step"] == best
    assert (
        actual["scores"]
        == result.scores
        == next(line["dev"] for line in lines(tmp_path) if "dev" in line and line["step"] == best)
    )
    heads = load_file(tmp_path / "model" / "heads.safetensors")
    for step in (6, 12, 18):
        same = [torch.equal(tensor, checkpoint(tmp_path, step)[f"model.{name}"]) for name, tensor in heads.items()]
        assert all(same) == (step == best)


def test_the_model_folder_has_the_scores_that_it_reports(tiny: Path, tmp_path: Path) -> None:
    result = train(make(tiny), tmp_path)
    trained = load(result.model)
    full = make(tiny, train__max_steps=1)
    assert evaluate(trained.network, prepare(full).dev).flat() == pytest.approx(result.scores, abs=1e-6)
    assert [data.task.name for data in trained.labelled_splits("dev", STARTER)] == TASKS


def test_patience_ends_a_run_and_a_resume_leaves_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, [(0.4, 0), (0.5, 0), (0.3, 0), (0.5, 0), (0.9, 0), (0.9, 0)])
    config = make(tiny, train__epochs=6, train__patience=2)
    result = train(config, tmp_path, display=Display())
    assert (
        "this run ended at step 24 of 36: 2 evaluations without a new best (train.patience)" in capsys.readouterr().err
    )
    assert (result.progress.step, result.progress.best_step, result.progress.best) == (24, 12, 0.5)
    before = lines(tmp_path)
    assert [line["step"] for line in before if "dev" in line] == [6, 12, 18, 24]
    assert train(config, tmp_path, resume=True) == result
    assert lines(tmp_path) == before


# --- numbers


def test_bf16_trains_fp32_parameters_to_nearly_the_same_losses(tiny: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        train(make(tiny, train__precision=precision), tmp_path / precision)
    full, half = losses(tmp_path / "fp32"), losses(tmp_path / "bf16")
    assert full != half
    for a, b in zip(full, half, strict=True):
        assert a == pytest.approx(b, rel=0.05)
    assert {t.dtype for t in checkpoint(tmp_path / "bf16", 6).values()} == {torch.float32}
    assert json.loads((tmp_path / "bf16" / "run.json").read_text())["precision"] == "bfloat16"


@pytest.mark.parametrize("value", [3e38, -3e38])  # NaN and infinity in a checkpoint are refused when it is read
def test_a_loss_that_is_nan_ends_the_run_in_one_sentence(tiny: Path, tmp_path: Path, value: float) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    tensors = load_file(tiny / "model.safetensors")
    tensors["encoder.layer.1.output.LayerNorm.weight"].fill_(value)
    save_file(tensors, broken / "model.safetensors")
    with pytest.raises(
        SwissbertError,
        match=r"^the loss of task 'sst' is nan at step 1; a smaller train\.lr or train\.clip = 1\.0 may help$",
    ):
        train(make(broken), tmp_path / "run")
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    assert not (tmp_path / "run" / "model").exists()
    assert lines(tmp_path / "run") == []


# --- mistakes


def test_a_max_length_above_that_of_the_encoder_is_one_sentence(tiny: Path) -> None:
    with pytest.raises(
        SwissbertError, match=r"^encoder\.max_length is 129, but this encoder takes at most 128 tokens$"
    ):
        prepare(make(tiny, encoder__max_length=129))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_device_is_one_sentence(tiny: Path) -> None:
    with pytest.raises(SwissbertError, match=r"^train\.device is 'cuda:1', but there is no such device here; 'auto'"):
        prepare(make(tiny, train__device="cuda:1"))


def test_a_run_folder_that_cannot_be_written_is_one_sentence(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SwissbertError, match=r"file/run: cannot be written \(Not a directory\)"):
        train(make(tiny), tmp_path / "file" / "run")


def test_missing_rows_leave_no_run_folder(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(SwissbertError, match="sst"):
        train(make(tiny, data__dir=str(tmp_path / "data")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(make(tiny, train__max_steps=1), tmp_path / "run")  # the next attempt may use the same folder


def test_a_finished_run_without_its_model_is_one_sentence(tiny: Path, tmp_path: Path) -> None:
    config = make(tiny, train__max_steps=1)
    train(config, tmp_path / "run")
    (tmp_path / "run" / "model").rename(tmp_path / "run" / ".model.old")  # as a killed process leaves it
    assert train(config, tmp_path / "run", resume=True).model == tmp_path / "run" / "model"
    shutil.rmtree(tmp_path / "run" / "model")
    with pytest.raises(SwissbertError, match=r"no model/"):
        train(config, tmp_path / "run", resume=True)


# --- the run folder


def test_metrics_hold_one_line_per_step_and_one_per_evaluation(tiny: Path, tmp_path: Path) -> None:
    result = train(make(tiny, train__epochs=2, loss__weighting="automatic"), tmp_path)
    actual = lines(tmp_path)
    assert [(line["step"], "dev" in line) for line in actual] == [
        *((step, False) for step in range(1, 7)),
        (6, True),
        *((step, False) for step in range(7, 13)),
        (12, True),
    ]
    for line in actual:
        if "dev" in line:
            assert line.keys() - {"notes"} == {"step", "dev"}
            names = [f"{task}.{metric}" for task in TASKS for metric in find_task(task).kind.metrics]
            assert line["dev"].keys() == {*names, "overall", "overall_normalised"}
            assert all(type(value) is float or value is None for value in line["dev"].values())
            assert (None in line["dev"].values()) == any("undefined" in note for note in line.get("notes", []))
        else:
            assert line.keys() == {"step", "loss", "weight", "tokens", "seconds"}
            assert list(line["loss"]) == list(line["weight"]) == TASKS
            assert all(0 < value < 20 for value in line["loss"].values())
            assert all(0.49 < value < 0.51 for value in line["weight"].values())
            assert 0 < line["tokens"] <= 3 * 4 * 16
            assert line["seconds"] > 0
    assert result.progress.tokens == sum(line.get("tokens", 0) for line in actual)
    assert result.progress.seconds == pytest.approx(sum(line.get("seconds", 0) for line in actual), abs=1e-3)
    best = max((line["dev"] for line in actual if "dev" in line), key=lambda dev: dev["overall"])
    assert result.scores == {name: value for name, value in best.items() if value is not None}


def scalars(out: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    board = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def test_tensorboard_has_the_numbers_of_the_metrics_file(tiny: Path, tmp_path: Path) -> None:
    train(make(tiny, train__epochs=2, train__trackers=["tensorboard"]), tmp_path)
    expected: dict[str, list[tuple[int, float]]] = {}
    for line in lines(tmp_path):
        step = line.pop("step")
        line.pop("notes", None)
        for key, value in line.items():
            for name, number in value.items() if isinstance(value, dict) else [("", value)]:
                if number is None:
                    continue
                tag = f"{key}/{name}" if name else key
                expected.setdefault(tag, []).append((step, float(np.float32(number))))
    assert len(expected) >= 3 + 3 + 2 + 8
    assert scalars(tmp_path) == expected


def test_no_event_file_is_written_without_tensorboard(tiny: Path, tmp_path: Path) -> None:
    train(make(tiny, train__max_steps=1), tmp_path)
    assert not (tmp_path / "tensorboard").exists()


def opened_log(folder: Path, step: int) -> RunLog:
    config = make_config({"tasks": ["sst"], "train": {"trackers": ["tensorboard"]}}, "here")
    return RunLog(folder, config, Progress(step=step), QUIET, is_complete=False)


@pytest.mark.parametrize(("from_step", "kept"), [(0, []), (2, [1, 2])])
def test_a_resumed_log_removes_the_steps_that_will_be_repeated(tmp_path: Path, from_step: int, kept: list[int]) -> None:
    log = opened_log(tmp_path, 0)
    for step in (1, 2, 3):
        log.write({"step": step, "loss": {"sst": 1.0}})
    log.close("stopped")
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": {"s')
    log = opened_log(tmp_path, from_step)
    for step in (from_step + 1, from_step + 2):
        log.write({"step": step, "loss": {"sst": 2.0}})
    log.close("finished")
    expected = [(step, 1.0) for step in kept] + [(from_step + 1, 2.0), (from_step + 2, 2.0)]
    assert [(line["step"], line["loss"]["sst"]) for line in lines(tmp_path)] == expected
    assert scalars(tmp_path) == {"loss/sst": expected}


def test_synced_records_are_on_disk_when_the_process_is_killed(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from swissbert.config import make_config
from swissbert.display import Display
from swissbert.training.run_log import RunLog
from swissbert.training.state import Progress
config = make_config({"tasks": ["sst"], "train": {"trackers": ["tensorboard"]}}, "here")
log = RunLog(Path(sys.argv[1]), config, Progress(), Display(quiet=True), is_complete=False)
for step in (1, 2, 3):
    log.write({"step": step, "loss": {"sst": 1.0}})
log.sync()
os.kill(os.getpid(), signal.SIGKILL)
"""
    dead = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]
    assert scalars(tmp_path) == {"loss/sst": [(1, 1.0), (2, 1.0), (3, 1.0)]}


def test_a_log_that_cannot_grow_is_one_sentence_and_holds_whole_lines(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from swissbert.errors import SwissbertError
from swissbert.training.log import MetricsLog
log = MetricsLog(Path(sys.argv[1]), 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    for step in range(1, 1000):
        log.write({"step": step, "loss": {"sst": 1.0}})
except SwissbertError as error:
    print(error, file=sys.stderr)
    log.close()
    sys.exit(2)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"{tmp_path / 'metrics.jsonl'}: cannot be written (")
    assert done.stderr.count("\n") == 1
    actual = [line["step"] for line in lines(tmp_path)]
    assert actual == list(range(1, len(actual) + 1))
    assert 900 < (tmp_path / "metrics.jsonl").stat().st_size <= 1000


# --- display


def test_a_run_without_a_terminal_shows_plain_lines(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    stream = io.StringIO()
    train(make(tiny, train__epochs=2), tmp_path, display=Display(stream=stream))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    shown = text.splitlines()
    assert shown[0] == "model.pooling pooler: the pooler of this encoder is trained"
    assert shown[1].startswith("sst train: 24 rows from sst-train.tsv, 0 bad")
    assert "12 steps in 2 epochs (sst + para + sts, 4 rows a batch), float32 on cpu, 1 thread" in shown
    assert [line.split(":")[0] for line in shown if line.startswith("dev after")] == [
        "dev after step 6",
        "dev after step 12",
    ]
    (last,) = [line for line in shown if line.startswith("step 12/12  ")]
    assert last.endswith(" tokens/s  0:00 left")


def test_a_run_on_a_terminal_shows_a_bar(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    master, slave = pty.openpty()
    received = bytearray()

    def read() -> None:
        try:
            while part := os.read(master, 4096):
                received.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w") as stream:
        train(make(tiny), tmp_path, display=Display(stream=stream))
    reader.join(10)
    os.close(master)
    seen = received.decode("utf-8")
    assert "\x1b[?25l" not in seen, "the cursor is never hidden, so it is there whatever ends the program"
    assert "━" in seen
    assert "training" in seen
    assert "6/6" in seen
    assert "tokens/s" in seen
    assert "dev after step 6" in seen
    assert "step 6/6 " not in seen.replace("dev after step 6", "")


def test_plain_lines_appear_every_ten_seconds_with_smoothed_losses_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    stream = io.StringIO()
    steps = Steps(Display(stream=stream), total=1000, done=0, ends=(6, 500, 1000))
    for step in range(1, 7):
        now += 4
        steps.advance(step, {"sst": 2.0 if step == 1 else 1.0}, tokens=100)
    now += 3000  # an evaluation, which two more will follow
    steps.pause()
    now += 4
    steps.advance(7, {"para": 0.5}, tokens=400)
    assert stream.getvalue().splitlines() == [
        "step 3/1000  sst 1.810  25 tokens/s  1:06:28 left",
        "step 6/1000  sst 1.590  25 tokens/s  1:06:16 left",
        "step 7/1000  sst 1.590  para 0.500  100 tokens/s  2:46:12 left",
    ]


def test_a_display_prints_text_verbatim_and_a_quiet_one_prints_nothing() -> None:
    stream = io.StringIO()
    text = "row 7: ':smile: [bold]x[/bold] [/no]' " + "long " * 100
    Display(stream=stream).say(text)
    assert stream.getvalue() == text + "\n"
    Display(stream=stream, quiet=True).say(text)
    assert stream.getvalue() == text + "\n"


# --- signals


def test_the_first_ctrl_c_sets_the_event_the_second_interrupts_and_handlers_are_restored() -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_signal(QUIET) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    with stop_signal(QUIET) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send this process a SIGTERM when the metrics of a step are written."""
    write = MetricsLog.write

    def spy(log: MetricsLog, record: dict[str, object]) -> None:
        write(log, record)
        if record["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(MetricsLog, "write", spy)


@pytest.mark.parametrize("step", [1, 6, 8])
def test_a_stopped_run_saves_once_and_resumes_exactly(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    config = make(tiny, train__epochs=2, loss__weighting="automatic", loss__lr=0.05)
    train(config, tmp_path / "whole")
    saved: list[int] = []

    def spy(*arguments: Any) -> None:
        saved.append(arguments[3].step)
        save_checkpoint(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training_run, "save_checkpoint", spy)
        stop_after(patch, step)
        with pytest.raises(Stopped, match=f"^stopped after step {step} of 12$"):
            train(config, tmp_path / "run")
    assert saved == sorted({step} | ({6} if step > 6 else set()))  # not twice at the end of an epoch
    train(config, tmp_path / "run", resume=True)
    for key in ("loss", "weight"):
        run, whole = ([line.get(key) for line in lines(tmp_path / name)] for name in ("run", "whole"))
        assert run == whole


def test_a_run_stopped_at_its_last_step_is_complete(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch, 6)
    assert train(make(tiny), tmp_path).progress.step == 6


def test_checkpoints_that_a_killed_process_did_not_remove_are_removed(tiny: Path, tmp_path: Path) -> None:
    """It may be killed between the last checkpoint and the removal of the one before, when the run is complete."""
    config = make(tiny, train__max_steps=2, train__keep=1)
    result = train(config, tmp_path)
    shutil.copytree(tmp_path / "checkpoints" / "step-2", tmp_path / "checkpoints" / "step-1")
    assert train(config, tmp_path, resume=True) == result
    assert [path.name for path in (tmp_path / "checkpoints").glob("step-*")] == ["step-2"]


def test_a_run_outside_the_main_thread_works_without_signals(tiny: Path, tmp_path: Path) -> None:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(train(make(tiny, train__max_steps=2), tmp_path / "thread")))
    thread.start()
    thread.join(60)
    here = train(make(tiny, train__max_steps=2), tmp_path / "here")
    (there,) = results
    assert there.scores == here.scores
    assert replace(there.progress, seconds=0) == replace(here.progress, seconds=0)


@pytest.mark.parametrize(
    ("value", "best", "is_kept", "mark"),
    [
        (0.9, 0.9, True, "  best so far"),
        (0.88, 0.9, True, "  kept, within train.tie of the best, 0.900"),
        (0.7, 0.9, False, ""),
        (math.nan, None, True, "  kept, as overall is undefined so far"),
    ],
)
def test_the_line_of_an_evaluation_says_why_its_model_is_kept(
    value: float, best: float | None, is_kept: bool, mark: str
) -> None:
    scores = Scores({"mood": TaskScores("accuracy", 9, 0, {"accuracy": value})}, value, value)
    assert dev_line(3, scores, "overall", is_kept=is_kept, best=best).endswith(mark or "0.700")


def test_a_model_that_is_as_good_as_an_earlier_one_is_not_called_the_best_so_far() -> None:
    scores = Scores({"mood": TaskScores("accuracy", 9, 0, {"accuracy": 0.9})}, 0.9, 0.9)
    line = dev_line(3, scores, "overall", is_kept=True, best=0.9, is_new=False)
    assert line.endswith("  kept, as good as the best")


def test_the_log_has_null_for_a_loss_that_is_not_finite() -> None:
    scores = Scores({"mood": TaskScores("accuracy", 9, 0, {"accuracy": 0.5}, loss=math.inf)}, 0.5, math.nan)
    dev = dev_entry(3, scores)["dev"]
    assert dev == {"mood.accuracy": 0.5, "mood.loss": None, "overall": 0.5, "overall_normalised": None}
