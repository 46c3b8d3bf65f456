"""Distillation: mixed targets, answers of teachers that are computed once, and runs that resume exactly."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import swissbert
from lines import Lines
from swissbert.cli import main
from swissbert.config import RunConfig, make_config
from swissbert.config.distillation import DistillationSettings
from swissbert.data.batches import PackedBatch
from swissbert.data.cache_entries import cache_folder
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate, table_answers
from swissbert.evaluation.predictions import untuned_answers
from swissbert.inference import load
from swissbert.kinds.soft_answers import softened
from swissbert.tasks import Task, find_task, make_task
from swissbert.training import distillation, teachers
from swissbert.training.distillation import Ensemble, Teaching
from swissbert.training.loop import train
from swissbert.training.preparation import Prepared, prepare
from swissbert.training.split_rows import SplitRows
from swissbert.training.stored_settings import resumable_config
from swissbert.training.teachers import teacher_names

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
KINDS: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["a", "b", "c"], "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
    "multilabel": {"labels": ["x", "y"], "loss": "binary_cross_entropy", "metric": "micro_f1"},
    "regression": {"range": [0, 5], "loss": "mse", "metric": "pearson"},
}
LABELS: dict[str, Any] = {
    "classification": [2, 0],
    "binary": [1, 0],
    "multilabel": [[1, 0], [0, 0]],
    "regression": [4, 1],
}
ANSWERS: dict[str, Any] = {
    "classification": [[0.2, 0.3, 0.5], [0.1, 0.6, 0.3]],
    "binary": [[0.4, 0.6], [0.9, 0.1]],
    "multilabel": [[0.8, 0.4], [0.6, 0.2]],
    "regression": [3.0, 2.0],
}
MIXED: dict[str, Any] = {  # a quarter from the teachers
    "classification": [[0.05, 0.075, 0.875], [0.775, 0.15, 0.075]],
    "binary": [0.9, 0.025],
    "multilabel": [[0.95, 0.1], [0.15, 0.05]],
    "regression": [3.75, 1.25],
}


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a cache of its own, and restore the number of threads, which a run sets."""
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def declare(kind: str, name: str = "mine", **changes: Any) -> Task:
    table = {"name": name, "kind": kind, "columns": {"text": "text", "label": "label"}, **KINDS[kind], **changes}
    return make_task(table, "test")


def settings(
    tiny: Path, *names: Path | str, tasks: tuple[Any, ...] = ("sst", "para", "sts"), **tables: Any
) -> RunConfig:
    """Return settings of 6 steps on the starter corpus with teachers; `tables` are merged into them."""
    table: dict[str, Any] = {
        "tasks": list(tasks),
        "data": {"dir": str(STARTER), "limit": 24},
        "encoder": {"name": str(tiny), "max_length": 32},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "lr": 1e-3,
            "baseline": False,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
        "distillation": {"teachers": [str(name) for name in names]},
    }
    for name, values in tables.items():
        table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
    return make_config(table, "here")


