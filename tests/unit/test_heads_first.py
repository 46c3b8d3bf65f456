"""Steps at the beginning in which only heads learn."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from more_rows import mood, near, settings, write_rows
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.training.loop import train
from swissbert.training.preparation import Prepared, prepare

pytestmark = pytest.mark.usefixtures("one_thread")


def prepared(tiny: Path, folder: Path, steps: int, **tables: Any) -> Prepared:
    write_rows(folder)
    table = {"heads_first": steps, "weight_decay": 0.1, **tables.pop("train", {})}
    return prepare(settings(tiny, folder, [mood(), near()], train=table, **tables))


def copy(prepared: Prepared) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in prepared.network.named_parameters()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor], part: str) -> list[bool]:
    return [not torch.equal(before[name], after[name]) for name in before if name.startswith(part)]


@pytest.mark.parametrize(
    "loss",
    [
        {},
        {"surgery": True},
        {"weighting": "automatic"},
        {"weighting": "famo"},
        {"weighting": "uw_so", "surgery": "mgda"},
    ],
)
def test_the_encoder_stays_bit_for_bit_and_learns_afterwards(tiny: Path, tmp_path: Path, loss: dict[str, Any]) -> None:
    run = prepared(tiny, tmp_path, 3, loss=loss)
    step, batches = run.training_step(), run.batches()
    start = copy(run)
    for number in range(5):
        before = copy(run)
        record = step(number, batches(number), run.plan.rounds(number))
        after = copy(run)
        assert any(changed(before, after, "heads."))
        if number < 3:
            assert not any(changed(start, after, "encoder."))
            assert record.cosine is None
        else:
            assert any(changed(before, after, "encoder."))
            assert (record.cosine is not None) == ("surgery" in loss)
        assert run.network.encoder.training
        assert all(parameter.requires_grad for parameter in run.network.encoder.parameters())


def test_the_first_steps_are_those_of_a_frozen_encoder(tiny: Path, tmp_path: Path) -> None:
    run, frozen = prepared(tiny, tmp_path, 4), prepared(tiny, tmp_path, 0, encoder={"freeze": True})
    steps = [(one.training_step(), one.batches()) for one in (run, frozen)]
    for number in range(4):
        losses = [step(number, batches(number)).loss for step, batches in steps]
        assert losses[0] == losses[1]


def test_moments_of_the_encoder_begin_with_its_first_step(tiny: Path, tmp_path: Path) -> None:
    run = prepared(tiny, tmp_path, 2)
    step, batches = run.training_step(), run.batches()
    encoder = list(run.network.encoder.parameters())
    counts = []
    for number in range(4):
        step(number, batches(number))
        states = [step.optimizer.state[p] for p in encoder if p in step.optimizer.state]
        counts.append({int(state["step"]) for state in states if state})
    assert counts == [set(), set(), {1}, {2}]


def test_heads_first_does_not_go_with_a_frozen_encoder_or_a_shorter_run(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"encoder\.freeze = true and train\.heads_first exclude each other"):
        settings(tiny, tmp_path, [mood()], train={"heads_first": 2}, encoder={"freeze": True})
    with pytest.raises(SwissbertError, match=r"train\.heads_first is 12, but the run has 12 steps"):
        prepared(tiny, tmp_path, 12)
    assert prepared(tiny, tmp_path, 11).total == 12


@pytest.mark.trains
def test_a_run_says_that_only_heads_learn_at_first(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    stream = io.StringIO()
    table = {"heads_first": 1, "epochs": 1}
    train(settings(tiny, tmp_path, [mood()], train=table), tmp_path / "run", display=Display(stream=stream))
    assert "train.heads_first 1: up to step 1 only heads learn" in stream.getvalue()
    assert "5 steps in 1 epoch (mood, " in stream.getvalue()


def test_a_head_without_parameters_waits(tiny: Path, tmp_path: Path) -> None:
    run = prepared(tiny, tmp_path, 1, model={"pair_encoding": False, "pair_head": "cosine"})
    step, batches = run.training_step(), run.batches()
    record = step(0, batches(0))
    assert set(record.loss) == {"mood", "near"}
    json.dumps(record.log_entry())
