"""Teachers of rows from extra files, of rows that the guard keeps and of pairs that change places; and their resume."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from more_rows import MORE, PHRASES, mood, near, settings, write_rows
from swissbert.config import RunConfig
from swissbert.data.passes import Passes
from swissbert.errors import SwissbertError
from swissbert.inference import load
from swissbert.training import train
from swissbert.training.preparation import Prepared, prepare
from swissbert.training.state import checkpoints

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.trains]
LABELS = ["bad", "fine", "good"]
Row = tuple[Any, Any]
"""Text, or pair of texts, and its label."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache of its own."""
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def teacher(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of both tasks that reads longer texts and encodes pairs separately, so that its tokens are its own."""
    folder = tmp_path_factory.mktemp("teacher")
    write_rows(folder)
    model = {"pair_encoding": False, "pooling": "mean"}
    own = settings(tiny, folder, [mood(), near()], seed=5, model=model, encoder={"max_length": 48})
    return train(own, folder / "run").model.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rows, of which the guard leaves out one of each file: texts of dev rows stand in the middle of the train rows."""
    write_rows(tmp_path)
    leak = (tmp_path / "mood-dev.tsv").read_text().splitlines()[1].partition("\t")[0]
    for name, label in (("mood-train.tsv", "bad"), ("phrases.tsv", "1")):
        lines = (tmp_path / name).read_text().splitlines()
        (tmp_path / name).write_text("\n".join([*lines[:6], f"{leak}\t{label}", *lines[6:]]) + "\n")
    return tmp_path


def config(tiny: Path, folder: Path, teacher: Path, *extra: dict[str, Any], **tables: Any) -> RunConfig:
    """Return settings with teachers, whose share stays, and rows of every extra file."""
    tasks = [mood(guard="sentences", extra=[*extra]), near(extra=[{**MORE, "rows": 20}])]
    distillation = {"teachers": [str(teacher)], "annealing": False, "weight": 0.25, **tables.pop("distillation", {})}
    return settings(tiny, folder, tasks, data={"swap_pairs": True}, distillation=distillation, **tables)


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def numbered(folder: Path) -> dict[str, list[Row]]:
    """Return the rows of each task as they are numbered: the lines of its own file, then those of its extra files."""
    leak = lines(folder / "mood-dev.tsv")[0][0]
    own = [(text, label) for text, label in lines(folder / "mood-train.tsv") if text != leak]
    phrases = [(text, LABELS[int(grade)]) for text, grade in lines(folder / "phrases.tsv") if text != leak]
    pairs = [*lines(folder / "near-train.tsv"), *lines(folder / "more.tsv")]
    return {"mood": own + phrases, "near": [((one, two), float(score)) for one, two, score in pairs]}


def targets_of(prepared: Prepared) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Return the numbers and targets of all rows that the batches of a run have, by task."""
    loader, found = prepared.batches(), dict[str, list[tuple[int, np.ndarray]]]()
    for step in range(len(loader)):
        draws = dict(prepared.plan.steps[step])
        for task, batch in loader(step):
            rows = loader.rows(task, prepared.plan.epoch(step), draws[task])
            found.setdefault(task, []).extend(zip(rows.tolist(), batch.labels.numpy(), strict=True))
    return found


def test_the_target_of_each_own_and_extra_row_is_mixed_with_the_answer_to_that_very_row(
    tiny: Path, folder: Path, teacher: Path
) -> None:
    prepared = prepare(config(tiny, folder, teacher, {**PHRASES, "share": 0.5}))
    rows, model, found = numbered(folder), load(teacher), targets_of(prepared)
    assert len(rows["mood"]) == 40 + 60
    assert len(rows["near"]) == 30 + 50
    answers = {name: model.numbers(name, [text for text, _ in each]) for name, each in rows.items()}
    assert np.ptp(answers["near"]) > 1e-3  # else each row could have the answer of any other
    labels = {
        "mood": np.eye(3)[[LABELS.index(label) for _, label in rows["mood"]]],
        "near": np.array([label for _, label in rows["near"]]),
    }
    for name, targets in found.items():
        numbers = np.array([number for number, _ in targets])
        own = {"mood": 40, "near": 30}[name]
        assert (numbers < own).any()
        assert len({number for number in numbers if number >= own}) > 15
        expected = 0.25 * answers[name] + 0.75 * labels[name]
        np.testing.assert_allclose(np.stack([target for _, target in targets]), expected[numbers], atol=1e-5)
    one, two = answers["near"], model.numbers("near", [text[::-1] for text, _ in rows["near"]])
    assert abs(one - two).max() > 1e-4  # pairs that change places keep the answer to the order in the file


def test_rows_of_an_unlabelled_file_after_another_have_the_answers_alone(
    tiny: Path, folder: Path, teacher: Path
) -> None:
    texts = [f"so {text}" for text, _ in lines(folder / "phrases.tsv")]
    (folder / "new.tsv").write_text("\n".join(["phrase", *texts]) + "\n")
    new = {"file": "new.tsv", "columns": {"text": "phrase"}, "unlabelled": True, "rows": 30}
    own = config(tiny, folder, teacher, {**PHRASES, "rows": 8}, new, distillation={"annealing": True, "weight": 0.5})
    tasks = [own.tasks[0].model_copy(update={"class_weights": {"bad": 2.0}}), own.tasks[1]]
    prepared = prepare(own.model_copy(update={"tasks": tasks}))
    rows = [*numbered(folder)["mood"], *((text, None) for text in texts)]
    answers = load(teacher).numbers("mood", [text for text, _ in rows])
    found = [(number, target) for number, target in targets_of(prepared)["mood"] if number >= 100]
    assert len(found) > 30
    for number, target in found:
        np.testing.assert_allclose(target, answers[number], atol=1e-5)
    line = "mood: an epoch has 30 of 61 rows of new.tsv, drawn anew each time, without labels, for which the teachers alone"
    assert prepared.train["mood"].extra[1].line().startswith(line)

    numbers, weighting = np.array([0, 5, 45, 60, 100, 140, 160]), prepared.train["mood"].weighting
    assert prepared.teaching is not None
    batch = prepared.teaching.mixed("mood", Passes(prepared.train["mood"]).batch(numbers), numbers, 0)
    assert weighting is not None
    assert batch.weights is not None
    factors = [2.0 if rows[number][1] == "bad" else 1.0 for number in numbers]  # without a label also 1
    np.testing.assert_allclose(batch.weights, np.array(factors) / weighting.mean, rtol=1e-6)
    assert {*factors} == {1.0, 2.0}
    assert torch.isfinite(prepared.network.loss(batch, "mood"))


def test_labels_of_an_unlabelled_file_are_not_used(tiny: Path, folder: Path, teacher: Path) -> None:
    rows = [f"{text}\t{LABELS[0]}" for text, _ in lines(folder / "phrases.tsv")]
    (folder / "new.tsv").write_text("\n".join(["phrase\tlabel", *rows]) + "\n")
    new = {"file": "new.tsv", "columns": {"text": "phrase"}, "unlabelled": True, "rows": 30}
    for _ in range(2):  # from the file, and from the cache
        extra = prepare(config(tiny, folder, teacher, new)).train["mood"].extra[0]
        assert len(extra.data) == 60
        assert np.isnan(extra.data.labels).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"match_labels": True}, "extra file 'new.tsv': unlabelled is true, so match_labels has no meaning"),
        ({"labels": {"0": "bad"}}, "unlabelled is true, so labels has no meaning"),
        ({"columns": {"label": "grade"}}, r"unlabelled is true, so columns\.label has no meaning"),
    ],
)
def test_what_is_about_labels_is_refused_of_an_unlabelled_file(
    tiny: Path, folder: Path, teacher: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SwissbertError, match=message):
        config(tiny, folder, teacher, {"file": "new.tsv", "unlabelled": True, "rows": 30, **change})


def test_an_unlabelled_file_without_a_teacher_is_refused(tiny: Path, folder: Path, teacher: Path) -> None:
    new = {"file": "phrases.tsv", "columns": {"text": "phrase"}, "unlabelled": True, "rows": 30}
    with pytest.raises(
        SwissbertError, match=r"'phrases\.tsv' of task 'mood' is unlabelled, but distillation\.teachers"
    ):
        settings(tiny, folder, [mood(extra=[new]), near()])
    tasks = [mood(name="feeling", extra=[new]), near()]
    own = settings(tiny, folder, tasks, distillation={"teachers": [str(teacher)]})
    with pytest.raises(SwissbertError, match=r"task 'feeling' is unlabelled, but none of distillation\.teachers has"):
        prepare(own)


class Interrupted(Exception):  # noqa: N818 (an exception of a user)
    """Raised by a callback."""


def stop_at(step: int) -> object:
    """Return a callback that stops a run after a step."""

    class Stop:
        def on_step(self, number: int, record: object) -> None:
            if number == step:
                raise Interrupted

    return Stop()


def records(out: Path) -> list[Any]:
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]


@pytest.fixture
def rich(tiny: Path, folder: Path, teacher: Path) -> Callable[[], RunConfig]:
    """Settings with extra files, one of them unlabelled, teacher annealing, an average of the weights and swapped pairs."""
    texts = [f"the {text}" for text, _ in lines(folder / "phrases.tsv")]
    (folder / "new.tsv").write_text("\n".join(["phrase", *texts]) + "\n")
    new = {"file": "new.tsv", "columns": {"text": "phrase"}, "unlabelled": True, "rows": 16}
    shutil.copytree(teacher / "model", folder / "teacher")

    def make() -> RunConfig:
        return config(
            tiny,
            folder,
            folder / "teacher",
            {**PHRASES, "rows": 16},
            new,
            distillation={"annealing": True, "weight": 1.0},
            train={"checkpoint_every": 3, "ema": 0.9, "heads_first": 2, "epochs": 2, "keep": 1},
            regularisation={"smoothness": 1.0, "proximal": 1.0},
        )

    return make


def test_an_interrupted_run_with_all_of_them_ends_bit_for_bit_as_the_uninterrupted_one(
    rich: Callable[[], RunConfig], folder: Path
) -> None:
    whole, run = folder / "whole", folder / "run"
    train(rich(), whole)
    for step in (1, 5, 9):
        with pytest.raises(Interrupted):
            train(rich(), run, resume=True, callbacks=[stop_at(step)])
        shutil.rmtree(folder / "teacher", ignore_errors=True)  # the cache has its answers to all files
    train(rich(), run, resume=True, callbacks=[stop_at(0)])
    assert records(run) == records(whole)
    shares = [record["teacher_share"] for record in records(run) if "teacher_share" in record]
    assert shares == pytest.approx([1 - step / len(shares) for step in range(len(shares))])
    assert len(shares) > 9
    (last,) = checkpoints(run / "checkpoints")
    for name in ("parameters.safetensors", "optimizer.safetensors"):
        ours, theirs = (load_file(out / "checkpoints" / f"step-{last}" / name) for out in (run, whole))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert "resumed" not in json.loads((run / "run.json").read_text())
