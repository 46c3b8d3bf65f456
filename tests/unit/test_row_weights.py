"""Class weights, weights of rows and label smoothing, from declarations to losses, against torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from declared import bad, declare
from hypothesis import given
from hypothesis import strategies as st
from ordinal import Ordinal
from sklearn.utils.class_weight import compute_class_weight

from swissbert.data.cache import cached_split
from swissbert.data.dataset import TaskData, load_split
from swissbert.data.memory import MemoryRows
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.data.weighting import labels_without_weight, make_weighting
from swissbert.errors import SwissbertError
from swissbert.model.heads.base import Head
from swissbert.model.heads.cosine import CosineHead
from swissbert.model.heads.linear import LinearHead
from swissbert.tasks import Task

COLUMNS = {"text": "text", "label": "label", "weight": "weight"}
KINDS: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["a", "b", "c"]},
    "binary": {"labels": ["a", "b"], "kind": "binary", "loss": "binary_cross_entropy"},
    "multilabel": {
        "labels": ["a", "b", "c"],
        "kind": "multilabel",
        "loss": "binary_cross_entropy",
        "metric": "micro_f1",
    },
    "regression": {"labels": [], "range": [0, 5], "kind": "regression", "loss": "mse", "metric": "pearson"},
}


def task_of(kind: str, /, **more: object) -> Task:
    return declare(**{**KINDS[kind], **more})


def rows_for(task: Task, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of a task."""
    torch.manual_seed(count)
    logits = torch.randn(count, task.outputs)
    shape = (count, *task.kind.label_shape(task))
    return logits, torch.randint(0, 2, shape).float()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_mean_of_row_losses_is_the_loss(kind: str, smoothing: float) -> None:
    if smoothing and kind in ("multilabel", "regression"):
        with pytest.raises(SwissbertError, match=f"label_smoothing is 0.2, but a {kind} task takes none"):
            task_of(kind, label_smoothing=smoothing)
        return
    task = task_of(kind, label_smoothing=smoothing)
    logits, labels = rows_for(task, 7)
    losses = task.kind.row_losses(task, logits, labels)
    assert losses.shape == labels.shape
    torch.testing.assert_close(losses.mean(), task.kind.loss(task, logits, labels))


def test_smoothing_of_a_binary_task_is_that_of_two_classes() -> None:
    task = task_of("binary", label_smoothing=0.3)
    logits, labels = rows_for(task, 9)
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    expected = F.cross_entropy(two, labels.long(), label_smoothing=0.3)
    torch.testing.assert_close(task.kind.loss(task, logits, labels), expected)


@pytest.mark.parametrize("pair_kind", ["binary", "regression"])
def test_row_losses_of_a_cosine_head_have_its_loss_as_mean(pair_kind: str) -> None:
    task = task_of(pair_kind, columns={"text": "a", "text_pair": "b", "label": "label"})
    head = CosineHead(task, 8, 0.0)
    logits = torch.linspace(-1, 1, 6)[:, None]
    labels = torch.tensor([0.0, 1, 0, 1, 0, 1])
    torch.testing.assert_close(head.row_losses(logits, labels).mean(), head.loss(logits, labels))
    assert head.has_row_losses


@given(st.lists(st.integers(0, 2), min_size=2, max_size=50).filter(lambda labels: len(set(labels)) > 1))
def test_balanced_weights_equal_scikit_learn_and_have_mean_1(classes: list[int]) -> None:
    task, labels = task_of("classification", class_weights="balanced"), np.array(classes, float)
    factors = task.kind.class_weights(task, labels)
    assert factors is not None
    present = sorted(set(classes))
    expected = compute_class_weight("balanced", classes=np.array(present), y=np.array(classes))
    assert factors[present] == pytest.approx(expected)
    assert task.kind.weights(task, labels, factors, None).mean() == pytest.approx(1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10)), min_size=1, max_size=30),
    st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(any),
)
def test_weights_have_mean_1_over_the_train_rows_whatever_their_scale(
    rows: list[tuple[int, float]], factors: list[float]
) -> None:
    labels, weights = np.array(rows, float).T
    task = task_of("classification", class_weights=factors)
    product = np.array(factors)[labels.astype(int)] * weights
    if not product.mean():  # 0 for numbers such as 5e-324 too
        with pytest.raises(SwissbertError, match="gives every train row of task 'mood' the weight 0"):
            make_weighting(task, labels, weights, "t.csv")
        return
    weighting = make_weighting(task, labels, weights, "t.csv")
    if weighting is None:
        assert np.ptp(product) == 0
        return
    assert weighting.of(labels, weights) == pytest.approx(product / product.mean())


