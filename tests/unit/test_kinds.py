"""The table of kinds: labels, losses, answers, decisions and metrics against other libraries; a kind from outside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ordinal import Ordinal, stars_task
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, hamming_loss
from torch import Tensor

import swissbert
from swissbert.config import make_config
from swissbert.errors import SwissbertError
from swissbert.evaluation import intervals, task_scores
from swissbert.kinds import KINDS, Array, HFHead, Kind, Label
from swissbert.metrics import METRICS, Metric
from swissbert.tasks import Task, make_task
from swissbert.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["ants", "bees", "cats"]
DECLARATIONS: dict[str, dict[str, Any]] = {
    "classification": {"labels": LABELS, "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
    "regression": {"range": [1, 5], "loss": "mse", "metric": "pearson"},
    "multilabel": {"labels": LABELS, "loss": "binary_cross_entropy", "metric": "micro_f1"},
    "ordinal": {"labels": ["poor", "fair", "good"], "loss": "steps", "metric": "spearman"},
}
ALL: dict[str, Kind] = {**KINDS, "ordinal": Ordinal()}
every_kind = pytest.mark.parametrize("name", ALL)


def declare(name: str, **changes: Any) -> Task:
    columns = {"text": "text", "label": "label"}
    table = {"name": "mood", "kind": name, "columns": columns, **DECLARATIONS[name], **changes}
    return make_task(table, "here", {"ordinal": Ordinal()})


def random_labels(task: Task, count: int, seed: int = 0) -> Array:
    """Labels of a task, ``[N]`` or ``[N, C]``."""
    rng = np.random.default_rng(seed)
    if not task.kind.has_labels:
        return rng.integers(1, 6, count).astype(float)
    if task.kind.label_shape(task):
        return rng.integers(0, 2, (count, len(task.labels))).astype(float)
    return rng.integers(0, len(task.labels), count).astype(float)


def random_answers(task: Task, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random logits and their answers."""
    logits = 3 * torch.randn(count, task.outputs, generator=torch.Generator().manual_seed(seed))
    return logits, task.kind.answers(task, logits)


# The contract of every kind


def test_the_table_holds_each_kind_under_its_name_and_tests_cover_it() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert DECLARATIONS.keys() == ALL.keys()
    assert all(declare(name).kind is KINDS[name] for name in KINDS)


def test_kinds_are_equal_by_class_so_that_copied_tasks_stay_equal() -> None:
    assert Ordinal() == Ordinal()
    assert len({Ordinal(), Ordinal()}) == 1
    assert Ordinal() != KINDS["classification"]
    assert repr(Ordinal()) == "ordinal"
    assert declare("ordinal") == declare("ordinal").model_copy(deep=True)


@every_kind
def test_the_declared_losses_and_metrics_are_those_of_the_kind(name: str) -> None:
    kind = ALL[name]
    for metric in kind.metrics:
        assert declare(name, metric=metric).metric == metric
    for loss in kind.losses:
        assert declare(name, loss=loss).loss == loss
    with pytest.raises(SwissbertError, match=f"loss is 'hinge', but a {name} task takes "):
        declare(name, loss="hinge")
    with pytest.raises(SwissbertError, match=f"metric is 'bleu', but a {name} task takes {' or '.join(kind.metrics)}"):
        declare(name, metric="bleu")


@every_kind
def test_shapes_of_answers_decisions_and_labels_agree(name: str) -> None:
    task = declare(name)
    kind = task.kind
    logits, answers = random_answers(task, 7)
    assert logits.shape == (7, kind.outputs(task))
    assert answers.shape == (7, *kind.answer_shape(task))
    decisions = kind.decide(answers.numpy())
    assert decisions.shape == (7, *kind.label_shape(task)) == random_labels(task, 7).shape
    span = kind.answer_span(task)
    assert answers.max() - answers.min() <= span
    loss = kind.loss(task, logits, torch.tensor(random_labels(task, 7)).float())
    assert loss.ndim == 0
    assert loss.item() > 0
    assert kind.error(random_labels(task, 7), decisions).shape == (7,)
    assert kind.error(decisions.astype(float), decisions).tolist() == [0] * 7
    if kind.error_is_share:
        assert 0 <= kind.error(random_labels(task, 7, 1), decisions).max() <= 1


