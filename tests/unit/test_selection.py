"""The score that decides which model is kept: names, directions, undefined values, and losses on dev rows."""

import json
import math
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edited import rewrite, without_name
from swissbert.config import RunConfig, make_config
from swissbert.data.holdout import row_hash
from swissbert.data.memory import MemoryRows
from swissbert.data.overlap import overlap_note, overlap_notes
from swissbert.data.splits import read_split
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.evaluation.predictions import answers_and_logits, table_answers
from swissbert.holdouts import uneven_holdouts
from swissbert.metrics import METRICS
from swissbert.model_folder.description import read_description
from swissbert.selection import full_name, is_better_higher
from swissbert.tasks import Task, make_task
from swissbert.training import build, load_splits
from swissbert.training.loop import train
from swissbert.training.preparation import prepare
from swissbert.training.state import Progress
from swissbert.training.stored_settings import stored_config

pytestmark = pytest.mark.usefixtures("one_thread")


def task(name: str, kind: str = "classification", **more: object) -> Task:
    shape: dict[str, object] = {"range": [0, 5]} if kind == "regression" else {"labels": ["a", "b"]}
    columns = {"text": "text", "label": "label", **more.pop("columns", {})}  # type: ignore[dict-item]
    return make_task({"name": name, "kind": kind, "columns": columns, **shape, **more}, "here")


def config(tiny: Path, *tasks: Task, **train_settings: object) -> RunConfig:
    pinned = {"device": "cpu", "precision": "fp32", "threads": 1, "tensorboard": False, "baseline": False}
    settings = {**pinned, "epochs": 2, "batch_size": 4, "lr": 1e-3, **train_settings}
    encoder = {"name": str(tiny), "max_length": 16}
    return make_config({"tasks": list(tasks), "encoder": encoder, "train": settings}, "here")


ROWS = [(f"row {i} is {'good' if i % 3 else 'bad'}", "b" if i % 3 else "a") for i in range(24)]


@pytest.mark.parametrize(
    ("name", "full", "higher"),
    [
        ("overall", "overall", True),
        ("loss", "loss", False),
        ("eval_loss", "loss", False),
        ("val_loss", "loss", False),
        ("x.loss", "x.loss", False),
        ("y.mae", "y.mae", False),
        ("rmse", "y.rmse", False),
        ("eval_pearson", "y.pearson", True),
        ("macro_f1", "x.macro_f1", True),
    ],
)
def test_short_names_stand_for_the_only_score_of_that_name(name: str, full: str, higher: bool) -> None:
    assert full_name(name, [task("x"), task("y", "regression")]) == full
    assert is_better_higher(full) == higher


def test_a_short_name_of_several_tasks_is_answered_with_them() -> None:
    with pytest.raises(ValueError, match=r"'accuracy', which several tasks have; name one: x\.accuracy, z\.accuracy"):
        full_name("accuracy", [task("x"), task("z")])


def test_a_metric_of_another_kind_of_task_is_answered_with_that_kind() -> None:
    with pytest.raises(ValueError, match=r"x\.loss \('f1' is a metric of binary tasks\)"):
        full_name("f1", [task("x")])


def test_overall_of_one_task_with_an_error_is_that_error_and_of_several_is_refused(tiny: Path) -> None:
    grade = task("grade", "regression", metric="mae")
    assert config(tiny, grade).train.best_by == "grade.mae"
    assert config(tiny, grade, task("x"), best_by="loss").train.best_by == "loss"
    with pytest.raises(SwissbertError, match=r"metric of task 'grade' is mae; use 'loss', 'grade\.mae' or another"):
        config(tiny, grade, task("x"))


VALUES = st.lists(st.one_of(st.just(math.nan), st.sampled_from([0.0, 0.5, 1.0, -2.0])), min_size=1, max_size=12)


@given(VALUES, st.booleans())
def test_the_best_defined_value_is_kept_else_the_latest(values: list[float], higher: bool) -> None:
    progress = Progress()
    for step, value in enumerate(values, 1):
        progress = Progress(**{**vars(progress), "step": step}).judged(value, higher_is_better=higher)
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        assert (progress.best, progress.best_step, progress.stale) == (None, len(values), 0)
        return
    best = max(defined) if higher else min(defined)
    first = values.index(best) + 1
    assert (progress.best, progress.best_step, progress.stale) == (best, first, len(values) - first)
    json.dumps(vars(progress), allow_nan=False)


