"""Metrics against scikit-learn and SciPy, intervals against theory, and the overall scores."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    recall_score,
    roc_auc_score,
)

from swissbert.evaluation import TaskScores, intervals, overall, task_scores, with_overall
from swissbert.evaluation.confused import most_confused, worst_labels
from swissbert.evaluation.notes import labels_reason, notes_on
from swissbert.metrics import ranks, shown_as
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


def equal(ours: float, theirs: float) -> bool:
    """Whether two figures are equal, or both undefined."""
    return ours == pytest.approx(theirs, abs=1e-9, nan_ok=True)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_classification_scores_equal_scikit_learn_or_are_undefined(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs, dtype=float).T
    scores = task_scores(declare("classification"), labels, one_hot(predicted.astype(int), 5))
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    several = len(set(labels)) > 1
    macro = f1_score(labels, predicted, average="macro", zero_division=0.0) if several else math.nan
    assert equal(scores["macro_f1"], macro)
    recalls = [(predicted[labels == c] == c).mean() for c in set(labels)]
    assert equal(scores["balanced_accuracy"], np.mean(recalls) if several else math.nan)
    varied = several and len(set(predicted)) > 1
    assert equal(scores["mcc"], matthews_corrcoef(labels, predicted) if varied else math.nan)


TIED = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])


@given(st.lists(st.tuples(st.integers(0, 1), TIED), min_size=1, max_size=60))
def test_binary_scores_equal_scikit_learn_or_are_undefined(rows: list[tuple[int, float]]) -> None:
    labels, positive = np.array(rows, dtype=float).T
    predicted = (positive > 0.5).astype(int)
    scores = task_scores(declare("binary"), labels, np.stack([1 - positive, positive], 1))
    both, positives = len(set(labels)) == 2, labels.any()
    assert equal(scores["f1"], f1_score(labels, predicted, zero_division=0.0) if positives else math.nan)
    assert equal(scores["recall"], recall_score(labels, predicted) if positives else math.nan)
    judged = positives and predicted.any()
    assert equal(scores["precision"], precision_score(labels, predicted) if judged else math.nan)
    assert equal(scores["roc_auc"], roc_auc_score(labels, positive) if both else math.nan)
    assert equal(scores["average_precision"], average_precision_score(labels, positive) if both else math.nan)
    varied = both and len(set(predicted)) == 2
    assert equal(scores["mcc"], matthews_corrcoef(labels, predicted) if varied else math.nan)


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.1, 0.5, 3.0])), min_size=1, max_size=30))
def test_regression_scores_equal_scipy_or_are_undefined(rows: list[tuple[int, float]]) -> None:
    labels, predicted = np.array(rows, dtype=float).T
    scores = task_scores(declare("regression"), labels, predicted)
    defined = len(set(labels)) > 1 and len(set(predicted)) > 1
    assert equal(scores["pearson"], pearsonr(labels, predicted).statistic if defined else math.nan)
    assert equal(scores["spearman"], spearmanr(labels, predicted).statistic if defined else math.nan)
    assert equal(scores["mae"], mean_absolute_error(labels, predicted))
    assert equal(scores["rmse"], mean_squared_error(labels, predicted) ** 0.5)


@given(st.lists(st.sampled_from([-math.inf, -1e300, -1.0, -0.0, 0.0, 1e-300, 1.0, math.inf, math.nan]), min_size=1))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    np.testing.assert_array_equal(ranks(np.array(values)), rankdata(values))


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


def test_an_undefined_metric_has_no_interval_and_the_others_leave_undefined_samples_out() -> None:
    constant = intervals(declare("regression"), np.arange(4.0), np.full(4, 2.0), resamples=20)
    assert constant.keys() == {"mae", "rmse"}
    labels = np.array([1.0, *[0.0] * 9])  # a third of all samples has no positive row
    spans = intervals(declare("binary"), labels, one_hot(labels.astype(int), 2), resamples=100)
    assert spans["f1"] == spans["roc_auc"] == (1.0, 1.0)


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


def result(metric: str, value: float) -> TaskScores:
    """Return scores with one figure."""
    return TaskScores(metric, 10, 0, {metric: value})


def test_overall_leaves_out_what_rows_do_not_define_and_errors_and_says_so() -> None:
    scores = {"mood": result("accuracy", 0.5), "topic": result("macro_f1", math.nan), "grade": result("mae", 3.0)}
    both = with_overall(scores, {"mood": None, "topic": "all 10 rows have the label 'x'", "grade": None})
    assert both.overall == 0.5
    assert both.notes == [
        "overall leaves out topic, whose macro_f1 these rows do not define and grade, whose mae is an error (lower is better)"
    ]
    only = with_overall({"grade": scores["grade"]}, {"grade": None})
    assert math.isnan(only.overall)
    assert json.loads(json.dumps(only.as_json(), allow_nan=False))["overall"] is None


def test_overall_is_undefined_where_the_model_answers_the_same_to_everything() -> None:
    """Else a model that has collapsed on one task would be compared by the others alone, and might win."""
    scores = {"sst": result("accuracy", 0.5), "sts": result("pearson", math.nan)}
    assert math.isnan(with_overall(scores, {"sst": None, "sts": None}).overall)
    assert "sts.pearson" not in with_overall(scores, {"sst": None, "sts": None}).flat()


@pytest.mark.parametrize(
    ("kind", "labels", "answers", "notes"),
    [
        ("binary", [0, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], []),
        (
            "binary",
            [1, 1, 1],
            [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]],
            [
                "macro_f1, balanced_accuracy, mcc, roc_auc and average_precision are undefined: all 3 rows have the label "
                "'label 1'",
                "accuracy says nothing here: always answering 'label 1' scores 1.000",
            ],
        ),
        (
            "binary",
            [0, 1],
            [[0.9, 0.1], [0.8, 0.2]],
            ["precision and mcc are undefined: the model answers 'label 0' to every row"],
        ),
        (
            "classification",
            [0, 1, 3],
            np.eye(5)[[0, 1, 1]],
            ["no row has one of 2 of the 5 labels: 'label 2', 'label 4'"],
        ),
        (
            "regression",
            [2.0, 2.0],
            [1.0, 3.0],
            ["pearson and spearman are undefined: all 2 rows have the label '2.00'"],
        ),
        (
            "regression",
            [2.0],
            [1.0],
            ["pearson and spearman are undefined: there is 1 row only, with the label '2.00'"],
        ),
    ],
)
def test_notes_say_which_figures_are_undefined_and_why(
    kind: str, labels: list[float], answers: list[object], notes: list[str]
) -> None:
    task, true, given = declare(kind), np.array(labels, float), np.array(answers, float)
    values = task_scores(task, true, given)
    assert notes_on(task, true, task.kind.decide(given), values) == notes
    assert (labels_reason(task, true) is None) == (len(set(labels)) > 1)


def test_the_most_confused_pairs_and_worst_labels_equal_a_sorted_list() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 150, 2000), rng.integers(0, 150, 2000)
    labels = [f"label {i}" for i in range(150)]
    table = confusion_matrix(true, predicted, labels=range(150)).tolist()
    pairs = most_confused(labels, table)
    counts = sorted((table[i][j] for i in range(150) for j in range(150) if i != j), reverse=True)
    assert [count for _, _, count in pairs] == counts[: len(pairs)]
    assert all(table[labels.index(a)][labels.index(b)] == count for a, b, count in pairs)
    shares = sorted(table[i][i] / sum(table[i]) for i in range(150) if sum(table[i]))
    assert [share for *_, share in worst_labels(labels, table)] == pytest.approx(
        shares[: len(worst_labels(labels, table))]
    )
    assert most_confused(["a", "b"], [[3, 0], [0, 0]]) == []
    assert worst_labels(["a", "b"], [[3, 0], [0, 0]]) == [("a", 3, 3, 1.0)]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("mae", 3.57e-06, "3.57e-06"),
        ("rmse", 0.02, "0.02"),
        ("mae", 0.5, "0.500"),
        ("mae", 3565558681.65, "3,565,558,682"),
        ("mae", 0.0, "0.000"),
        ("rmse", float("nan"), "undefined"),
        ("pearson", 1e-9, "0.000"),
    ],
)
def test_errors_in_the_unit_of_the_labels_are_shown_with_their_digits(metric: str, value: float, text: str) -> None:
    assert shown_as(metric, value) == text