@pytest.fixture(scope="module")
def separate(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher of two tasks that encodes the sentences of a pair separately, with longer texts and other pooling."""
    own = settings(
        tiny,
        tasks=("sst", "para"),
        seed=3,
        model={"pair_encoding": False, "pooling": "mean"},
        encoder={"max_length": 64},
    )
    return train(own, tmp_path_factory.mktemp("separate") / "bi").model.parent


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every question to a teacher is appended."""
    names: list[str] = []
    ask = teachers.Answering.answers

    def counted(self: Any, task: Task, table: Any, display: Any, name: str, on_share: Any) -> Any:
        names.append(f"{task.name}.{name}")
        return ask(self, task, table, display, name, on_share)

    monkeypatch.setattr(teachers.Answering, "answers", counted)
    return names


def taught(prepared: Prepared) -> Teaching:
    assert prepared.teaching is not None
    return prepared.teaching


# Targets


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_the_mean_of_labels_and_answers_by_their_share(kind: str) -> None:
    task = declare(kind)
    answers = task.kind.soft_answers(task, np.array(ANSWERS[kind], np.float32), 1.0)
    labels = task.kind.soft_labels(task, np.array(LABELS[kind], np.float32))
    assert answers.shape == labels.shape == np.shape(MIXED[kind])
    np.testing.assert_allclose(0.25 * answers + 0.75 * labels, MIXED[kind], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_have_mixed_targets_and_a_row_without_label_has_the_answer_alone(kind: str) -> None:
    task = declare(kind)
    answers = task.kind.soft_answers(task, np.array([*ANSWERS[kind], ANSWERS[kind][0]], np.float32), 1.0)
    labels = np.array([*LABELS[kind], np.full(np.shape(LABELS[kind][0]), np.nan)], np.float32)
    teaching = Teaching(DistillationSettings(teachers=["a"], weight=0.5), {"mine": task}, {"mine": answers}, (), 8)
    batch = PackedBatch(torch.zeros(3), torch.zeros(3), [1, 1, 1], torch.from_numpy(labels))
    mixed = teaching.mixed("mine", batch, np.arange(3), 4)  # half of the way: a quarter from the teachers
    assert mixed.labels.dtype == torch.float32
    np.testing.assert_allclose(mixed.labels, [*MIXED[kind], answers[0]], atol=1e-6)
    assert teaching.mixed("other", batch, np.arange(3), 4) is batch


def test_the_share_of_the_teachers_falls_in_a_straight_line_or_stays() -> None:
    annealed = DistillationSettings(teachers=["a"], weight=0.8)
    assert [annealed.share(step, 4) for step in range(4)] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    constant = DistillationSettings(teachers=["a"], weight=0.8, annealing=False)
    assert {constant.share(step, 4) for step in range(4)} == {0.8}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_divides_the_logits_of_a_teacher(temperature: float) -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [-4.0, 3.0, 0.0]], dtype=torch.float64)
    softmax = softened(logits.softmax(-1).numpy(), temperature)
    np.testing.assert_allclose(softmax, (logits / temperature).softmax(-1), atol=1e-12)
    many, two = declare("multilabel", labels=["x", "y", "z"]), declare("binary")
    np.testing.assert_allclose(
        many.kind.soft_answers(many, logits.sigmoid().numpy(), temperature), (logits / temperature).sigmoid(), atol=1e-6
    )
    positive = logits[:, 0].sigmoid()
    np.testing.assert_allclose(
        two.kind.soft_answers(two, torch.stack([1 - positive, positive], 1).numpy(), temperature),
        (logits[:, 0] / temperature).sigmoid(),
        atol=1e-6,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_classes_takes_probabilities_and_smooths_the_mixture(smoothing: float) -> None:
    task = declare("classification", label_smoothing=smoothing)
    logits, targets = (
        torch.randn(2, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor(MIXED["classification"]),
    )
    smooth = targets * (1 - smoothing) + smoothing / 3
    expected = -(smooth * logits.log_softmax(-1)).sum(1)
    torch.testing.assert_close(task.kind.row_losses(task, logits, targets), expected)
    torch.testing.assert_close(task.kind.loss(task, logits, targets), expected.mean())
    hard = torch.tensor(LABELS["classification"], dtype=torch.float32)
    one_hot = torch.from_numpy(task.kind.soft_labels(task, hard.numpy()))
    torch.testing.assert_close(task.kind.loss(task, logits, one_hot), task.kind.loss(task, logits, hard))
    assert torch.equal(
        task.kind.loss(task, logits, hard), F.cross_entropy(logits, hard.long(), label_smoothing=smoothing)
    )


def test_targets_have_no_fitted_thresholds_but_scored_answers_do(tiny: Path) -> None:
    task = declare("multilabel", files={"train": "rows.tsv", "dev": "rows.tsv"})
    rows = [{"text": f"a good film {i}", "label": ["x"] * (i % 2) + ["y"] * (i % 3 == 0)} for i in range(12)]
    own = settings(tiny, tasks=(task,), data={"dir": None, "limit": None})
    prepared = prepare(own, data={"mine": (rows, rows)})
    head, table = prepared.network.head("mine"), prepared.train["mine"].table
    before = table_answers(prepared.network, task, table)
    head.get_buffer("shift").copy_(torch.tensor([1.0, -2.0]))
    np.testing.assert_array_equal(untuned_answers(prepared.network, task, table), before)
    assert (table_answers(prepared.network, task, table) != before).all()


# Teachers


def test_the_mean_of_several_teachers_teaches_whatever_their_pair_encoding(
    tiny: Path, tiny_run: Path, separate: Path
) -> None:
    display = Lines()
    prepared = prepare(settings(tiny, tiny_run, separate), display)
    answers = taught(prepared).answers
    texts: dict[str, list[Any]] = {}
    for task in prepared.config.tasks:
        rows = read_split(task, "train", STARTER, limit=24).rows
        texts[task.name] = [(row.text, row.text_pair) if task.is_pair else row.text for row in rows]
    one, two = load(tiny_run), load(separate)
    mean = (one.numbers("sst", texts["sst"]) + two.numbers("sst", texts["sst"])) / 2
    np.testing.assert_allclose(answers["sst"], mean, atol=1e-6)
    pairs = (one.numbers("para", texts["para"]) + two.numbers("para", texts["para"]))[:, 1] / 2
    np.testing.assert_allclose(answers["para"], pairs, atol=1e-6)
    np.testing.assert_allclose(answers["sts"], one.numbers("sts", texts["sts"]), atol=1e-5)
    assert "teacher run answers sst, para and sts" in display.lines
    assert "teacher bi answers sst and para; has no sts" in display.lines
    assert abs(one.numbers("sst", texts["sst"]) - two.numbers("sst", texts["sst"])).max() > 1e-3


def test_the_dev_scores_of_the_teachers_are_shown_before_training(tiny: Path, tiny_run: Path) -> None:
    display = Lines()
    prepared = prepare(settings(tiny, tiny_run, encoder={"max_length": 48}), display)  # as the teacher reads them
    scores = evaluate(load(tiny_run).network, prepared.dev).figures()
    (line,) = [line for line in display.lines if line.startswith("dev scores")]
    assert line == (
        f"dev scores of the teacher: sst accuracy {scores['sst.accuracy']:.3f}  para accuracy {scores['para.accuracy']:.3f}  "
        f"sts pearson {scores['sts.pearson']:.3f}  overall {scores['overall']:.3f}"
    )


def test_a_task_without_a_teacher_keeps_its_labels(tiny: Path, separate: Path) -> None:
    display = Lines()
    prepared = prepare(settings(tiny, separate), display)
    plain = dict(prepare(settings(tiny)).batches()(0))
    batches = dict(prepared.batches()(0))
    assert torch.equal(batches["sts"].labels, plain["sts"].labels)
    assert not torch.equal(batches["para"].labels, plain["para"].labels)
    assert batches["sst"].labels.shape == (4, 5)
    assert "no teacher for sts, trained on labels alone" in display.lines


def test_labels_in_another_order_are_matched_by_name(tiny: Path, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in [("good", "a"), ("bad", "b"), ("dull", "c")] * 4]
    common = {"data": {"dir": None, "limit": None}}
    teacher = train(
        settings(tiny, tasks=(declare("classification", labels=["c", "a", "b"]),), **common),
        tmp_path / "teacher",
        data={"mine": (rows, rows)},
    )
    display = Lines()
    student = settings(tiny, tmp_path / "teacher", tasks=(declare("classification"),), **common)
    answers = taught(prepare(student, display, data={"mine": (rows, rows)})).answers["mine"]
    own = load(teacher.model).numbers("mine", [row["text"] for row in rows])
    np.testing.assert_allclose(answers, own[:, [1, 2, 0]], atol=1e-6)
    assert any("has the labels of mine in another order, which are matched by name" in line for line in display.lines)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            declare("classification", "sst"),
            "somewhat positive, positive, but this run's are a, b, c; labels are matched by name",
        ),
        (declare("binary", "sst"), "task 'sst' of {folder} is a classification, but this run's is a binary"),
        (
            declare("regression", "sts"),
            "task 'sts' of {folder} reads pairs of texts, but this run's reads single texts",
        ),
        (
            declare("regression", "sts", columns={"text": "a", "text_pair": "b", "label": "c"}, range=[0, 1]),
            "has scores from 0 to 5, but this run's are from 0 to 1",
        ),
        (declare("binary", "mood"), "{folder} has none of the tasks of this run (mood); its tasks are sst, para, sts"),
    ],
)
def test_a_teacher_of_another_task_is_refused(tiny: Path, tiny_run: Path, task: Task, message: str) -> None:
    own = settings(tiny, tiny_run, tasks=(task,))
    with pytest.raises(SwissbertError) as caught:
        teachers.find_teachers(own, Lines())
    assert str(caught.value).startswith("distillation.teachers: ")
    assert message.format(folder=tiny_run) in str(caught.value)


