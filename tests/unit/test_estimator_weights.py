"""Weights in estimators: sample_weight, class_weight, and the hold-out by label."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.utils.class_weight import compute_sample_weight

from swissbert import SwissbertClassifier, SwissbertError, SwissbertRegressor

TEXTS = [
    f"the {noun} is {word}" for noun in ("film", "movie", "plot", "dog") for word in ("good", "bad", "fine", "dull")
]
Y = [0] * 12 + [1] * 4
WEIGHTS = np.linspace(0.5, 3, 16)


@pytest.fixture(scope="module", autouse=True)
def _pinned() -> Iterator[None]:
    """Train in fp32 on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWISSBERT_CPU", "plain")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def small(tiny: Path) -> dict[str, Any]:
    """Parameters of the tiny encoder; all rows are train rows."""
    small = {"encoder": str(tiny), "epochs": 2, "batch_size": 4, "lr": 3e-3, "max_length": 32, "device": "cpu"}
    return {**small, "validation_fraction": 0.0}


def answers(model: Any, y: Any = Y, **fit: Any) -> Any:
    """Fit a model and return its answers."""
    model.fit(TEXTS, y, **fit)
    return model.predict_proba(TEXTS) if hasattr(model, "predict_proba") else model.predict(TEXTS)


@pytest.mark.parametrize("estimator", [SwissbertClassifier, SwissbertRegressor])
def test_weights_change_the_model_and_equal_weights_do_not(small: dict[str, Any], estimator: type[Any]) -> None:
    plain = answers(estimator(**small))
    for equal in (None, 1, [2.0] * 16):
        assert np.array_equal(answers(estimator(**small), sample_weight=equal), plain)
    weighted = answers(estimator(**small), sample_weight=WEIGHTS)
    assert not np.allclose(weighted, plain, atol=1e-6)
    assert np.allclose(answers(estimator(**small), sample_weight=10 * WEIGHTS), weighted, atol=1e-4)


def test_a_row_of_weight_0_counts_as_left_out(small: dict[str, Any]) -> None:
    weights = [1.0] * 15 + [0.0]
    y = [*Y[:15], 0]
    model = SwissbertClassifier(**small).fit(TEXTS, y, sample_weight=weights)
    shorter = SwissbertClassifier(**small).fit(TEXTS[:15], y[:15])
    assert np.array_equal(model.predict_proba(TEXTS), shorter.predict_proba(TEXTS))


def test_class_weights_are_those_of_scikit_learn(small: dict[str, Any]) -> None:
    for class_weight in ("balanced", {0: 1.0, 1: 4.0}, {1: 4.0}):
        by_class = answers(SwissbertClassifier(**small, class_weight=class_weight))
        full = {0: 1.0, **class_weight} if isinstance(class_weight, dict) else class_weight
        by_row = answers(SwissbertClassifier(**small), sample_weight=compute_sample_weight(full, Y))
        assert np.allclose(by_class, by_row, atol=1e-4), class_weight
    both = answers(SwissbertClassifier(**small, class_weight={1: 4.0}), sample_weight=WEIGHTS)
    product = answers(SwissbertClassifier(**small), sample_weight=WEIGHTS * np.where(np.array(Y) == 1, 4, 1))
    assert np.allclose(both, product, atol=1e-4)
    rare = answers(SwissbertClassifier(**small, class_weight={1: 20.0}))[:, 1].mean()
    assert rare > answers(SwissbertClassifier(**small))[:, 1].mean()


def test_class_weights_of_several_labels_per_row(small: dict[str, Any]) -> None:
    topics = [["text", "good"] if y else ["text"] for y in Y]
    plain = answers(SwissbertClassifier(**small), topics)
    raised = answers(SwissbertClassifier(**small, class_weight={"good": 20.0}), topics)
    column = ["good", "text"].index("good")
    assert raised[:, column].mean() > plain[:, column].mean()


def test_tools_of_scikit_learn_pass_weights_on(small: dict[str, Any]) -> None:
    model = SwissbertClassifier(**small)
    unweighted = cross_validate(model, TEXTS, Y, cv=2, return_estimator=True)["estimator"]
    passed = cross_validate(model, TEXTS, Y, cv=2, params={"sample_weight": WEIGHTS}, return_estimator=True)[
        "estimator"
    ]
    assert not np.array_equal(passed[0].predict_proba(TEXTS), unweighted[0].predict_proba(TEXTS))
    with config_context(enable_metadata_routing=True):
        routed = SwissbertClassifier(**small).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_val_score(routed, TEXTS, Y, cv=2, params={"sample_weight": WEIGHTS})
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("estimator", [SwissbertClassifier, SwissbertRegressor])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 3, "sample_weight has 3 values, but X has 16 rows"),
        ([1.0, -1.0] * 8, r"sample_weight\[1\] is -1\.0, but a weight is a finite number from 0"),
        ([float("nan")] * 16, r"sample_weight\[0\] is nan"),
        ([1.0, float("inf")] * 8, r"sample_weight\[1\] is inf"),
        (["heavy"] * 16, r"sample_weight\[0\] is 'heavy'"),
        ([0] * 16, "sample_weight is 0 for every row"),
        ("balanced", "sample_weight is 'balanced', but it must be a list"),
        ({"a": 1}, "sample_weight is a dict"),
    ],
)
def test_sample_weights_that_are_none_are_refused(
    small: dict[str, Any], estimator: type[Any], weights: Any, message: str
) -> None:
    with pytest.raises(SwissbertError, match=message):
        estimator(**small).fit(TEXTS, Y, sample_weight=weights)


def test_weights_must_leave_two_labels(small: dict[str, Any]) -> None:
    with pytest.raises(SwissbertError, match="only rows with the label 0 have a sample_weight above 0"):
        SwissbertClassifier(**small).fit(TEXTS, Y, sample_weight=[1.0 - y for y in Y])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "class_weight is 'even', but it must be 'balanced', a dictionary of labels and weights, or None"),
        ([1, 2], r"class_weight is \[1, 2\]"),
        ({2: 1.0}, r"class_weight has 2, which is not a label of y; the labels are \[0, 1\]"),
        ({"1": 1.0}, "class_weight has '1', which is not a label of y"),
        ({1: -1.0}, r"class_weight\[1\] is -1\.0, but a weight is a finite number from 0"),
    ],
)
def test_class_weights_that_are_none_are_refused(small: dict[str, Any], class_weight: Any, message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertClassifier(**small, class_weight=class_weight).fit(TEXTS, Y)


def test_every_label_is_on_both_sides_of_the_hold_out(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[Any] = []

    def stop(config: Any, task: Any, train_rows: Any, dev_rows: Any, display: Any) -> Any:
        sides.extend((train_rows, dev_rows))
        raise KeyboardInterrupt

    monkeypatch.setattr("swissbert.estimator.fitting._train_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        SwissbertClassifier(**{**small, "validation_fraction": 0.1}).fit(TEXTS, [0] * 14 + [1] * 2)
    train_rows, dev_rows = sides
    assert {row["label"] for row in train_rows} == {row["label"] for row in dev_rows} == {"0", "1"}
    assert len(train_rows) + len(dev_rows) == 16