@every_kind
def test_one_hot_confidence_and_confusion_fit_the_answers(name: str) -> None:
    task = declare(name)
    kind = task.kind
    labels, answers = random_labels(task, 50), random_answers(task, 50)[1].numpy()
    columns, confidence = kind.one_hot(task, labels), kind.confidence(answers)
    assert (columns is None) == (confidence is None) == (not kind.has_labels)
    table = kind.confusion(task, labels, kind.decide(answers))
    if columns is not None and confidence is not None:
        assert columns.shape == answers.shape
        assert columns.dtype == bool
        assert confidence.shape == (50,)
        assert (confidence >= (0.5 if len(task.labels) == 2 else 1 / len(task.labels))).all()
        assert (confidence <= 1).all()
    if kind.has_labels and not kind.label_shape(task):
        assert table is not None
        assert np.sum(table) == 50
        assert np.trace(table) == (kind.error(labels, kind.decide(answers)) == 0).sum()
    else:
        assert table is None


@every_kind
def test_every_label_is_counted_in_its_group(name: str) -> None:
    task = declare(name)
    labels = random_labels(task, 40)
    counts = task.kind.group_counts(task, [tuple(row) if np.ndim(row) else float(row) for row in labels])
    assert len(counts) == len(task.kind.groups(task))
    one_hot = task.kind.one_hot(task, labels)
    assert counts.sum() == (40 if one_hot is None else one_hot.sum())
    if one_hot is not None:
        assert counts.tolist() == one_hot.sum(0).tolist()
        assert task.kind.groups(task) == task.labels


def test_groups_of_scores_are_equal_bins_with_both_ends_included() -> None:
    task = declare("regression")
    assert task.kind.groups(task, 4) == ["1 to 2", "2 to 3", "3 to 4", "4 to 5"]
    assert task.kind.group_counts(task, [1, 1.9, 2, 3.5, 5], 4).tolist() == [2, 1, 1, 1]


@pytest.mark.parametrize("name", KINDS)
def test_the_baseline_is_the_best_constant_answer(name: str) -> None:
    task = declare(name)
    labels = random_labels(task, 30)
    baseline = task.kind.baseline(task, labels)
    if baseline is None:
        assert name == "regression", "only a constant score has no metric"
        return
    assert baseline.shape == (30, *task.kind.answer_shape(task))
    assert (baseline == baseline[0]).all()
    scores = task_scores(task, labels, baseline)
    for constant in np.eye(len(task.labels)):
        answers = np.tile(constant, (30, 1))
        assert scores[task.metric] >= task_scores(task, labels, answers)[task.metric]


def test_the_multilabel_baseline_assigns_the_labels_of_at_least_half_of_the_rows() -> None:
    task = declare("multilabel")
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]], float)
    assert task.kind.baseline(task, labels) == pytest.approx(np.tile([1, 1, 0], (4, 1)))
    rare = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], float)
    assert task.kind.baseline(task, rare) == pytest.approx(np.tile([1, 0, 0], (3, 1)))


# Cells


@every_kind
def test_labels_in_words_and_in_files_are_read_back(name: str) -> None:
    task = declare(name)
    for label in random_labels(task, 20):
        words, text = task.kind.in_words(task, label), task.kind.in_file(label)
        assert same_label(task.kind.parse(task, [] if words == "none" else words), label)
        if not task.kind.label_shape(task) and task.kind.has_labels:
            assert task.kind.parse(task, text) == label


def same_label(parsed: Label, label: Array) -> bool:
    return bool(np.array_equal(np.array(parsed), label))


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("ants", [1, 0, 0]),
        ("cats|ants", [1, 0, 1]),
        (" cats ; ants ;", [1, 0, 1]),
        ("bees, bees", [0, 1, 0]),
        ("2", [0, 0, 1]),
        (2, [0, 0, 1]),
        ('["bees", "cats"]', [0, 1, 1]),
        ("[]", [0, 0, 0]),
        ("[0, 2]", [1, 0, 1]),
        (["ants", 1], [1, 1, 0]),
        ({"cats"}, [0, 0, 1]),
        (("ants",), [1, 0, 0]),
        (np.array(["ants", "bees"]), [1, 1, 0]),
        ([], [0, 0, 0]),
    ],
    ids=repr,
)
def test_a_multilabel_cell_is_a_list_or_text_with_separators(cell: object, labels: list[int]) -> None:
    task = declare("multilabel")
    assert task.kind.parse(task, cell) == tuple(labels)


def test_a_declared_separator_is_the_only_one() -> None:
    task = declare("multilabel", labels=["red, dark", "blue"], separator="/")
    assert task.kind.parse(task, "red, dark / blue") == (1, 1)
    with pytest.raises(ValueError, match="label 'blue,red' is not one of"):
        task.kind.parse(task, "blue,red")
    named = declare("multilabel", labels=["red, dark", "blue"])
    assert named.kind.parse(named, "red, dark") == (1, 0)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("cell", ["dogs", "7", "nan", "-1", "1.5x", "[", "ants|dogs"])