def test_a_missing_model_and_the_same_model_twice_are_refused(tiny: Path, tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"distillation.teachers: .*none: there is no such model folder"):
        prepare(settings(tiny, tmp_path / "none"))
    with pytest.raises(SwissbertError, match=r"names '.*' twice; each model counts once"):
        settings(tiny, tiny_run, tiny_run)
    with pytest.raises(SwissbertError, match="are the same model; each counts once in the mean"):
        prepare(settings(tiny, tiny_run, tiny_run / "model"))


def test_a_missing_teacher_is_reported_before_rows_are_read(tiny: Path, tmp_path: Path) -> None:
    display = Lines()
    with pytest.raises(SwissbertError, match="there is no such model folder"):
        prepare(settings(tiny, tmp_path / "none"), display)
    assert not any(" rows from " in line for line in display.lines)


def test_a_head_whose_loss_takes_labels_only_is_refused(tiny: Path, separate: Path) -> None:
    cosine = {"pair_head": "cosine", "pair_encoding": False}
    with pytest.raises(SwissbertError, match="loss of task 'para' with the head CosineHead takes labels only"):
        prepare(settings(tiny, separate, model=cosine))
    prepare(settings(tiny, separate, tasks=("sst",), model=cosine))


def test_settings_without_a_teacher_are_refused(tiny: Path) -> None:
    for key, value in {"weight": 0.5, "annealing": False, "temperature": 2.0}.items():
        with pytest.raises(
            SwissbertError, match=f"distillation.{key} is given, but distillation.teachers names no model"
        ):
            settings(tiny, distillation={key: value})
        assert (
            getattr(settings(tiny, "mini", distillation={"teachers": ["mini"], key: value}).distillation, key) == value
        )


