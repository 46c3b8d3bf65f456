"""A run with extra files, swapped pairs, stages and heads first, interrupted and resumed at any step."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from more_rows import MORE, PHRASES, mood, near, settings, write_rows
from swissbert.config import RunConfig
from swissbert.errors import SwissbertError
from swissbert.training import train
from swissbert.training.state import checkpoints

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.trains]
STAGES: list[dict[str, Any]] = [
    {"name": "phrases", "tasks": ["mood"], "rows": "extra", "epochs": 1},
    {"name": "everything", "steps": 6},
    {"name": "own", "rows": "own", "epochs": 1},
]


class Interrupted(Exception):  # noqa: N818 (an exception of a user)
    """Raised by a callback."""


class StopAt:
    """Stops a run after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, record: object) -> None:
        if step == self.step:
            raise Interrupted


def config(tiny: Path, folder: Path, **tables: Any) -> RunConfig:
    train_table = {"heads_first": 2, "checkpoint_every": 2, "schedule": "linear", "warmup": 0.1, "keep": 1}
    tables = {"stages": STAGES, "data": {"swap_pairs": True}, "loss": {"surgery": True}, **tables}
    tasks = [mood(extra=[{**PHRASES, "rows": 24}]), near(extra=[{**MORE, "share": 0.25}])]
    return settings(tiny, folder, tasks, train={**train_table, **tables.pop("train", {})}, **tables)


def losses(out: Path) -> list[Any]:
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def test_a_run_interrupted_in_each_stage_ends_bit_for_bit_as_the_uninterrupted_one(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    train(config(tiny, tmp_path), tmp_path / "whole")
    for step in (1, 3, 6, 9, 11):
        with pytest.raises(Interrupted):
            train(config(tiny, tmp_path), tmp_path / "run", resume=True, callbacks=[StopAt(step)])
    train(config(tiny, tmp_path), tmp_path / "run", resume=True, callbacks=[StopAt(0)])
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert losses(run) == losses(whole)
    assert len(losses(run)) == 13 + 4  # steps, and evaluations after 3, 8, 9 and 13
    (last,) = checkpoints(run / "checkpoints")
    for name in ("parameters.safetensors", "optimizer.safetensors"):
        ours, theirs = (load_file(out / "checkpoints" / f"step-{last}" / name) for out in (run, whole))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert "resumed" not in json.loads((run / "run.json").read_text())


def test_changed_extra_files_and_settings_are_refused_and_moved_files_are_not(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    with pytest.raises(Interrupted):
        train(config(tiny, tmp_path), tmp_path / "run", callbacks=[StopAt(3)])
    stages = [*STAGES[:2], {**STAGES[2], "epochs": 2}]
    with pytest.raises(SwissbertError, match=r"stages\[own\]\.epochs \(1 became 2\)"):
        train(config(tiny, tmp_path, stages=stages), tmp_path / "run", resume=True)
    with pytest.raises(SwissbertError, match=r"train\.heads_first \(2 became 3\)"):
        train(config(tiny, tmp_path, train={"heads_first": 3}), tmp_path / "run", resume=True)
    with pytest.raises(SwissbertError, match=r"data\.swap_pairs \(True became False\)"):
        train(config(tiny, tmp_path, data={"swap_pairs": False}), tmp_path / "run", resume=True)
    text = (tmp_path / "phrases.tsv").read_text()
    (tmp_path / "phrases.tsv").write_text(text + "another phrase\t1\n")
    with pytest.raises(
        SwissbertError, match=r"the rows of mood\.extra1 differ .*\(phrases\.tsv: 61 rows now, 60 before\)"
    ):
        train(config(tiny, tmp_path), tmp_path / "run", resume=True)
    (tmp_path / "phrases.tsv").unlink()
    (tmp_path / "elsewhere.tsv").write_text(text)
    moved = config(tiny, tmp_path)
    extra = moved.tasks[0].extra[0].model_copy(update={"file": "elsewhere.tsv"})
    tasks = [moved.tasks[0].model_copy(update={"extra": [extra]}), moved.tasks[1]]
    with pytest.raises(Interrupted):
        train(moved.model_copy(update={"tasks": tasks}), tmp_path / "run", resume=True, callbacks=[StopAt(4)])


def test_a_run_that_began_before_tasks_said_that_they_are_symmetric_resumes(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)

    def one(symmetric: bool, **data: Any) -> RunConfig:
        return settings(tiny, tmp_path, [near(symmetric=symmetric), near(name="other")], train={"epochs": 1}, data=data)

    with pytest.raises(Interrupted):
        train(one(False), tmp_path / "run", callbacks=[StopAt(2)])
    train(one(True), tmp_path / "run", resume=True)
    with pytest.raises(Interrupted):
        train(one(False, swap_pairs=True), tmp_path / "swaps", callbacks=[StopAt(2)])
    with pytest.raises(SwissbertError, match=r"tasks\[near\]\.symmetric \(False became True\)"):
        train(one(True, swap_pairs=True), tmp_path / "swaps", resume=True)


def test_patience_ends_a_run_in_its_last_stage_only(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    table = {"patience": 1, "lr": 1e-12, "head_lr": 1e-12, "heads_first": 0}
    stages = [{"name": "first", "epochs": 2}, {"name": "last", "epochs": 4, "rows": "own"}]
    progress = train(config(tiny, tmp_path, stages=stages, train=table), tmp_path / "run").progress
    ends = [5, 10, 14, 18, 22, 26]
    assert progress.step in ends[2:-1]
