"""A task of one's own as scikit-learn has it."""

import copy
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import swissbert
from swissbert import SwissbertClassifier, SwissbertError, SwissbertRegressor
from swissbert.training.loop import Stopped

pytestmark = pytest.mark.usefixtures("one_thread")

GOOD, BAD = ["good", "great", "fine"], ["bad", "awful", "dull"]
TEXTS = [
    f"the {noun} is {word} {end}" for noun in ("film", "movie", "plot", "dog") for word in GOOD + BAD for end in ".!"
]
GRADES = ["liked" if any(word in text for word in GOOD) else "hated" for text in TEXTS]
SCORES = [100.0 if grade == "liked" else -100.0 for grade in GRADES]
PAIRS = [(text, other) for text, other in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)]
SAME = [int(a == b) for a, b in zip(GRADES, GRADES[1:] + GRADES[:1], strict=True)]


@pytest.fixture(scope="module")
def small(tiny: Path) -> dict[str, Any]:
    """Parameters of the tiny encoder."""
    return {"encoder": str(tiny), "epochs": 6, "batch_size": 8, "lr": 3e-3, "max_length": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def fitted(small: dict[str, Any]) -> SwissbertClassifier:
    before = set(Path(tempfile.gettempdir()).glob("swissbert-*"))
    found = SwissbertClassifier(**small).fit(TEXTS, GRADES)
    assert set(Path(tempfile.gettempdir()).glob("swissbert-*")) == before  # the run folder is gone
    return found


def test_a_classifier_learns_and_answers_in_its_own_labels(fitted: SwissbertClassifier) -> None:
    assert fitted.classes_.tolist() == ["hated", "liked"]
    found = fitted.predict(TEXTS)
    assert found.dtype.kind == "U"
    chances = fitted.predict_proba(np.array(TEXTS))
    assert chances.shape == (48, 2)
    assert chances.sum(1) == pytest.approx(1)
    assert (fitted.classes_[chances.argmax(1)] == found).all()
    assert fitted.score(pd.Series(TEXTS), pd.Series(GRADES)) == (found == GRADES).mean() >= 0.9
    assert fitted.score(TEXTS, GRADES, sample_weight=[1.0] + [0.0] * 47) == float(found[0] == GRADES[0])
    assert fitted.predict([]).shape == (0,)
    assert fitted.model_.predict("label", TEXTS[0]).label_name == found[0]
    assert repr(fitted.model_) == "<swissbert.Model of label from SwissbertClassifier in memory>"


def test_the_same_seed_gives_the_same_model(fitted: SwissbertClassifier) -> None:
    again = clone(fitted).fit(np.array(TEXTS), np.array(GRADES))
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_regressor_stays_in_the_range_it_has_seen(small: dict[str, Any]) -> None:
    small = {**small, "epochs": 15}
    found = SwissbertRegressor(**small).fit(pd.DataFrame({"review": TEXTS}), np.array(SCORES, np.float32))
    said = found.predict(TEXTS)
    assert said.shape == (48,)
    assert said.min() >= -100
    assert said.max() <= 100
    assert found.score(TEXTS, SCORES) > 0.5
    tiny = SwissbertRegressor(**small).fit(TEXTS, [score * 1e-6 for score in SCORES])  # the same steps in other units
    assert tiny.predict(TEXTS) * 1e6 == pytest.approx(said, abs=2)


@pytest.mark.parametrize("kind", ["tuples", "array", "frame"])
def test_pairs_are_tuples_or_two_columns(small: dict[str, Any], kind: str) -> None:
    given = {"tuples": PAIRS, "array": np.array(PAIRS), "frame": pd.DataFrame(PAIRS)}[kind]
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(given, SAME)
    assert model.model_.tasks["label"].is_pair
    assert model.predict(given).dtype.kind == "i"
    assert set(model.predict(PAIRS)) <= {0, 1}
    with pytest.raises(SwissbertError, match="input 1: task 'label' takes a pair of texts"):
        model.predict(TEXTS)


@pytest.mark.parametrize(
    "labels",
    [[3, 11, 7], [("a", 1), ("b", 2), ("a", 2)], ["x", 1, None.__class__], [" ", "", "a "], [True, False], [0.5, 1.5]],
    ids=["ints", "tuples", "mixed", "odd names", "bools", "floats"],
)
def test_labels_are_of_any_hashable_kind(small: dict[str, Any], labels: list[Any]) -> None:
    y = [labels[number % len(labels)] for number in range(len(TEXTS))]
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS, y)
    assert set(model.classes_.tolist()) == set(labels)
    said = model.predict(TEXTS).tolist()
    assert set(said) <= set(labels)
    assert model.score(TEXTS, y) == np.mean([a == b for a, b in zip(said, y, strict=True)])