def test_teachers_of_a_recipe_start_at_its_folder(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_run / "model", tmp_path / "home" / "models" / "one")
    recipe = tmp_path / "home" / "my.toml"
    recipe.write_text('tasks = ["sst"]\n[distillation]\nteachers = ["models/one", "mini"]\n', encoding="utf-8")
    assert swissbert.load_config(recipe).distillation.teachers == [str(recipe.parent / "models/one"), "mini"]


# The cache


def answer_entries() -> list[Path]:
    folder = cache_folder()
    assert folder is not None
    return sorted(path.parent for path in folder.glob("*/answers.bin"))


def test_answers_are_computed_once_and_a_damaged_entry_again(
    tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asked(monkeypatch)
    own = settings(tiny, tiny_run)
    first = taught(prepare(own)).answers
    assert sorted(names) == sorted(f"{task}.{split}" for task in first for split in ("train", "dev"))
    names.clear()
    again = taught(
        prepare(
            settings(
                tiny,
                tiny_run,
                seed=5,
                encoder={"max_length": 16},
                distillation={"teachers": [str(tiny_run)], "weight": 0.5},
            )
        )
    )
    assert names == []
    for name, answers in first.items():
        np.testing.assert_array_equal(again.answers[name], answers)
    entries = answer_entries()
    assert len(entries) == 6
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in entries)
    damaged = entries[0] / "answers.bin"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    third = taught(prepare(own)).answers
    assert len(names) == 1
    assert damaged.read_bytes() == content
    for name, answers in first.items():
        np.testing.assert_array_equal(third[name], answers)