def test_a_cell_that_is_no_label_is_named_with_what_is_allowed(name: str, cell: str) -> None:
    task = declare(name)
    with pytest.raises(ValueError, match=r"^label '.*' is not (one of (ants|no), .*|a number from 1 to 5)$"):
        task.kind.parse(task, cell)


@settings(deadline=None)
@given(st.sets(st.sampled_from(LABELS)), st.sampled_from(["|", ";", ",", "json", "list", "numbers"]))
def test_any_set_of_labels_is_read_back_from_any_form(chosen: set[str], form: str) -> None:
    task = declare("multilabel")
    numbers = [LABELS.index(name) for name in chosen]
    cells = {"json": json.dumps(sorted(chosen)), "list": list(chosen), "numbers": numbers}
    cell = cells[form] if form in cells else form.join(chosen) or []
    assert task.kind.parse(task, cell) == tuple(float(name in chosen) for name in LABELS)


# Losses and answers


def test_losses_are_those_of_torch() -> None:
    expected: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "classification": lambda z, y: F.cross_entropy(z, y.long()),
        "binary": lambda z, y: F.binary_cross_entropy(z[:, 0].sigmoid(), y),
        "regression": lambda z, y: F.mse_loss(z[:, 0].sigmoid(), (y - 1) / 4),
        "multilabel": lambda z, y: F.binary_cross_entropy(z.sigmoid(), y),
    }
    assert expected.keys() == KINDS.keys()
    for name, loss in expected.items():
        task = declare(name)
        logits, labels = random_answers(task, 9)[0], torch.tensor(random_labels(task, 9)).float()
        torch.testing.assert_close(task.kind.loss(task, logits, labels), loss(logits, labels))


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_on_the_unit_scale_a_regression_learns_the_same_whatever_the_unit_of_its_labels(
    output: str, unit: float
) -> None:
    task = declare("regression", range=[1 * unit, 5 * unit], output=output)
    plain = declare("regression", range=[1, 5], output=output)
    logits, labels = random_answers(plain, 9)[0].requires_grad_(), torch.tensor(random_labels(plain, 9)).float()
    losses = [plain.kind.loss(plain, logits, labels), task.kind.loss(task, logits, labels * unit)]
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in losses]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(task.kind.answers(task, logits), plain.kind.answers(plain, logits) * unit)


def test_the_scale_of_the_labels_has_the_errors_of_the_paper() -> None:
    task = declare("regression", scale="labels", output="linear")
    logits, labels = random_answers(task, 9)[0], torch.tensor(random_labels(task, 9)).float()
    torch.testing.assert_close(task.kind.loss(task, logits, labels), F.mse_loss(logits[:, 0], labels))


@pytest.mark.parametrize("scale", ["unit", "labels"])
def test_the_linear_head_of_transformers_gives_the_scores_before_they_are_cut(scale: str) -> None:
    task = declare("regression", scale=scale, output="linear")
    hidden, weight, bias = torch.randn(9, 4), torch.randn(1, 4), torch.randn(1)
    head = task.kind.hf_head(task, weight, bias)
    assert not isinstance(head, str)
    ours = task.kind.answers(task, hidden @ weight.T + bias)
    torch.testing.assert_close((hidden @ head.weight.T + head.bias)[:, 0].clamp(1, 5), ours)


