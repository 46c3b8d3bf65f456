"""Metrics against scikit-learn and SciPy, intervals against theory, and the overall scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from swissbert.evaluation import intervals, overall, task_scores
from swissbert.tasks import Task, make_task


def declare(kind: str, classes: int = 5) -> Task:
    """Declare a task of a kind."""
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
    labels, predicted = np.array(pairs, dtype=float).T
    scores = task_scores(declare("classification"), labels, one_hot(predicted.astype(int), 5))
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0.0))


def test_regression_scores_equal_scipy_and_survive_a_shift_and_scale() -> None:
    rng = np.random.default_rng(0)
    labels = rng.uniform(0, 5, 50)
    predicted = labels + rng.normal(size=50)
    scores = task_scores(declare("regression"), labels, predicted)
    assert scores["pearson"] == pytest.approx(pearsonr(labels, predicted).statistic)
    assert scores["spearman"] == pytest.approx(spearmanr(labels, predicted).statistic)
    assert task_scores(declare("regression"), labels, 1e6 * predicted - 3)["pearson"] == pytest.approx(
        scores["pearson"]
    )


@pytest.mark.parametrize("predicted", [np.full(4, 2.0), np.array([1.0])])
def test_an_undefined_correlation_counts_as_zero(predicted: np.ndarray) -> None:
    assert task_scores(declare("regression"), np.arange(len(predicted), dtype=float), predicted) == {
        "pearson": 0.0,
        "spearman": 0.0,
    }


def test_the_confusion_matrix_has_true_labels_as_rows_and_keeps_absent_classes() -> None:
    table = declare("classification").kind.confusion(
        declare("classification", 4), np.array([0.0, 0, 2]), np.array([0, 2, 2])
    )
    assert table == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert (
        declare("classification").kind.confusion(declare("classification", 4), labels.astype(float), predicted)
        == confusion_matrix(labels, predicted).tolist()
    )


def test_intervals_contain_the_score_and_have_the_width_of_a_binomial() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400).astype(float)
    predicted = np.where(rng.random(400) < 0.8, labels, 1 - labels).astype(int)
    low, high = intervals(declare("binary"), labels, one_hot(predicted, 2))["accuracy"]
    accuracy = task_scores(declare("binary"), labels, one_hot(predicted, 2))["accuracy"]
    assert low < accuracy < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400), rel=0.1)


def test_intervals_depend_on_the_seed_only() -> None:
    rng = np.random.default_rng(2)
    labels, predicted = rng.uniform(0, 5, 80), rng.uniform(0, 5, 80)
    assert intervals(declare("regression"), labels, predicted) == intervals(declare("regression"), labels, predicted)
    assert intervals(declare("regression"), labels, predicted) != intervals(
        declare("regression"), labels, predicted, seed=1
    )


def test_decisions_are_the_most_probable_class_or_the_score_itself() -> None:
    assert declare("binary").kind.decide(np.array([[0.4, 0.6], [0.7, 0.3]])).tolist() == [1, 0]
    assert declare("regression").kind.decide(np.array([1.5, 2.5])).tolist() == [1.5, 2.5]


def test_overall_is_the_mean_of_the_paper_and_the_normalised_one_maps_correlations() -> None:
    scores = overall({"sst": ("accuracy", 0.527), "para": ("accuracy", 0.885), "sts": ("pearson", 0.862)})
    assert scores["overall"] == pytest.approx(0.758, abs=5e-4)  # the paper's Table 4, test
    assert scores["overall_normalised"] == pytest.approx((0.527 + 0.885 + 1.862 / 2) / 3)