def test_other_rows_labels_and_models_have_entries_of_their_own(
    tiny: Path, tiny_run: Path, separate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asked(monkeypatch)
    prepare(settings(tiny, tiny_run, tasks=("sst",)))
    for changed in (
        settings(tiny, separate, tasks=("sst",)),
        settings(tiny, tiny_run, tasks=("sst",), data={"limit": 23}),
    ):
        names.clear()
        prepare(changed)
        assert sorted(names) == ["sst.dev", "sst.train"]


def test_answers_of_other_versions_are_computed_again(
    tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asked(monkeypatch)
    prepare(settings(tiny, tiny_run, tasks=("sst",)))
    for package in ("swissbert", "tokenizers", "torch"):
        names.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distillation, "version", lambda name, p=package: "0.0" if name == p else version(name))
            prepare(settings(tiny, tiny_run, tasks=("sst",)))
        assert sorted(names) == ["sst.dev", "sst.train"], package


def test_without_a_cache_answers_are_computed_each_time(
    tiny: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asked(monkeypatch)
    for _ in range(2):
        prepare(settings(tiny, tiny_run, tasks=("sst",), data={"cache": False}))
    assert names == ["sst.dev", "sst.train"] * 2
    assert not (tmp_path / "cache").exists()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "file" / "cache"))
    display = Lines()
    prepare(settings(tiny, tiny_run, tasks=("sst",)), display)
    assert len([line for line in display.lines if line.startswith("answers are not kept: the cache ")]) == 1


# Runs


def distance(network: Any, prepared: Prepared, answers: np.ndarray) -> float:
    own = table_answers(network, prepared.config.tasks[0], prepared.train["sst"].table)
    return float(np.abs(own - answers).mean())


def test_a_student_of_the_answers_alone_comes_closer_to_them_than_one_of_the_labels(
    tiny: Path, tiny_run: Path, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"tasks": ("sst",), "train": {"epoch_ends": 60, "lr": 3e-3}}
    only = {"teachers": [str(tiny_run)], "annealing": False}
    prepared = prepare(settings(tiny, distillation=only, **common))
    answers = taught(prepared).answers["sst"]
    student = train(settings(tiny, distillation=only, **common), tmp_path / "student").model
    plain = train(settings(tiny, **common), tmp_path / "plain").model
    near, far = (distance(load(model).network, prepared, answers) for model in (student, plain))
    assert near < far / 2