def test_the_weighted_loss_equals_torch_with_class_weights_on_all_train_rows() -> None:
    task = task_of("classification", class_weights={"b": 3.0})
    logits, labels = torch.randn(40, 3), torch.arange(40).remainder(3).float()
    weighting = make_weighting(task, labels.numpy(), None, "t.csv")
    assert weighting is not None
    weights = torch.from_numpy(weighting.of(labels.numpy(), None)).float()
    ours = LinearHead(task, 4, 0.0).weighted_loss(logits, labels, weights)
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels.long(), torch.tensor([1.0, 3.0, 1.0])))
    assert LinearHead(task, 4, 0.0).weighted_loss(logits, labels, torch.zeros(40)) == 0  # a batch without weight


def test_weights_of_a_multilabel_task_are_positive_weights_of_torch() -> None:
    task = task_of("multilabel", class_weights=[2.0, 1.0, 5.0])
    logits, labels = rows_for(task, 12)
    weighting = make_weighting(task, labels.numpy(), None, "t.csv")
    assert weighting is not None
    ours = LinearHead(task, 4, 0.0).weighted_loss(
        logits, labels, torch.from_numpy(weighting.of(labels.numpy(), None)).float()
    )
    theirs = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=torch.tensor([2.0, 1.0, 5.0]))
    torch.testing.assert_close(ours, theirs / weighting.mean)
    balanced = task_of("multilabel", class_weights="balanced")
    factors = balanced.kind.class_weights(balanced, np.array([[1.0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]]))
    assert factors == pytest.approx([3, 1, 1])  # labels that all rows or none have keep 1


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        ("classification", {"class_weights": {"d": 1.0}}, "class_weights names 'd', but the labels are a, b, c"),
        (
            "classification",
            {"class_weights": [1.0]},
            r"class_weights has 1 numbers, but the task has 3 labels; a table",
        ),
        ("classification", {"class_weights": [0, 0, 0]}, "class_weights are all 0, but at least one must be greater"),
        (
            "classification",
            {"class_weights": [1, 1, -1]},
            r"class_weights is \[1, 1, -1\], but it is 'balanced', a table \{ label = 2.0 \}, or a list of numbers from 0",
        ),
        ("classification", {"label_smoothing": 1.0}, "'label_smoothing' is 1.0; input should be less than 1"),
        ("regression", {"class_weights": "balanced"}, "class_weights is given, but a regression task has no classes"),
        (
            "classification",
            {"kind": Ordinal(), "loss": "steps", "class_weights": "balanced"},
            "class_weights is given, but the kind 'ordinal' has no row_losses, which weights need",
        ),
        (
            "classification",
            {"kind": Ordinal(), "loss": "steps", "columns": COLUMNS},
            "columns.weight is given, but the kind 'ordinal' has no row_losses",
        ),
    ],
)
def test_weights_that_do_not_fit_the_task_are_refused(kind: str, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        task_of(kind, **keys)


class OwnLoss(LinearHead):
    """A head with a loss of its own."""

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return super().loss(logits, labels) * 2


@pytest.mark.parametrize(("head", "has"), [(LinearHead, True), (CosineHead, True), (OwnLoss, False)])
def test_a_head_that_overrides_the_loss_alone_cannot_be_weighted(head: type[Head], has: bool) -> None:
    task = task_of("binary", columns={"text": "a", "text_pair": "b", "label": "label"})
    assert head(task, 4, 0.0).has_row_losses == has


def test_a_column_of_weights_is_checked_and_reaches_the_batches(write: Callable[..., Path], tiny: Path) -> None:
    cells = ["1", "3", "", "-1", "nan", "x", "0", "2.5"]
    folder = write("text\tlabel\tweight\n" + "".join(f"row {i}\t{'ab'[i % 2]}\t{w}\n" for i, w in enumerate(cells)))
    task = declare("rows.tsv", labels=["a", "b"], columns=COLUMNS)
    rows = read_split(task, "train", folder)
    assert [row.weight for row in rows.rows] == [1, 3, 0, 2.5]
    assert bad(rows) == [
        (4, "column 'weight' is empty"),
        *((n, f"column 'weight' is '{cells[n - 2]}', but a weight is a number from 0") for n in (5, 6, 7)),
    ]
    assert len(read_split(task, "test", folder)) == 8  # other splits need no weights
    tokenizer = Tokenizer(tiny)
    for load in (load_split, cached_split, cached_split):
        data = load(task, "train", folder, tokenizer, separate=False, max_length=16)
        assert data.row_weights is not None
        assert data.row_weights.tolist() == [1, 3, 0, 2.5]
        assert data.batch(np.arange(2)).weights is None
        weighted = TaskData(**{**vars(data), "weighting": make_weighting(task, data.labels, data.row_weights, "t")})
        weights = weighted.batch(np.array([1, 2])).weights
        assert weights is not None
        assert weights.tolist() == pytest.approx([3 / 1.625, 0])
        assert cached_split(task, "dev", folder, tokenizer, separate=False, max_length=16).row_weights is None


@pytest.mark.parametrize(
    ("kind", "class_weights", "labels", "rows", "names"),
    [
        ("classification", {"b": 0.0}, [0, 1, 1, 2], None, ["b"]),
        ("classification", None, [0, 1, 1, 2], [1, 0, 2, 0], ["c"]),
        ("classification", {"b": 0.0, "c": 2.0}, [0, 1, 0, float("nan")], [1, 1, 1, 1], ["b"]),
        ("binary", {"a": 0.0}, [0, 1, 1, 0], None, ["a"]),
        ("multilabel", {"a": 0.0}, [[1, 0, 0], [1, 1, 0]], None, ["a"]),
        ("regression", None, [1, 2, 3, 4], [0, 1, 1, 1], []),
    ],
)
def test_labels_whose_rows_all_have_the_weight_0_are_known(
    kind: str, class_weights: Any, labels: Any, rows: Any, names: list[str]
) -> None:
    task, known = task_of(kind, class_weights=class_weights), np.array(labels, float)
    weights = None if rows is None else np.array(rows, float)
    usable = ~np.isnan(known if known.ndim == 1 else known[:, 0])
    weighting = make_weighting(task, known[usable], None if weights is None else weights[usable], "t.csv")
    assert weighting is not None
    assert labels_without_weight(weighting, known, weights) == names


def test_rows_in_memory_have_weights_too() -> None:
    rows = [{"text": "x", "label": "a", "weight": 2}, {"text": "y", "label": "b", "weight": None}]
    task = declare(labels=["a", "b"], columns=COLUMNS)
    result = read_split(task, "train", MemoryRows(rows, rows))
    assert [row.weight for row in result.rows] == [2]
    assert [reason for _, reason in bad(result)] == ["column 'weight' is empty"]


def test_a_row_without_weight_has_the_digest_that_it_always_had() -> None:
    row = read_split(declare(labels=["a", "b"]), "train", MemoryRows([("x", "a")], [("x", "a")])).rows[0]
    assert row.digested() == b'["1", "x", null, 0.0]'
    assert row._replace(weight=2.0).digested() != row.digested()