@pytest.mark.parametrize(
    ("name", "cells", "keys"),
    [
        ("classification", ["b", "a ", "b", "c"], {"labels": ["a", "b", "c"]}),
        ("classification", ["10", "9", 2.0, "2"], {"labels": ["2", "9", "10"]}),
        ("binary", ["spam", "ham", "spam"], {"labels": ["ham", "spam"]}),
        ("binary", [True, False], {"labels": ["false", "true"]}),
        ("binary", ["1.0", "0", 1], {"labels": ["0", "1"]}),
        ("binary", ["rare", "usual", "usual"], {"labels": ["usual", "rare"]}),
        ("regression", ["3", 4.5, "-1", "many"], {"range": [-1.0, 4.5]}),
        ("multilabel", ["a|b", ["c"], "b"], {"labels": ["a", "b", "c"]}),
    ],
)
def test_labels_or_range_follow_from_the_cells_of_train_rows(
    name: str, cells: list[object], keys: dict[str, Any]
) -> None:
    assert KINDS[name].infer(declare(name), cells) == keys


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("classification", ["a", "a"], "the train rows have only 'a'; at least two labels are needed"),
        ("classification", [], "the train rows have no label; at least two labels are needed"),
        ("classification", [f"row {i}" for i in range(30)], "looks like a text or an identifier"),
        ("binary", ["a", "b", "c"], "a task of kind 'classification' takes more"),
        ("regression", ["x"], "the train rows have no number as a score"),
        ("regression", [3, "3.0"], "the train rows have only the number 3 as a score"),
    ],
)
def test_cells_that_determine_nothing_are_refused_with_the_reason(name: str, cells: list[object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KINDS[name].infer(declare(name), cells)


def test_a_label_of_one_sort_has_probabilities_that_sum_to_one() -> None:
    for name in ("classification", "binary", "ordinal"):
        torch.testing.assert_close(random_answers(declare(name), 9)[1].sum(1), torch.ones(9))
    assert not torch.allclose(random_answers(declare("multilabel"), 9)[1].sum(1), torch.ones(9), atol=0.1)


def test_multilabel_answers_are_sigmoids_and_decisions_begin_at_a_half() -> None:
    task = declare("multilabel")
    logits, answers = random_answers(task, 9)
    assert torch.equal(answers, logits.sigmoid())
    assert task.kind.decide(np.array([[0.5, 0.49999, 1.0]])).tolist() == [[1, 0, 1]]
    answer = task.kind.answer(task, np.array([0.9, 0.1, 0.5]))
    assert answer.as_json() == {
        "labels": [0, 2],
        "label_names": ["ants", "cats"],
        "probabilities": [0.9, 0.1, 0.5],
    }
    assert task.kind.answer(task, np.zeros(3)).label_names == []
    confidence = task.kind.confidence(np.array([[0.9, 0.2, 0.5]]))
    assert confidence == pytest.approx((0.9 + 0.8 + 0.5) / 3)


# Metrics

CELLS = arrays(np.int64, st.tuples(st.integers(1, 25), st.integers(1, 5)), elements=st.integers(0, 1))
TIED = st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.5001, 0.9, 1.0])


@st.composite
def multilabel_rows(draw: st.DrawFn) -> tuple[Array, Array]:
    """Labels ``[N, C]`` and answers with many ties."""
    labels = draw(CELLS)
    return labels.astype(float), draw(arrays(np.float64, labels.shape, elements=TIED))


@settings(deadline=None)
@given(multilabel_rows())
def test_multilabel_metrics_equal_scikit_learn(rows: tuple[Array, Array]) -> None:
    labels, answers = rows
    task = declare("multilabel")
    decisions = task.kind.decide(answers)
    scores = task_scores(task, labels, answers)
    # f1_score and accuracy_score take a matrix of one column for single labels; the flat view has the same micro F1
    assert scores["micro_f1"] == pytest.approx(f1_score(labels.ravel(), decisions.ravel(), zero_division=0.0))
    used = (labels.sum(0) + decisions.sum(0)) > 0
    by_label = [f1_score(labels[:, c], decisions[:, c], zero_division=0.0) for c in np.flatnonzero(used)]
    assert scores["macro_f1"] == pytest.approx(np.mean(by_label) if by_label else 0.0)
    positive = labels.sum(0) > 0
    precisions = [average_precision_score(labels[:, c], answers[:, c]) for c in np.flatnonzero(positive)]
    assert scores["average_precision"] == pytest.approx(np.mean(precisions) if precisions else 0.0)
    assert scores["exact_match"] == pytest.approx((labels == decisions).all(1).mean())
    assert all(0 <= value <= 1 for value in scores.values())
    order = np.random.default_rng(0).permutation(len(labels))
    assert task_scores(task, labels[order], answers[order]) == pytest.approx(scores)


def test_multilabel_metrics_equal_scikit_learn_on_whole_matrices() -> None:
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 2, (80, 3)).astype(float), rng.random((80, 3))
    task = declare("multilabel")
    scores, decisions = task_scores(task, labels, answers), task.kind.decide(answers)
    assert scores["micro_f1"] == pytest.approx(f1_score(labels, decisions, average="micro"))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, decisions, average="macro"))
    assert scores["average_precision"] == pytest.approx(average_precision_score(labels, answers, average="macro"))
    assert scores["exact_match"] == pytest.approx(accuracy_score(labels, decisions))
    assert task.kind.error(labels, decisions).mean() == pytest.approx(hamming_loss(labels, decisions))
    for name, (low, high) in intervals(task, labels, answers, resamples=200).items():
        assert low < scores[name] < high, name