@pytest.mark.parametrize("kind", ["classification", "binary", "regression"])
def test_the_loss_on_dev_rows_equals_that_of_a_batch_without_dropout(tiny: Path, kind: str) -> None:
    rows = [(text, 2.0 if label == "b" else 3.5) if kind == "regression" else (text, label) for text, label in ROWS]
    prepared = prepare(config(tiny, task("x", kind), task("z")), data={"x": (rows, rows), "z": (ROWS, ROWS)})
    network, dev = prepared.network, prepared.dev
    network.eval()
    with torch.no_grad():
        expected = [float(network.loss(data.batch(np.arange(len(data))), data.task.name)) for data in dev]
    scores = evaluate(network, dev, loss_scale={"z": 0.5})
    assert scores.by_name("x.loss") == pytest.approx(expected[0], rel=1e-5)
    assert scores.by_name("loss") == pytest.approx(expected[0] + 0.5 * expected[1], rel=1e-5)
    assert "loss" not in evaluate(network, dev).flat()
    answers, _ = answers_and_logits(network, dev[0].task, dev[0].table)
    assert (answers == table_answers(network, dev[0].task, dev[0].table)).all()


def test_weights_change_the_gradient_and_equal_weights_leave_it_bit_for_bit(tiny: Path, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label, "weight": 1 + i % 2} for i, (text, label) in enumerate(ROWS)]
    same = [{**row, "weight": 7} for row in rows]
    plain, weighted = task("x"), task("x", columns={"weight": "weight"})

    def losses(name: str, task: Task, rows: object) -> list[float]:
        train(config(tiny, task), tmp_path / name, data={"x": (rows, ROWS if task is plain else rows)})
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"]["x"] for line in lines if "loss" in json.loads(line)]

    first = losses("plain", plain, rows)
    assert losses("equal", weighted, same) == first
    assert losses("unequal", weighted, rows) != first
    assert losses("balanced", task("x", class_weights="balanced"), rows) != first


def test_a_weighted_run_resumes_bit_for_bit(tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny, task("x", class_weights="balanced", label_smoothing=0.1), max_steps=6)
    train(settings, tmp_path / "whole", data={"x": (ROWS, ROWS)})

    class Interrupt:
        def on_step(self, step: int, record: object) -> None:
            if step == 5:
                raise RuntimeError

    every = settings.model_copy(update={"train": settings.train.model_copy(update={"checkpoint_every": 2})})
    with pytest.raises(RuntimeError):
        train(every, tmp_path / "cut", data={"x": (ROWS, ROWS)}, callbacks=[Interrupt()])
    train(every, tmp_path / "cut", data={"x": (ROWS, ROWS)}, resume=True)
    whole, cut = (
        [entry.get("loss") for entry in map(json.loads, (tmp_path / name / "metrics.jsonl").read_text().splitlines())]
        for name in ("whole", "cut")
    )
    assert whole == cut


def test_a_loss_that_rises_ends_a_run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.4, 0.6, 0.7, 0.1])
    monkeypatch.setattr("swissbert.evaluation.losses.dev_loss", lambda *_: next(values))
    settings = config(tiny, task("x"), best_by="loss", patience=2, epochs=5)
    progress = train(settings, tmp_path, data={"x": (ROWS, ROWS)}).progress
    assert (progress.best, progress.best_step, progress.step) == (0.4, 12, 24)


def test_a_run_whose_score_is_never_defined_keeps_the_latest_model(tiny: Path, tmp_path: Path) -> None:
    dev = [(text, "b") for text, _ in ROWS]
    result = train(config(tiny, task("x", metric="macro_f1")), tmp_path, data={"x": (ROWS, dev)})
    assert result.progress.best_step == result.progress.step == 12
    assert "x.macro_f1" not in result.scores
    assert result.scores["x.accuracy"] >= 0
    notes = read_description(result.model).notes
    assert notes is not None
    assert any("all 24 rows have the label 'b'" in note for note in notes["x"])
    assert any("all 24 dev rows are train rows" in note for note in notes["x"])
    assert train(config(tiny, task("x", metric="macro_f1")), tmp_path, data={"x": (ROWS, dev)}, resume=True) == result