def test_few_rows_are_learned_from_and_scored_on_all_alike(small: dict[str, Any]) -> None:
    for rows, share in ((2, 0.1), (len(TEXTS), 0)):
        given = TEXTS[4 : 4 + rows * 2 : 2] if rows == 2 else TEXTS
        model = SwissbertClassifier(**{**small, "epochs": 1, "validation_fraction": share}).fit(
            given, ["a", "b"] * (rows // 2)
        )
        assert "label.accuracy" in model.model_.description.scores


def test_search_validation_and_pipelines_work(small: dict[str, Any]) -> None:
    few = SwissbertClassifier(**{**small, "epochs": 1})
    assert cross_val_score(few, TEXTS, GRADES, cv=2).shape == (2,)
    line = make_pipeline(FunctionTransformer(lambda texts: [text.upper() for text in texts]), few)
    search = GridSearchCV(line, {"swissbertclassifier__batch_size": np.array([8, 16])}, cv=2, scoring="neg_log_loss")
    search.fit(TEXTS, GRADES)
    assert search.best_params_["swissbertclassifier__batch_size"] in (8, 16)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(TEXTS).shape == (48,)


def test_parameters_are_scikit_learns_and_input_is_text() -> None:
    model = SwissbertClassifier(epochs=2)
    assert model.get_params() == {**SwissbertClassifier().get_params(), "epochs": 2}
    assert model.set_params(lr=1e-3).lr == 1e-3
    assert clone(model).get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()  # as searches in processes do
    tags = model.__sklearn_tags__().input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)
    assert is_classifier(model)
    assert is_regressor(SwissbertRegressor())


def test_a_fitted_model_is_saved_as_a_folder_and_not_pickled(fitted: SwissbertClassifier, tmp_path: Path) -> None:
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(SwissbertError, match=r"save\(folder\) writes it, and swissbert\.load\(folder\) reads it"):
            copied(fitted)
    fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model")  # again, over itself
    loaded = swissbert.load(tmp_path / "model", "cpu")
    assert np.array_equal(loaded.numbers("label", TEXTS), fitted.predict_proba(TEXTS))
    assert [answer.label_name for answer in loaded.predict("label", TEXTS)] == fitted.predict(TEXTS).tolist()
    assert loaded.description.provenance["data"] == "48 rows given to fit"
    assert "swissbert-" not in (tmp_path / "model" / "swissbert.json").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not lose")
    with pytest.raises(SwissbertError, match="mine: is there already and no model folder"):
        fitted.save(tmp_path / "mine")


@pytest.mark.parametrize("made", [SwissbertClassifier, SwissbertRegressor])
def test_one_that_is_not_fitted_says_so(made: type[Any], tmp_path: Path) -> None:
    for ask in ("predict", "predict_proba", "save"):
        if hasattr(made, ask):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                getattr(made(), ask)([tmp_path] if ask != "save" else tmp_path / "model")


@pytest.mark.parametrize(
    ("changed", "X", "y", "message"),
    [
        ({}, TEXTS, GRADES[1:], "X has 48 rows and y has 47"),
        ({}, [], [], "y has no rows"),
        ({}, "one text", ["a", "b"], "X is 'one text', but it is a list, array or Series"),
        ({}, TEXTS, None, "y is None, but it is a list"),
        ({}, TEXTS, ["a"] * 48, r"y has 1 class\(es\)"),
        ({}, TEXTS, [["a"], ["b"]] * 24, "y is one label for each row"),
        ({}, TEXTS, ["a", None] * 24, r"y\[1\] is None: every text needs a label"),
        ({}, TEXTS, ["a", float("nan")] * 24, r"y\[1\] is nan"),
        ({}, ["good", " "], ["a", "b"], "input 2: the text is empty"),
        ({}, ["good", None], ["a", "b"], "input 2: task 'label' takes one text, not None"),
        ({}, [("a", "b"), "c"], ["a", "b"], "input 2: task 'label' takes a pair of texts, not 'c'"),
        ({}, [1.5, 2.5], ["a", "b"], "input 1: task 'label' takes one text, not 1.5"),
        ({"epochs": 0}, TEXTS, GRADES, "SwissbertClassifier: 'train.epochs' is 0"),
        ({"lr": -1.0}, TEXTS, GRADES, r"SwissbertClassifier: 'train.lr' is -1\.0"),
        ({"device": "abacus"}, TEXTS, GRADES, "SwissbertClassifier: 'train.device' is 'abacus'; auto, cpu"),
        ({"validation_fraction": 1}, TEXTS, GRADES, "validation_fraction is 1, but it is a number from 0 to below 1"),
        ({"encoder": "no/such/folder/"}, TEXTS, GRADES, "no/such/folder"),
    ],
)
def test_what_a_person_can_put_right_is_one_sentence(
    small: dict[str, Any],
    changed: dict[str, Any],
    X: Any,  # noqa: N803
    y: Any,
    message: str,
) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertClassifier(**{**small, **changed}).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["3", "4"], r"y\[0\] is '3', not a finite number"),
        ([1.0, float("inf")], r"y\[1\] is inf"),
        ([2, 2], "y lies between 2.0 and 2.0, which is too narrow"),
        ([1e9, 1e9 + 1], "too narrow or too wide"),
        ([0.0, 1e30], "too narrow or too wide"),
    ],
)
def test_numbers_that_cannot_be_learned_are_one_sentence(small: dict[str, Any], y: list[Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertRegressor(**small).fit(["a", "b"], y)


def test_ctrl_c_ends_a_search_too(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: Any, **more: Any) -> None:
        raise Stopped(1, 2, Path("run"))

    monkeypatch.setattr("swissbert.estimator.train", stopped)
    with pytest.raises(KeyboardInterrupt):
        SwissbertClassifier(**small).fit(TEXTS, GRADES)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.base", None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "swissbert.estimator")
    with pytest.raises(SwissbertError, match=r"need scikit-learn: pip install 'swissbert\[sklearn\]'$"):
        _ = swissbert.SwissbertClassifier
    exec("from swissbert import *", {})