def test_every_metric_fits_a_kind_and_every_kind_has_one() -> None:
    assert all(set(metric.kinds) <= KINDS.keys() for metric in METRICS.values())
    assert all(kind.metrics for kind in KINDS.values())
    assert all(metric.name == name for name, metric in METRICS.items())


# Hugging Face heads


@every_kind
def test_a_head_of_transformers_gives_the_answers(name: str) -> None:
    task = declare(name)
    weight, bias, features = torch.randn(task.outputs, 6), torch.randn(task.outputs), torch.randn(9, 6)
    head = task.kind.hf_head(task, weight, bias)
    if isinstance(head, str):
        assert head == "its logits are steps between ordered labels"
        return
    logits = features @ head.weight.T + head.bias
    assert logits.shape == (9, len(head.labels))
    expected = task.kind.answers(task, features @ weight.T + bias)
    torch.testing.assert_close(pipeline(head, task, logits), expected)


def pipeline(head: HFHead, task: Task, logits: Tensor) -> Tensor:
    """Answers from logits, as the pipeline of transformers and the note of the head say."""
    if head.problem_type == "single_label_classification":
        return logits.softmax(1)
    if len(head.labels) == 1:
        assert head.note
        return 1 + 4 * logits[:, 0].sigmoid()
    assert head.problem_type == "multi_label_classification"
    return logits.sigmoid()


# From outside the package


STARS = {"poor": "the plot was awful", "fair": "the plot was fine", "good": "the plot was great"}
"""Texts of one length: batches of like length would hold one label each otherwise."""


@pytest.fixture(scope="module")
def stars_run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a short run on a task of a kind from outside."""
    folder = tmp_path_factory.mktemp("stars")
    rows = [{"text": f"{text} {i}", "label": label.upper()} for i in range(8) for label, text in STARS.items()]
    for split in ("train", "dev"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    table = {
        "tasks": [stars_task({"train": "train.jsonl", "dev": "dev.jsonl"})],
        "data": {"dir": str(folder), "cache": False},
        "encoder": {"name": str(tiny), "max_length": 24},
        "train": {
            "epochs": 12,
            "batch_size": 6,
            "lr": 3e-3,
            "head_lr": 3e-2,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    result = train(make_config(table, "here"), folder / "run")
    assert result.scores["stars.spearman"] > 0.9
    return result.model


def test_a_kind_from_outside_trains_is_saved_loaded_and_answers(stars_run: Path) -> None:
    model = swissbert.load(stars_run, "cpu", kinds={"ordinal": Ordinal()})
    answers = [model.predict("stars", f"{text} 3") for text in STARS.values()]
    assert [answer.label_name for answer in answers] == list(STARS)
    for answer in answers:
        assert answer.probabilities is not None
        assert answer.score == pytest.approx(answer.probabilities[1] + 2 * answer.probabilities[2], abs=1e-3)
    scores = model.evaluate(stars_run.parents[1])
    assert set(scores.tasks["stars"].metrics) == {"accuracy", "spearman"}
    assert scores.flat()["stars.spearman"] == model.description.scores["stars.spearman"]
    baseline = scores.tasks["stars"].baseline
    assert baseline is not None
    assert baseline["accuracy"] == pytest.approx(1 / 3)


def test_without_its_kind_a_model_is_refused_in_one_sentence(stars_run: Path) -> None:
    with pytest.raises(SwissbertError) as caught:
        swissbert.load(stars_run, "cpu")
    message = str(caught.value)
    assert message.startswith(f"{stars_run / 'swissbert.json'}: ")
    assert "'ordinal' is not a kind of task; the kinds are classification, binary, regression, multilabel" in message
    assert "\n" not in message


def test_a_metric_from_outside_is_computed_beside_the_others(stars_run: Path) -> None:
    def within_one(labels: Array, decisions: Array, answers: Array) -> float:
        return float((np.abs(labels - decisions) <= 1).mean())

    model = swissbert.load(stars_run, "cpu", kinds={"ordinal": Ordinal()})
    metrics = [
        Metric("within_one", ("ordinal",), within_one),
        Metric(
            "worst", ("ordinal",), lambda labels, decisions, answers: float(answers.max(1).min()), needs_answers=True
        ),
        Metric("unfit", ("regression",), within_one),
    ]
    scores = model.evaluate(stars_run.parents[1], metrics=metrics).tasks["stars"].metrics
    assert scores.keys() == {"accuracy", "spearman", "within_one", "worst"}
    assert scores["accuracy"] <= scores["within_one"] <= 1
    assert 1 / 3 <= scores["worst"] <= 1
