"""Soft targets of ordered classes (``ordinal_smoothing``): their values, the losses with them, and what is refused."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from declared import declare
from hypothesis import given
from hypothesis import strategies as st
from ordinal import Ordinal

from swissbert.errors import SwissbertError
from swissbert.kinds.ordinal_targets import LARGEST, SMALLEST, ordinal_targets
from swissbert.model.heads.linear import LinearHead

GRADES = ["1", "2", "3", "4", "5"]


def test_targets_are_those_computed_by_hand() -> None:
    a, b = math.exp(-1), math.exp(-2)  # one step and two steps at smoothing 1
    targets = ordinal_targets(torch.tensor([0.0, 1.0, 2.0]), 3, 1.0)
    rows = [[1, a, b], [a, 1, a], [b, a, 1]]
    torch.testing.assert_close(targets, torch.tensor([[value / sum(row) for value in row] for row in rows]))


@given(st.integers(3, 12), st.floats(SMALLEST, LARGEST))
def test_targets_sum_to_1_are_symmetric_and_highest_at_the_label(classes: int, smoothing: float) -> None:
    targets = ordinal_targets(torch.arange(classes).float(), classes, smoothing)
    torch.testing.assert_close(targets.sum(1), torch.ones(classes))
    torch.testing.assert_close(targets, targets.flip(0, 1))  # the classes counted from the other end
    assert targets.argmax(1).tolist() == list(range(classes))
    for label, row in enumerate(targets.tolist()):
        assert row[label:] == sorted(row[label:], reverse=True)
        assert row[: label + 1] == sorted(row[: label + 1])


def test_a_small_smoothing_is_one_hot_and_a_large_one_even() -> None:
    labels = torch.tensor([0.0, 2.0, 4.0])
    torch.testing.assert_close(ordinal_targets(labels, 5, SMALLEST), F.one_hot(labels.long(), 5).float())
    torch.testing.assert_close(ordinal_targets(labels, 5, LARGEST), torch.full((3, 5), 0.2), atol=0.01, rtol=0)


@pytest.mark.parametrize("smoothing", [0.01, 0.5, 2.0])
def test_the_loss_is_the_cross_entropy_with_the_soft_targets(smoothing: float) -> None:
    task = declare(labels=GRADES, ordinal_smoothing=smoothing)
    logits, labels = torch.randn(9, 5), torch.arange(9).remainder(5).float()
    targets = ordinal_targets(labels, 5, smoothing)
    by_hand = -(targets * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(task.kind.row_losses(task, logits, labels), by_hand)
    torch.testing.assert_close(LinearHead(task, 4, 0.0).loss(logits, labels), by_hand.mean())
    plain = F.cross_entropy(logits, labels.long())
    assert torch.isclose(by_hand.mean(), plain) == (smoothing == 0.01)


def test_the_gradient_asks_for_less_of_a_far_class_than_of_a_near_one() -> None:
    logits = torch.zeros(1, 5, requires_grad=True)
    task = declare(labels=GRADES, ordinal_smoothing=1.0)
    task.kind.loss(task, logits, torch.tensor([1.0])).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, 1] < logits.grad[0, 0] < logits.grad[0, 3] < logits.grad[0, 4]
    assert logits.grad[0, 0] == logits.grad[0, 2]


def test_without_smoothing_the_loss_is_bit_for_bit_that_of_torch() -> None:
    task = declare(labels=GRADES)
    logits, labels = torch.randn(9, 5), torch.arange(9).remainder(5).float()
    assert torch.equal(task.kind.loss(task, logits, labels), F.cross_entropy(logits, labels.long()))


def test_weights_of_classes_apply_to_rows_with_soft_targets() -> None:
    task = declare(labels=GRADES, ordinal_smoothing=0.5, class_weights={"2": 3.0})
    logits, labels = torch.randn(4, 5), torch.tensor([0.0, 1, 1, 4])
    weights = torch.tensor([1.0, 3, 3, 1])
    losses = task.kind.row_losses(task, logits, labels)
    expected = (losses * weights).mean()  # weights have the mean 1 over all train rows
    torch.testing.assert_close(LinearHead(task, 4, 0.0).weighted_loss(logits, labels, weights), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_smoothing": 0.1}, r"ordinal_smoothing is 1 and label_smoothing is 0.1, which exclude each other"),
        ({"ordinal_smoothing": 0.001}, r"ordinal_smoothing is 0.001, but it is 0 \(off\) or from 0.01 to 100"),
        ({"ordinal_smoothing": 200}, r"ordinal_smoothing is 200, but it is 0 \(off\) or from 0.01 to 100"),
        ({"ordinal_smoothing": -1.0}, r"'ordinal_smoothing' is -1.0; input should be greater than or equal to 0"),
        ({"ordinal_smoothing": True}, r"'ordinal_smoothing' is true"),
        ({"labels": []}, r"ordinal_smoothing is 1, which needs labels, given in their order"),
        (
            {"kind": "binary", "labels": ["no", "yes"], "loss": "binary_cross_entropy"},
            r"ordinal_smoothing is 1, but a task of kind binary takes none; it is for more than two classes that are ordered",
        ),
        (
            {"kind": "multilabel", "loss": "binary_cross_entropy", "metric": "micro_f1"},
            r"ordinal_smoothing is 1, but a task of kind multilabel takes none",
        ),
        ({"kind": Ordinal(), "loss": "steps"}, r"ordinal_smoothing is 1, but a task of kind ordinal takes none"),
    ],
)
def test_smoothing_that_does_not_fit_the_task_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        declare(**{"labels": GRADES, "ordinal_smoothing": 1.0, **changes})


def test_each_class_of_a_soft_label_spreads_its_probability() -> None:
    task = declare(labels=GRADES, ordinal_smoothing=0.7)
    kernel = ordinal_targets(torch.arange(5), 5, 0.7)
    logits, soft = torch.randn(6, 5), torch.rand(6, 5).softmax(1)
    targets = torch.stack([sum(p * row for p, row in zip(one, kernel, strict=True)) for one in soft])
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    by_hand = -(targets * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(task.kind.row_losses(task, logits, soft), by_hand)
    torch.testing.assert_close(task.kind.loss(task, logits, soft), by_hand.mean())
    labels = torch.tensor([0.0, 4, 2, 1, 3, 3])
    one_hot = torch.from_numpy(task.kind.soft_labels(task, labels.numpy()))
    torch.testing.assert_close(task.kind.loss(task, logits, one_hot), task.kind.loss(task, logits, labels))
    assert not torch.isclose(by_hand.mean(), F.cross_entropy(logits, soft))