@pytest.mark.parametrize("kind", ["classification", "binary"])
def test_train_rows_of_one_label_are_refused(tiny: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(SwissbertError, match="all 24 rows have the label 'b', so task 'x' has nothing to tell apart"):
        train(config(tiny, task("x", kind)), tmp_path, data={"x": ([(text, "b") for text, _ in ROWS], ROWS)})


def test_rows_that_are_train_rows_are_counted_whatever_their_case() -> None:
    held, own = task("x"), MemoryRows(ROWS, [("ROW  0 is bad", "a"), ("row 0 is bad", "b"), ("new", "a")])
    keys = [row_hash(row) for row in read_split(held, "dev", own).rows]
    assert overlap_notes(held, "dev", own, keys) == [
        "2 of 3 dev rows are train rows, so the scores do not show what the model does with new texts"
    ]
    assert overlap_notes(held, "dev", MemoryRows(ROWS, ROWS[:0] or [("new", "a")]), keys[2:]) == []
    assert overlap_notes(held, "dev", MemoryRows(ROWS), keys) == []  # held out: none is shared


@pytest.mark.parametrize(
    ("shared", "rows", "metric", "expected"),
    [
        (2, 1101, "accuracy", "2 of 1,101 dev rows are train rows too, so its accuracy may be up to 0.2 points too high"),
        (1, 1000, "exact_match", "1 of 1,000 dev rows is a train row too, so its exact match may be up to 0.1 points too high"),
        (1, 700, "accuracy", "1 of 700 dev rows is a train row too, so its accuracy may be up to 0.2 points too high"),
        (49, 1000, "accuracy", "49 of 1,000 dev rows are train rows too, so its accuracy may be up to 4.9 points too high"),
        (16, 863, "pearson", "16 of 863 dev rows are train rows too, so its scores may be slightly too high"),
        (16, 863, "mae", "16 of 863 dev rows are train rows too, so its errors may be slightly too low"),
        (16, 863, "own", "16 of 863 dev rows are train rows too, so its scores may be slightly too high"),
        (5, 100, "accuracy", "5 of 100 dev rows are train rows, so the scores do not show what the model does with new texts"),
        (1, 3, "pearson", "1 of 3 dev rows is a train row, so the scores do not show what the model does with new texts"),
        (7, 7, "accuracy", "all 7 dev rows are train rows, so the scores do not show what the model does with new texts"),
    ],
)  # fmt: skip
def test_what_shared_rows_do_to_a_score_depends_on_their_share(
    shared: int, rows: int, metric: str, expected: str
) -> None:
    assert overlap_note(shared, rows, "dev", metric) == [expected]
    assert overlap_note(0, rows, "dev", metric) == []


def test_metrics_that_are_shares_of_rows_change_by_no_more_than_the_share_of_changed_rows() -> None:
    """Checked with every metric: one changed decision of 40 moves a share of rows by 1/40, and others by something else."""
    rng = np.random.default_rng(0)
    labels, decisions = rng.integers(0, 2, (40, 1)).astype(float), rng.integers(0, 2, (40, 1)).astype(float)
    for metric in METRICS.values():
        if metric.needs_answers or "regression" in metric.kinds:
            assert not metric.is_row_share
            continue
        true, predicted = (labels, decisions) if metric.kinds == ("multilabel",) else (labels[:, 0], decisions[:, 0])
        changes = []
        for row in range(40):
            changed = predicted.copy()
            changed[row] = 1 - changed[row]
            changes.append(abs(metric.compute(true, changed, changed) - metric.compute(true, predicted, predicted)))
        assert metric.is_row_share == (changes == pytest.approx([1 / 40] * 40)), metric.name


def _as_first_release(run: Path) -> None:
    """Remove the version of the settings from a run folder, which 0.1.0 did not write."""
    rewrite(run / "run.json", "format")
    without_name(run)


def test_stored_settings_without_stratify_hold_rows_out_as_before(tiny: Path, tmp_path: Path) -> None:
    train(config(tiny, task("x"), max_steps=1), tmp_path, data={"x": ROWS})
    assert stored_config(tmp_path).tasks[0].stratify is True
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("stratify = true\n", ""))
    _as_first_release(tmp_path)
    assert stored_config(tmp_path).tasks[0].stratify is False
    path = tmp_path / "model" / "swissbert.json"
    tasks = json.loads(path.read_text())["tasks"]
    del tasks[0]["stratify"]
    rewrite(path, tasks=tasks, format=1)
    assert read_description(tmp_path / "model").tasks[0].stratify is False


