"""Layer-wise learning rates: factors, groups of the optimizer, the line before training, and resume."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import swissbert
from swissbert.config import RunConfig, TrainSettings, make_config
from swissbert.display import Display
from swissbert.training.loop import train
from swissbert.training.optim import layer_decay_line, layer_factors
from swissbert.training.preparation import prepare
from swissbert.training.record import read_record, write_record

STARTER = Path(swissbert.__file__).parent / "data" / "starter"


def make(tiny: Path, *, freeze: bool = False, weighting: str = "automatic", **settings: object) -> RunConfig:
    """Return a config of 6 steps on pinned hardware."""
    table: dict[str, Any] = {
        "tasks": ["sst", "sts"],
        "data": {"dir": str(STARTER), "limit": 24},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 16, "freeze": freeze},
        "loss": {"weighting": weighting, "lr": 0.05},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "lr": 1e-3,
            "weight_decay": 0.1,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
            "baseline": False,
            **settings,
        },
    }
    return make_config(table, "here")


def test_each_layer_has_the_rate_of_the_layer_above_times_the_decay() -> None:
    parts = ["embeddings", "embeddings", "1", "2", "3", "pooler"]
    assert layer_factors(parts, 0.5) == {"embeddings": 0.125, "1": 0.25, "2": 0.5, "3": 1.0, "pooler": 1.0}
    assert set(layer_factors(parts, 1.0).values()) == {1.0}


@pytest.mark.parametrize("freeze", [False, True])
def test_parameters_are_in_one_group_with_the_rate_of_their_layer(tiny: Path, one_thread: None, freeze: bool) -> None:
    prepared = prepare(make(tiny, layer_decay=0.5, head_lr=0.01, freeze=freeze))
    step = prepared.training_step()
    actual: dict[int, tuple[float, float]] = {}
    for group in step.optimizer.param_groups:
        for parameter in group["params"]:
            assert id(parameter) not in actual
            actual[id(parameter)] = (group["base_lr"], group["weight_decay"])
    rates = {"embeddings": 0.25e-3, "layers.0": 0.5e-3, "layers.1": 1e-3, "pooler": 1e-3}
    expected: dict[int, tuple[float, float]] = {}
    for name, parameter in prepared.network.named_parameters():
        if parameter.requires_grad:
            rate = next((rate for part, rate in rates.items() if name.startswith(f"encoder.{part}.")), 0.01)
            expected[id(parameter)] = (rate, 0.0 if name.endswith(".bias") or "norm." in name else 0.1)
    expected |= {id(parameter): (0.05, 0.0) for parameter in step.weighting.parameters()}
    assert actual == expected
    assert len(actual) == (0 if freeze else 31) + 4 + 1


def test_without_decay_the_groups_are_those_of_earlier_releases(tiny: Path, one_thread: None) -> None:
    prepared = prepare(make(tiny))
    names = {id(parameter): name for name, parameter in prepared.network.named_parameters()}
    step = prepared.training_step()
    groups = [[names.get(id(parameter), "balancer") for parameter in g["params"]] for g in step.optimizer.param_groups]
    sizes = {name: parameter.ndim for name, parameter in prepared.network.named_parameters()}
    encoder, heads = ([n for n in sizes if n.startswith("encoder.") is is_encoder] for is_encoder in (True, False))
    assert groups[:2] == [[n for n in encoder if sizes[n] > 1], [n for n in encoder if sizes[n] <= 1]]
    assert groups[2:4] == [[n for n in heads if sizes[n] > 1], [n for n in heads if sizes[n] <= 1]]
    assert set(groups[4]) == {"balancer"}


def test_one_step_moves_lower_layers_less(tiny: Path, one_thread: None) -> None:
    moved: dict[float, dict[str, float]] = {}
    for decay in (1.0, 0.5):
        prepared = prepare(make(tiny, layer_decay=decay, weight_decay=0.0))
        parameters = dict(prepared.network.encoder.named_parameters())
        before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        prepared.training_step()(0, prepared.batches()(0), prepared.plan.rounds(0))
        moved[decay] = {name: float((parameters[name] - before[name]).abs().max().detach()) for name in before}
    for name, part in (("embeddings.norm.weight", 0.25), ("layers.0.up.weight", 0.5), ("pooler.weight", 1.0)):
        assert moved[0.5][name] == pytest.approx(part * moved[1.0][name], rel=1e-3)
        assert moved[0.5][name] > 0


def test_the_lowest_rate_is_said_before_training(tiny: Path, tmp_path: Path, one_thread: None) -> None:
    lines: list[str] = []
    display = Display(quiet=True)
    display.say = lambda text, *more: lines.append(text)  # type: ignore[method-assign]
    train(make(tiny, layer_decay=0.5, max_steps=1), tmp_path, display=display)
    line = (
        "train.layer_decay = 0.5: the learning rate of the encoder rises from 0.00025 (embeddings) to 0.001 (top layer)"
    )
    assert line in lines
    assert layer_decay_line(TrainSettings(layer_decay=0.5), ["1", "2"], learns=False) == (
        "train.layer_decay = 0.5 has no effect, because encoder.freeze = true"
    )
    assert layer_decay_line(TrainSettings(), ["1", "2"], learns=True) == ""


def test_a_resumed_run_equals_an_uninterrupted_one(tiny: Path, tmp_path: Path, one_thread: None) -> None:
    settings: dict[str, Any] = {"layer_decay": 0.7, "head_lr": 0.01, "epochs": 2}
    train(make(tiny, **settings), tmp_path / "whole")
    train(make(tiny, **settings, max_steps=4), tmp_path / "parts")
    train(make(tiny, **settings), tmp_path / "parts", resume=True)
    for name in ("parameters", "optimizer"):
        whole, parts = (
            load_file(tmp_path / f"{run}/checkpoints/step-12/{name}.safetensors") for run in ("whole", "parts")
        )
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_the_decay_of_a_resumed_run_is_that_it_began_with(tiny: Path, tmp_path: Path, one_thread: None) -> None:
    train(make(tiny, layer_decay=0.7, max_steps=1), tmp_path)
    with pytest.raises(swissbert.SwissbertError, match=r"train\.layer_decay"):
        train(make(tiny, layer_decay=0.8, max_steps=1), tmp_path, resume=True)


def test_a_run_from_before_the_setting_resumes_as_the_same_run(tiny: Path, tmp_path: Path, one_thread: None) -> None:
    train(make(tiny, max_steps=2), tmp_path)
    config = tmp_path / "config.toml"
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    new = ("layer_decay", "ordinal_smoothing")
    assert sum(line.startswith(new) for line in lines) == 3
    config.write_text("".join(line for line in lines if not line.startswith(new)), encoding="utf-8")
    record = read_record(tmp_path)
    assert record is not None
    for table in (record["settings"]["train"], *record["settings"]["tasks"]):
        for key in new:
            table.pop(key, None)
    write_record(tmp_path, record)
    said: list[str] = []
    display = Display(quiet=True)
    display.say = lambda text: said.append(text)  # type: ignore[method-assign]
    train(make(tiny, max_steps=4), tmp_path, resume=True, display=display)
    assert any("this run becomes longer" in line for line in said)
    assert not any("not the same run" in line or "differ" in line for line in said)
