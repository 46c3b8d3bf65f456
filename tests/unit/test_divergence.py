"""Divergences of two answers, which regularisation needs: against other implementations, at extremes, and who has one."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ordinal import Ordinal
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy
from torch import Tensor
from torch.distributions import Bernoulli, kl_divergence

from swissbert.kinds import KINDS
from swissbert.kinds.classification import Classification
from swissbert.model.heads import HEADS, find_head
from swissbert.model.heads.linear import LinearHead
from swissbert.tasks import Task, make_task

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["ants", "bees", "cats"]
TABLES: dict[str, dict[str, Any]] = {
    "classification": {"labels": LABELS, "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
    "regression": {"range": [1, 5], "loss": "mse", "metric": "pearson"},
    "multilabel": {"labels": LABELS, "loss": "binary_cross_entropy", "metric": "micro_f1"},
}


def declare(kind: str, **changes: Any) -> Task:
    columns = {"text": "a", "text_pair": "b", "label": "label"}
    return make_task({"name": "mood", "kind": kind, "columns": columns, **TABLES[kind], **changes}, "here")


def two_logits(task: Task, seed: int = 0, scale: float = 3.0) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    one, two = (random.normal(size=(6, task.outputs)).astype(np.float32) * scale for _ in range(2))
    return torch.from_numpy(one), torch.from_numpy(two)


def test_every_kind_of_the_package_has_one() -> None:
    assert TABLES.keys() == KINDS.keys()
    assert all(kind.has_divergence for kind in KINDS.values())


@given(seed=st.integers(0, 99))
def test_that_of_classes_is_the_symmetric_kullback_leibler_divergence_of_scipy(seed: int) -> None:
    task = declare("classification")
    one, two = two_logits(task, seed)
    p, q = (softmax(logits.double().numpy(), axis=1) for logits in (one, two))
    expected = np.mean(entropy(p, q, axis=1) + entropy(q, p, axis=1))
    assert task.kind.divergence(task, one, two).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_that_of_one_logit_a_label_is_the_one_of_bernoulli_distributions(kind: str, seed: int) -> None:
    task = declare(kind)
    one, two = two_logits(task, seed)
    p, q = (Bernoulli(logits=logits.double()) for logits in (one, two))
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).mean().item()
    assert task.kind.divergence(task, one, two).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({}, lambda z: z),
        ({"scale": "unit"}, lambda z: z),
        ({"output": "sigmoid"}, lambda z: 4 * expit(z)),
        ({"output": "sigmoid", "scale": "unit"}, expit),
    ],
    ids=["labels", "unit", "sigmoid", "sigmoid unit"],
)
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_that_of_scores_is_their_squared_difference_on_the_scale_of_the_loss(
    changes: dict[str, Any], score: Any, loss: str
) -> None:
    task = declare("regression", **{"scale": "labels", "output": "linear", "loss": loss, **changes})
    one, two = two_logits(task)
    expected = np.mean((score(one.numpy()) - score(two.numpy())) ** 2)
    assert task.kind.divergence(task, one, two).item() == pytest.approx(expected, rel=1e-4)


def test_that_of_a_cosine_is_the_squared_difference_of_cosines_or_of_their_scores() -> None:
    head = find_head("cosine")
    one, two = torch.tensor([[0.5], [-1.0]]), torch.tensor([[0.1], [1.0]])
    expected = (0.4**2 + 2**2) / 2
    assert head(declare("binary"), 8, 0.0).divergence(one, two).item() == pytest.approx(expected)
    assert head(declare("regression", scale="labels"), 8, 0.0).divergence(one, two).item() == pytest.approx(
        expected * 2**2  # cosines from -1 to 1 become scores from 1 to 5
    )
    assert head(declare("regression", scale="unit"), 8, 0.0).divergence(one, two).item() == pytest.approx(expected / 4)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_is_symmetric_zero_for_equal_answers_and_finite_at_extremes(name: str, kind: str) -> None:
    task, head_class = declare(kind), find_head(name)
    if head_class.misfit(task, separate=True):
        return
    head = head_class(task, 8, 0.0)
    assert head.has_divergence
    one, two = two_logits(task)
    assert head.divergence(one, two).item() == pytest.approx(head.divergence(two, one).item(), rel=1e-5)
    assert head.divergence(one, two).item() > 0
    assert head.divergence(one, one.clone()).item() == 0
    for signs in ((1, -1), (1, 1), (-1, -1)):
        first, second = (torch.full((2, task.outputs), sign * 1e4) for sign in signs)
        first[:, 0], second[0, 0] = -1e4, 1e4
        first.requires_grad_(), second.requires_grad_()
        value = head.divergence(first, second)
        value.backward()  # type: ignore[no-untyped-call]
        assert value.isfinite()
        assert value >= 0
        assert first.grad is not None
        assert first.grad.isfinite().all()
        assert second.grad is not None
        assert second.grad.isfinite().all()


def test_classes_far_apart_have_the_divergence_of_their_logarithms() -> None:
    task = declare("classification")
    one, two = torch.tensor([[1e4, 0.0, 0.0]]), torch.tensor([[0.0, 1e4, 0.0]])
    p, q = log_softmax(one.double().numpy()), log_softmax(two.double().numpy())
    expected = ((np.exp(p) - np.exp(q)) * (p - q)).sum()
    assert task.kind.divergence(task, one, two).item() == pytest.approx(expected)


# From outside the package


class Focal(LinearHead):
    """A loss of its own, and no divergence."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(logits, labels) ** 2


class FocalToo(Focal):
    """The same with one."""

    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:
        return (logits - others).abs().mean()


class Renamed(Classification):
    """Other words for the same answers."""

    name = "renamed"


class OrdinalToo(Ordinal):
    """Own answers and a divergence."""

    def divergence(self, task: Task, logits: Tensor, others: Tensor) -> Tensor:
        return (self.answers(task, logits) - self.answers(task, others)).square().mean()


def test_a_class_with_own_answers_or_an_own_loss_needs_its_own() -> None:
    assert not Ordinal().has_divergence
    assert OrdinalToo().has_divergence
    assert Renamed().has_divergence
    assert not Focal(declare("classification"), 8, 0.0).has_divergence
    assert FocalToo(declare("classification"), 8, 0.0).has_divergence