def test_a_run_of_an_earlier_version_resumes_with_the_dev_rows_that_it_began_with(tiny: Path, tmp_path: Path) -> None:
    old = config(tiny, task("x", stratify=False), max_steps=2)
    first = train(old, tmp_path, data={"x": ROWS})
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("stratify = false\n", ""))  # as 0.1.0 wrote it
    _as_first_release(tmp_path)
    assert train(config(tiny, task("x"), max_steps=2), tmp_path, data={"x": ROWS}, resume=True) == first


def test_weights_on_a_head_with_its_own_loss_are_refused(tiny: Path, tmp_path: Path) -> None:
    from swissbert.model.heads.linear import LinearHead

    class OwnLoss(LinearHead):
        def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return super().loss(logits, labels) * 2

    settings = config(tiny, task("x", class_weights="balanced"))
    with pytest.raises(
        SwissbertError, match="class_weights of task 'x' needs losses of single rows, but its head OwnLoss"
    ):
        train(settings, tmp_path, data={"x": (ROWS, ROWS)}, heads={"x": OwnLoss})


@pytest.mark.parametrize(
    ("columns", "settings", "is_said"),
    [
        ({}, {}, False),
        ({}, {"guard": "rows"}, False),
        ({"text_pair": "more"}, {}, True),
        ({"text_pair": "more"}, {"guard": "rows"}, True),  # which compares whole rows
        ({"text_pair": "more"}, {"guard": "sentences"}, False),
        ({"text": "more"}, {}, False),
        ({}, {"holdout": 0.2}, True),
        ({}, {"holdout": 0.2, "guard": "rows"}, False),
        ({}, {"stratify": True}, True),
        ({"label": "more"}, {"stratify": True, "both": True}, True),
        ({}, {"stratify": True, "both": True}, False),  # of the same labels
        ({"text_pair": "more"}, {"files": {"train": "f.tsv", "dev": "d.tsv"}}, False),
        ({"text_pair": "more"}, {"files": {"train": "other.tsv"}}, False),
    ],
)
def test_tasks_that_hold_out_different_rows_of_a_file_are_named(
    tiny: Path, columns: dict[str, str], settings: dict[str, Any], is_said: bool
) -> None:
    settings = {"files": {"train": "f.tsv"}, "stratify": False, "guard": "off", **settings}
    is_both = settings.pop("both", False)
    one = task("one", files={"train": "f.tsv"}, stratify=is_both, guard=settings["guard"])
    other = task("other", columns=columns, **settings)
    notes = list(uneven_holdouts(config(tiny, one, other).tasks))
    assert len(notes) == is_said
    assert all("f.tsv" in note and "'one' and 'other'" in note and "guard" in note for note in notes)


def test_tasks_of_one_file_are_named_in_one_sentence(tiny: Path) -> None:
    files = {"train": "f.tsv"}
    tasks = [task(f"t{i}", files=files, holdout=0.1 if i % 3 else 0.2) for i in range(9)]
    (note,) = uneven_holdouts(config(tiny, *tasks).tasks)
    assert all(f"'t{i}'" in note for i in range(9))


@pytest.mark.parametrize(("guard", "is_said"), [("off", True), ("sentences", False)])
def test_training_names_tasks_that_hold_out_different_rows_until_the_guard_leaves_their_texts_out(
    tiny: Path, tmp_path: Path, guard: str, is_said: bool
) -> None:
    lines = [f"head {i % 30}\ttext {i}\t{'ab'[i % 2]}\t{'ab'[i % 3 == 0]}" for i in range(60)]
    (tmp_path / "f.tsv").write_text("\n".join(["head\ttext\tlabel\tother", *lines]) + "\n")
    pair = {"text": "head", "text_pair": "text", "label": "other"}
    one = task("one", files={"train": "f.tsv"}, guard=guard, holdout=0.3)
    other = task("other", columns=pair, files={"train": "f.tsv"}, guard=guard, holdout=0.3)
    settings = config(tiny, one, other)
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"dir": str(tmp_path)})})
    said = StringIO()
    train_rows, _ = load_splits(settings, build(settings).tokenizer, Display(stream=said))
    assert ("hold out different rows" in said.getvalue()) == is_said

    sides = {split: [read_split(task, split, tmp_path).rows for task in settings.tasks] for split in ("train", "dev")}
    held = {row.text for row in sides["dev"][0]} | {row.text_pair for row in sides["dev"][1]}
    trained = [row for row in sides["train"][0] if guard == "off" or row.text not in held]
    assert len(trained) == len(train_rows["one"])
    assert (len(trained) < len(sides["train"][0])) == (guard == "sentences")
