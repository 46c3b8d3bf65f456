"""Scores against scikit-learn and SciPy, intervals against their theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from swissbert.evaluation import intervals, overall, task_scores
from swissbert.tasks import Task, make_task


def declare(kind: str, classes: int = 5) -> Task:
    """A task of a kind."""
    scored = {"range": [-1e9, 1e9], "loss": "mse", "metric": "pearson"}
    loss = "binary_cross_entropy" if kind == "binary" else "cross_entropy"
    named = {
        "labels": [f"label {i}" for i in range(2 if kind == "binary" else classes)],
        "loss": loss,
        "metric": "accuracy",
    }
    columns = {"text": "text", "label": "label"}
    return make_task(
        {"name": "t", "kind": kind, "columns": columns, **(scored if kind == "regression" else named)}, "here"
    )


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    answers: np.ndarray = np.eye(count)[classes]
    return answers


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_classification_scores_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, said = np.array(pairs, dtype=float).T
    found = task_scores(declare("classification"), labels, one_hot(said.astype(int), 5))
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, said))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, said, average="macro", zero_division=0.0))


def test_regression_scores_equal_scipy_and_survive_a_shift_and_scale() -> None:
    rng = np.random.default_rng(0)
    labels = rng.uniform(0, 5, 50)
    said = labels + rng.normal(size=50)
    found = task_scores(declare("regression"), labels, said)
    assert found["pearson"] == pytest.approx(pearsonr(labels, said).statistic)
    assert found["spearman"] == pytest.approx(spearmanr(labels, said).statistic)
    assert task_scores(declare("regression"), labels, 1e6 * said - 3)["pearson"] == pytest.approx(found["pearson"])


@pytest.mark.parametrize("said", [np.full(4, 2.0), np.array([1.0])])
def test_a_correlation_that_is_not_defined_counts_as_zero(said: np.ndarray) -> None:
    assert task_scores(declare("regression"), np.arange(len(said), dtype=float), said) == {
        "pearson": 0.0,
        "spearman": 0.0,
    }


def test_confusion_counts_true_by_row_and_keeps_absent_classes() -> None:
    table = declare("classification").kind.confusion(
        declare("classification", 4), np.array([0.0, 0, 2]), np.array([0, 2, 2])
    )
    assert table == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    rng = np.random.default_rng(0)
    labels, said = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert (
        declare("classification").kind.confusion(declare("classification", 4), labels.astype(float), said)
        == confusion_matrix(labels, said).tolist()
    )


def test_intervals_hold_the_score_and_have_the_width_that_theory_says() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400).astype(float)
    said = np.where(rng.random(400) < 0.8, labels, 1 - labels).astype(int)
    low, high = intervals(declare("binary"), labels, one_hot(said, 2))["accuracy"]
    accuracy = task_scores(declare("binary"), labels, one_hot(said, 2))["accuracy"]
    assert low < accuracy < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400), rel=0.1)


def test_intervals_are_the_same_for_the_same_seed_and_change_with_it() -> None:
    rng = np.random.default_rng(2)
    labels, said = rng.uniform(0, 5, 80), rng.uniform(0, 5, 80)
    assert intervals(declare("regression"), labels, said) == intervals(declare("regression"), labels, said)
    assert intervals(declare("regression"), labels, said) != intervals(declare("regression"), labels, said, seed=1)


def test_decisions_take_the_likeliest_class_and_leave_scores_alone() -> None:
    assert declare("binary").kind.decide(np.array([[0.4, 0.6], [0.7, 0.3]])).tolist() == [1, 0]
    assert declare("regression").kind.decide(np.array([1.5, 2.5])).tolist() == [1.5, 2.5]


def test_overall_is_the_papers_mean_and_the_normalised_one_maps_correlations() -> None:
    found = overall({"sst": ("accuracy", 0.527), "para": ("accuracy", 0.885), "sts": ("pearson", 0.862)})
    assert found["overall"] == pytest.approx(0.758, abs=5e-4)  # the paper's Table 4, test
    assert found["overall_normalised"] == pytest.approx((0.527 + 0.885 + 1.862 / 2) / 3)