def test_without_teachers_nothing_is_asked_written_or_mixed(tiny: Path, tmp_path: Path) -> None:
    prepared = prepare(settings(tiny))
    assert prepared.teaching is None
    for name, batch in prepared.batches()(0):
        assert batch.labels.shape == (4,)
        assert (batch.labels == batch.labels.round()).all() or name == "sts"
    train(settings(tiny), tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert not {key for key in record if "teach" in key or "distil" in key}
    assert "teacher_share" not in (tmp_path / "run/metrics.jsonl").read_text()
    assert answer_entries() == []


def test_a_run_records_its_teachers_without_paths(tiny: Path, tiny_run: Path, separate: Path, tmp_path: Path) -> None:
    train(settings(tiny, tiny_run, separate), tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    sums = [load(teacher).fingerprint for teacher in (tiny_run, separate)]
    assert record["teachers"] == {"1": sums[0], "2": sums[1]}
    assert record["teacher_tasks"] == {"1": ["sst", "para", "sts"], "2": ["sst", "para"]}
    stored = load(tmp_path / "run").description.provenance
    assert stored["distilled_from"] == f"run ({sums[0]}), bi ({sums[1]})"
    assert stored["distillation"] == "share of the teachers in the targets 1, falling to 0; temperature 1"
    card = (tmp_path / "run/model/README.md").read_text()
    assert f"- distilled_from: run ({sums[0]}), bi ({sums[1]})" in card
    assert str(tiny_run.parent) not in card + (tmp_path / "run/model/swissbert.json").read_text()
    steps = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["teacher_share"] for line in steps if "loss" in line] == pytest.approx([1 - i / 6 for i in range(6)])


def test_class_weights_smoothing_and_balancers_go_with_it(tiny: Path, tiny_run: Path) -> None:
    sst = find_task("sst").model_copy(update={"class_weights": "balanced", "label_smoothing": 0.1})
    prepared = prepare(settings(tiny, tiny_run, tasks=(sst, "sts")))
    plain = prepare(settings(tiny, tasks=(sst, "sts")))
    batch, other = dict(prepared.batches()(0))["sst"], dict(plain.batches()(0))["sst"]
    assert batch.weights is not None
    assert other.weights is not None
    assert torch.equal(batch.weights, other.weights)
    assert batch.labels.shape == (4, 5)
    for loss in ({"surgery": True, "weighting": "automatic"}, {"weighting": "uw_so"}, {}):
        balanced = replace(
            prepared,
            config=settings(tiny, tiny_run, tasks=(sst, "sts"), loss=loss, train={"lr": 1e-9, "head_lr": 1e-9}),
        )
        losses = balanced.training_step()(0, balanced.batches()(0)).loss
        assert losses != plain.training_step()(0, plain.batches()(0)).loss
        assert np.isfinite(list(losses.values())).all()


class Stop:
    """A callback that ends a run after a step."""

    def on_step(self, step: int, record: object) -> None:
        if step == 3:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tiny: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing interrupts."""
    own = settings(tiny, tiny_run, tasks=("sst", "sts"), train={"checkpoint_every": 2})
    return train(own, tmp_path_factory.mktemp("whole") / "run").model.parent


@pytest.fixture
def student(tiny: Path, tiny_run: Path, tmp_path: Path) -> Path:
    """The same run, interrupted after step 3 of 6, with its teacher beside it."""
    shutil.copytree(tiny_run / "model", tmp_path / "teacher")
    own = settings(tiny, tmp_path / "teacher", tasks=("sst", "sts"), train={"checkpoint_every": 2})
    with pytest.raises(KeyboardInterrupt):
        train(own, tmp_path / "run", callbacks=[Stop()])
    return tmp_path / "run"


def resume(out: Path, *overrides: str) -> list[str]:
    display = Lines()
    train(resumable_config(out, list(overrides)), out, resume=True, display=display)
    return display.lines


def losses(out: Path) -> list[dict[str, float]]:
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in entries if "loss" in line]


def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one_without_its_teachers(
    student: Path, whole: Path
) -> None:
    shutil.rmtree(student.parent / "teacher")
    lines = resume(student)
    assert losses(student) == losses(whole)
    for name in ("heads.safetensors", "model.safetensors"):
        assert (student / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()
    assert not [line for line in lines if "not compared" in line]


def test_a_run_without_teachers_and_answers_cannot_go_on(student: Path) -> None:
    shutil.rmtree(student.parent / "teacher")
    for entry in answer_entries():
        shutil.rmtree(entry)
    with pytest.raises(
        SwissbertError, match=r"there is no model .*teacher any more, and its answers to the rows of sst train"
    ):
        resume(student)


def test_a_teacher_that_moved_is_said_and_another_one_refused(
    student: Path, whole: Path, separate: Path, tiny_run: Path
) -> None:
    (student.parent / "teacher").rename(student.parent / "elsewhere")
    other = json.dumps([str(separate)])
    with pytest.raises(
        SwissbertError, match=r"the checksum of teacher 1 was xxh3:.* and is xxh3:.*; distillation.teachers"
    ):
        resume(student, f"distillation.teachers={other}")
    with pytest.raises(SwissbertError, match=r"settings differ .*distillation.teachers"):
        resume(student, f"distillation.teachers={json.dumps([str(tiny_run), str(separate)])}")
    with pytest.raises(SwissbertError, match=r"settings differ .*distillation.teachers"):
        resume(student, "distillation.teachers=[]")
    lines = resume(student, f"distillation.teachers={json.dumps([str(student.parent / 'elsewhere')])}")
    assert any("distillation.teachers is" in line and "the models are compared" in line for line in lines)
    assert losses(student) == losses(whole)


def test_a_longer_run_says_that_the_share_falls_over_all_of_it(student: Path) -> None:
    lines = resume(student, "train.epochs=2")
    assert any(
        "and from here on the share of the teachers falls to 0 over all of them, so it differs" in line
        for line in lines
    )


def test_a_folder_that_was_moved_with_its_teacher_goes_on_and_lost_answers_are_computed_again(
    student: Path, whole: Path, tmp_path: Path
) -> None:
    home = tmp_path / "moved"
    home.mkdir()
    for name in ("run", "teacher"):
        (tmp_path / name).rename(home / name)
    for entry in answer_entries():
        shutil.rmtree(entry)
    resume(home / "run")
    assert losses(home / "run") == losses(whole)


def test_a_teacher_that_changes_while_a_run_is_prepared_is_refused(tiny: Path, tiny_run: Path) -> None:
    own = settings(tiny, tiny_run, tasks=("sst",))
    prepared = prepare(settings(tiny, tasks=("sst",)))
    ensemble = Ensemble(own, prepared.network, prepared.hardware, Lines(), SplitRows(own, {}, Lines()))
    ensemble.teachers = [replace(teacher, checksum="xxh3:other") for teacher in ensemble.teachers]
    with pytest.raises(SwissbertError, match="this teacher was replaced while the run was prepared"):
        ensemble.teaching(prepared.train, 6)


@pytest.mark.parametrize(
    ("setting", "name"),
    [("mini", "mini"), ("owner/name@v1", "owner/name@v1"), ("/a/runs/x", "x"), ("/a/runs/x/model", "x")],
)
def test_the_name_of_a_teacher_has_no_path(setting: str, name: str) -> None:
    assert teacher_names([setting]) == [name]


def test_teachers_in_folders_of_the_same_name_are_told_apart() -> None:
    settings = ["/a/x/run", "mini", "/a/y/run/model", "/a/z/other"]
    assert teacher_names(settings) == ["x/run", "mini", "y/run", "z/other"]


# The command


def program(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the command line in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["swissbert", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_the_command_trains_a_recipe_on_its_teachers(
    tiny: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "my.toml"
    recipe.write_text(f'tasks = ["sst"]\nencoder = {{ name = {json.dumps(str(tiny))}, max_length = 16 }}\n')
    common = ["distill", str(recipe), "--teacher", str(tiny_run), "--data", "starter", "--set", "train.max_steps=2"]
    common += ["--set", "data.limit=8", "--set", "train.tensorboard=false", "--out", str(tmp_path / "run")]
    names = asked(monkeypatch)
    assert program(monkeypatch, *common, "--dry-run", "--toml") == 0
    assert f'teachers = [\n    "{tiny_run}",\n]' in capsys.readouterr().out
    assert names == []
    assert not (tmp_path / "run").exists()
    assert program(monkeypatch, *common, "--set", "distillation.weight=0.5") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'run' / 'model'}\n"
    assert "dev scores of the teacher: sst accuracy 0." in printed.err
    assert (
        load(tmp_path / "run")
        .description.provenance["distillation"]
        .startswith("share of the teachers in the targets 0.5")
    )
    assert os.path.isfile(tmp_path / "run/config.toml")
