"""Estimators: learning, labels and input of every form, scikit-learn's tools, saving, and messages."""

import json
import pickle
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score, classification_report, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MultiLabelBinarizer

import swissbert
from swissbert import SwissbertClassifier, SwissbertError, SwissbertRegressor
from swissbert.training.loop import train
from swissbert.training.result import Stopped

pytestmark = pytest.mark.usefixtures("one_thread", "fp32")

GOOD, BAD = ["good", "great", "fine"], ["bad", "awful", "dull"]
NOUNS = ("film", "movie", "plot", "dog")
TEXTS = [f"the {noun} is {word} {end}" for noun in NOUNS for word in GOOD + BAD for end in ".!"]
GRADES = ["liked" if any(word in text for word in GOOD) else "hated" for text in TEXTS]
SCORES = [100.0 if grade == "liked" else -100.0 for grade in GRADES]
PAIRS = [(text, other) for text, other in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)]
SAME = [int(a == b) for a, b in zip(GRADES, GRADES[1:] + GRADES[:1], strict=True)]
TOPICS = ["good", "loud", "screen"]
TOPIC_LISTS = [
    [topic for topic, has in zip(TOPICS, (grade == "liked", "!" in text, "dog" not in text), strict=True) if has]
    for text, grade in zip(TEXTS, GRADES, strict=True)
]
INDICATOR = np.array([[int(topic in topics) for topic in TOPICS] for topics in TOPIC_LISTS])


@pytest.fixture(scope="module")
def fp32() -> Any:
    """Train in fp32 whatever the processor: estimators leave the precision of training to the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWISSBERT_CPU", "plain")
        yield


@pytest.fixture(scope="module")
def small(tiny: Path) -> dict[str, Any]:
    """Parameters of the tiny encoder."""
    return {"encoder": str(tiny), "epochs": 6, "batch_size": 8, "lr": 3e-3, "max_length": 32, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def _one_thread_in_fixtures_too() -> Iterator[None]:
    """Pin the number of threads for fixtures of the module, which are set up before those of a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def fitted(small: dict[str, Any], fp32: None, tmp_path_factory: pytest.TempPathFactory) -> SwissbertClassifier:
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        model = SwissbertClassifier(**small).fit(TEXTS, GRADES)
    assert not list(temporary.glob("swissbert-*")), "the run folder was not removed"
    return model


@pytest.fixture(scope="module")
def multilabel(small: dict[str, Any], fp32: None) -> SwissbertClassifier:
    return SwissbertClassifier(**{**small, "epochs": 12}).fit(TEXTS, INDICATOR)


def test_a_classifier_learns_and_predicts_its_own_labels(fitted: SwissbertClassifier) -> None:
    assert fitted.classes_.tolist() == ["hated", "liked"]
    predicted = fitted.predict(TEXTS)
    assert predicted.dtype.kind == "U"
    probabilities = fitted.predict_proba(np.array(TEXTS))
    assert probabilities.shape == (48, 2)
    assert probabilities.sum(1) == pytest.approx(1)
    assert (fitted.classes_[probabilities.argmax(1)] == predicted).all()
    assert fitted.score(pd.Series(TEXTS), pd.Series(GRADES)) == (predicted == GRADES).mean() >= 0.9
    assert fitted.score(TEXTS, GRADES, sample_weight=[1.0] + [0.0] * 47) == float(predicted[0] == GRADES[0])
    assert fitted.predict([]).shape == (0,)
    assert fitted.model_.predict("label", TEXTS[0]).label_name == predicted[0]
    assert repr(fitted.model_) == "<swissbert.Model of label from SwissbertClassifier in memory>"


def test_the_same_seed_gives_the_same_model(fitted: SwissbertClassifier) -> None:
    again = clone(fitted).fit(np.array(TEXTS), np.array(GRADES))
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_regressor_predicts_inside_the_range_of_y_whatever_its_units(small: dict[str, Any]) -> None:
    small = {**small, "epochs": 15}
    model = SwissbertRegressor(**small).fit(pd.DataFrame({"review": TEXTS}), np.array(SCORES, np.float32))
    predicted = model.predict(TEXTS)
    assert predicted.shape == (48,)
    assert predicted.min() >= -100
    assert predicted.max() <= 100
    assert model.score(TEXTS, SCORES) > 0.5
    rescaled = SwissbertRegressor(**small).fit(TEXTS, [score * 1e-6 for score in SCORES])
    assert rescaled.predict(TEXTS) * 1e6 == pytest.approx(predicted, abs=2)


@pytest.mark.parametrize("form", ["tuples", "array", "frame"])
def test_pairs_are_tuples_or_two_columns(small: dict[str, Any], form: str) -> None:
    given = {"tuples": PAIRS, "array": np.array(PAIRS), "frame": pd.DataFrame(PAIRS)}[form]
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(given, SAME)
    assert model.model_.tasks["label"].is_pair
    assert model.predict(given).dtype.kind == "i"
    assert set(model.predict(PAIRS)) <= {0, 1}
    with pytest.raises(
        SwissbertError, match=r"X\[0\] is one text, 'the film is good \.', but the model takes a pair of texts"
    ):
        model.predict(TEXTS)


@pytest.mark.parametrize(
    "labels",
    [
        [3, 11, 7],
        [("a", 1), ("b", 2), ("a", 2)],
        ["x", 1, None.__class__],
        [" x", "x", "a "],
        [True, False],
        [0.5, 1.5],
    ],
    ids=["ints", "tuples", "mixed", "odd names", "bools", "floats"],
)
def test_labels_may_be_of_any_hashable_type(small: dict[str, Any], labels: list[Any]) -> None:
    y = [labels[number % len(labels)] for number in range(len(TEXTS))]
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS, y)
    assert set(model.classes_.tolist()) == set(labels)
    predicted = model.predict(TEXTS).tolist()
    assert set(predicted) <= set(labels)
    assert model.score(TEXTS, y) == np.mean([a == b for a, b in zip(predicted, y, strict=True)])


@pytest.mark.parametrize(("rows", "share"), [(2, 0.1), (48, 0)])
def test_all_rows_serve_as_train_and_dev_rows_if_they_cannot_be_split(
    small: dict[str, Any], rows: int, share: float
) -> None:
    texts = TEXTS[4:8:2] if rows == 2 else TEXTS
    parameters = {**small, "epochs": 1, "validation_fraction": share}
    model = SwissbertClassifier(**parameters).fit(texts, ["a", "b"] * (rows // 2))
    assert "label.accuracy" in model.model_.description.scores


def test_labels_that_are_the_same_as_texts_are_told(small: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match=r"^y has the labels '1' and 1, which are two classes; use one type if"):
        model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS[:4], [0, "1", 0, 1])
    assert model.classes_.tolist() == [0, 1, "1"]


def test_an_accuracy_on_labels_that_are_all_unknown_is_refused(small: dict[str, Any]) -> None:
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS[:4], [0, 1, 0, 1])
    assert model.score(TEXTS[:2], [*model.predict(TEXTS[:1]).tolist(), 7]) == 0.5
    with pytest.raises(SwissbertError, match=r"^y\[0\] is '0', and no label of y is one of the classes \[0, 1\]"):
        model.score(TEXTS[:2], ["0", "1"])


def test_columns_of_pairs_keep_their_order(small: dict[str, Any]) -> None:
    pairs = pd.DataFrame({"first": TEXTS[:4], "second": TEXTS[4:8]})
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(pairs, [0, 1, 0, 1])
    assert model.feature_names_in_.tolist() == ["first", "second"]
    swapped = pairs[["second", "first"]]
    with pytest.raises(SwissbertError, match=r"^X has the columns .*, but SwissbertClassifier was fitted on"):
        model.predict(swapped)
    assert model.predict_proba(swapped.to_numpy()).shape == (4, 2)
    model.fit(pairs.to_numpy(), [0, 1, 0, 1])
    assert model.predict(swapped).shape == (4,)


# Multilabel


def test_an_indicator_matrix_is_learned_and_predicted(multilabel: SwissbertClassifier) -> None:
    assert multilabel.classes_.tolist() == [0, 1, 2]
    assert multilabel.multilabel_
    predicted, probabilities = multilabel.predict(TEXTS), multilabel.predict_proba(TEXTS)
    assert predicted.shape == probabilities.shape == (48, 3)
    assert predicted.dtype.kind == "i"
    assert np.array_equal(predicted, probabilities >= 0.5)
    assert multilabel.predict([]).shape == (0, 3)
    assert f1_score(INDICATOR, predicted, average="micro") > 0.85
    assert multilabel.score(TEXTS, INDICATOR) == accuracy_score(INDICATOR, predicted) > 0.5
    weights = np.arange(48)
    expected = accuracy_score(INDICATOR, predicted, sample_weight=weights)
    assert multilabel.score(TEXTS, INDICATOR, sample_weight=weights) == pytest.approx(expected)
    assert multilabel.model_.predict("label", TEXTS[0]).labels == np.flatnonzero(predicted[0]).tolist()


def test_metrics_of_scikit_learn_take_multilabel_predictions(multilabel: SwissbertClassifier) -> None:
    report = classification_report(INDICATOR, multilabel.predict(TEXTS), output_dict=True, zero_division=0.0)
    assert {"0", "1", "2", "micro avg", "macro avg"} <= report.keys()
    assert roc_auc_score(INDICATOR, multilabel.predict_proba(TEXTS), average="macro") > 0.85


def test_every_form_of_multilabel_y_gives_the_same_model(small: dict[str, Any]) -> None:
    forms: dict[str, tuple[Any, list[Any]]] = {
        "lists": (TOPIC_LISTS, TOPICS),
        "sets": ([set(topics) for topics in TOPIC_LISTS], TOPICS),
        "series": (pd.Series(TOPIC_LISTS), TOPICS),
        "frame": (pd.DataFrame(INDICATOR, columns=TOPICS), TOPICS),
        "array": (INDICATOR.astype(bool), [0, 1, 2]),
        "nested lists": (INDICATOR.tolist(), [0, 1, 2]),
        "sparse": (csr_array(INDICATOR), [0, 1, 2]),
    }
    answers = {}
    for form, (y, classes) in forms.items():
        model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS, y)
        assert model.classes_.tolist() == classes, form
        answers[form] = model.predict_proba(TEXTS)
        predicted = model.predict(TEXTS)
        assert model.score(TEXTS, y) == accuracy_score(INDICATOR, predicted), form
        assert model.score(TEXTS, INDICATOR) == accuracy_score(INDICATOR, predicted), form
    assert all(np.array_equal(answers["lists"], other) for other in answers.values())


def test_rows_may_have_no_label_and_unknown_labels_count_as_wrong(small: dict[str, Any]) -> None:
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS[:8], [["a"], [], ["b", "a"], []] * 2)
    assert model.classes_.tolist() == ["a", "b"]
    names = [{model.classes_[column] for column in np.flatnonzero(row)} for row in model.predict(TEXTS[:2])]
    assert model.score(TEXTS[:2], [names[0], names[1] | {"c"}]) == 0.5


def test_multilabel_classifiers_work_in_validation_and_are_tagged(small: dict[str, Any]) -> None:
    model = SwissbertClassifier(**{**small, "epochs": 1})
    assert model.__sklearn_tags__().classifier_tags.multi_label
    matrix = MultiLabelBinarizer().fit_transform(TOPIC_LISTS)
    assert np.isfinite(cross_val_score(model, TEXTS, matrix, cv=2, scoring="f1_micro")).all()


def test_a_multilabel_classifier_is_saved_with_the_names_of_its_labels(small: dict[str, Any], tmp_path: Path) -> None:
    model = SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS, TOPIC_LISTS)
    model.save(tmp_path / "model")
    loaded = swissbert.load(tmp_path / "model", "cpu")
    assert loaded.tasks["label"].labels == TOPICS
    assert np.array_equal(loaded.numbers("label", TEXTS), model.predict_proba(TEXTS))
    predicted = [[name in (answer.label_names or []) for name in TOPICS] for answer in loaded.predict("label", TEXTS)]
    assert np.array_equal(predicted, model.predict(TEXTS))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.array([[0, 1], [2, 0]]),
            r"y\[1, 0\] is .*2.*, but an indicator matrix holds 0 and 1; .*MultiOutputClassifier",
        ),
        (np.array([[0, 1], [np.nan, 0]]), r"y\[1, 0\] is .*nan"),
        (np.array([["a", "b"], ["a", "c"]]), r"y\[0, 0\] is .*'a'.*, but an indicator matrix holds 0 and 1"),
        (csr_array([[0], [1]]), r"y has the shape \[2, 1\]; use one label per row, \[N\], or an indicator matrix"),
        (np.zeros((2, 2, 2)), r"y has the shape \[2, 2, 2\]"),
        (np.zeros((0, 2)), "y has no rows"),
        (np.zeros((3, 2)), "X has 2 rows, but y has 3"),
        (
            pd.DataFrame([[0, 1], [1, 0]], columns=["a", "a"]),
            r"the columns of y are \['a', 'a'\], but their names must",
        ),
        ([["a", "b"], "b"], r"y\[1\] is 'b', but other rows are lists or sets of labels"),
        ([["a", "b"], None], r"y\[1\] is None, but other rows are lists"),
        ([["a"], ["b", None]], r"y\[1\] contains None, which is not a label"),
        ([["a"], ["b", ["c"]]], r"y\[1\] contains \['c'\], which is not a label"),
        ([["a"], []], "y has only the label 'a', but a classifier needs at least 2"),
        ([["a", "b"]], "X has 2 rows, but y has 1"),
    ],
    ids=lambda value: None if isinstance(value, str) else "y",
)
def test_a_multilabel_y_that_is_not_valid_is_refused(small: dict[str, Any], y: Any, message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertClassifier(**small).fit(TEXTS[:2], y)


def test_a_y_of_another_form_than_that_of_fit_cannot_be_scored(
    fitted: SwissbertClassifier, multilabel: SwissbertClassifier
) -> None:
    with pytest.raises(SwissbertError, match=r"y\[0\] is 'liked', but other rows are lists or sets"):
        multilabel.score(TEXTS, GRADES)
    with pytest.raises(SwissbertError, match="y has 2 columns, but the classifier has 3 labels"):
        multilabel.score(TEXTS, INDICATOR[:, :2])
    with pytest.raises(SwissbertError, match="X has 48 rows, but y has 47"):
        multilabel.score(TEXTS, INDICATOR[1:])
    with pytest.raises(SwissbertError, match="X has 48 rows, but y has 47"):
        fitted.score(TEXTS, GRADES[1:])


# Tools of scikit-learn


def test_search_validation_and_pipelines_work(small: dict[str, Any]) -> None:
    model = SwissbertClassifier(**{**small, "epochs": 1})
    assert cross_val_score(model, TEXTS, GRADES, cv=2).shape == (2,)
    line = make_pipeline(FunctionTransformer(lambda texts: [text.upper() for text in texts]), model)
    search = GridSearchCV(line, {"swissbertclassifier__batch_size": np.array([8, 16])}, cv=2, scoring="neg_log_loss")
    search.fit(TEXTS, GRADES)
    assert search.best_params_["swissbertclassifier__batch_size"] in (8, 16)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(TEXTS).shape == (48,)


def test_parameters_can_be_read_set_cloned_and_pickled_and_input_is_text() -> None:
    model = SwissbertClassifier(epochs=2)
    assert model.get_params() == {**SwissbertClassifier().get_params(), "epochs": 2}
    assert model.set_params(lr=1e-3).lr == 1e-3
    assert clone(model).get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()  # as searches in processes do
    tags = model.__sklearn_tags__().input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)
    assert is_classifier(model)
    assert is_regressor(SwissbertRegressor())


def test_both_estimators_leave_epochs_batch_size_and_rate_to_the_number_of_rows() -> None:
    for estimator in (SwissbertClassifier(), SwissbertRegressor()):
        train = estimator._settings()["train"]
        assert not {"epochs", "batch_size", "lr", "head_lr"} & train.keys()
    assert SwissbertClassifier(lr=1e-4)._settings()["train"]["head_lr"] == 1e-3


# Saving


def test_a_fitted_model_is_saved_as_a_folder(fitted: SwissbertClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model")  # replaces itself
    loaded = swissbert.load(tmp_path / "model", "cpu")
    assert np.array_equal(loaded.numbers("label", TEXTS), fitted.predict_proba(TEXTS))
    assert [answer.label_name for answer in loaded.predict("label", TEXTS)] == fitted.predict(TEXTS).tolist()
    assert loaded.description.provenance["data"] == "48 rows given to fit"
    written = json.loads((tmp_path / "model" / "swissbert.json").read_text(encoding="utf-8"))
    assert tempfile.gettempdir() + "/swissbert-" not in json.dumps(written)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not lose")
    with pytest.raises(SwissbertError, match="mine: already exists and is not a model folder; choose another name"):
        fitted.save(tmp_path / "mine")


@pytest.mark.parametrize("estimator", [SwissbertClassifier, SwissbertRegressor])
def test_an_estimator_that_is_not_fitted_says_so(estimator: type[Any], tmp_path: Path) -> None:
    for method in ("predict", "predict_proba", "save"):
        if hasattr(estimator, method):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                getattr(estimator(), method)([tmp_path] if method != "save" else tmp_path / "model")


# Messages


@pytest.mark.parametrize(
    ("changes", "X", "y", "message"),
    [
        ({}, TEXTS, GRADES[1:], "X has 48 rows, but y has 47"),
        ({}, [], [], "y has no rows"),
        ({}, "one text", ["a", "b"], "X is 'one text', but it must be a list, tuple, array or Series"),
        ({}, TEXTS, None, "y is None, but it must be a list"),
        ({}, TEXTS, ["a"] * 48, "y has only the label 'a', but a classifier needs at least 2"),
        (
            {},
            TEXTS,
            [{"a": 1}, {"b": 1}] * 24,
            r"y\[0\] is {'a': 1}, which cannot be a label; labels are texts, numbers",
        ),
        ({}, TEXTS, ["a", None] * 24, r"y\[1\] is None, but every row needs a label; leave out rows without one"),
        ({}, TEXTS, ["a", float("nan")] * 24, r"y\[1\] is nan"),
        ({}, ["good", " "], ["a", "b"], r"X\[1\] is ' ', but every row needs a text"),
        ({}, ["good", None], ["a", "b"], r"X\[1\] is None, but every row needs a text"),
        ({}, [("a", "b"), "c"], ["a", "b"], r"X\[1\] is one text, 'c', but X\[0\] is a pair of texts"),
        ({}, [1.5, 2.5], ["a", "b"], r"X\[0\] is 1\.5, but it must be a text"),
        ({"epochs": 0}, TEXTS, GRADES, "SwissbertClassifier: 'train.epochs' is 0"),
        ({"lr": -1.0}, TEXTS, GRADES, r"SwissbertClassifier: 'train.lr' is -1\.0"),
        ({"device": "abacus"}, TEXTS, GRADES, "SwissbertClassifier: 'train.device' is 'abacus'; auto, cpu"),
        ({"validation_fraction": 1}, TEXTS, GRADES, "validation_fraction is 1, but it is a number from 0 to below 1"),
        ({"encoder": "no/such/folder/"}, TEXTS, GRADES, "no/such/folder"),
    ],
)
def test_mistakes_end_in_one_sentence(
    small: dict[str, Any],
    changes: dict[str, Any],
    X: Any,  # noqa: N803
    y: Any,
    message: str,
) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertClassifier(**{**small, **changes}).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["3", "4"], r"y\[0\] is '3', not a finite number"),
        ([1.0, float("inf")], r"y\[1\] is inf"),
        ([[1.0, 2.0], [2.0, 3.0]], r"y\[0\] is \[1.0, 2.0\], not a finite number; .*MultiOutputRegressor"),
        ([2, 2], "all 2 rows of y are 2, but a regressor needs at least 2 different numbers"),
        ([2], "y has one row, but a regressor needs at least 2 different numbers"),
        ([1.0, None], r"y\[1\] is None, but every row needs a number"),
        ([1e9, 1e9 + 1], "too narrow or too wide"),
        ([0.0, 1e30], "too narrow or too wide"),
    ],
)
def test_numbers_that_cannot_be_learned_end_in_one_sentence(small: dict[str, Any], y: list[Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        SwissbertRegressor(**small).fit(["a", "b"], y)


def test_no_text_is_written_while_training(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    contents: list[bytes] = []

    def train_and_read(config: Any, out: Path, **options: Any) -> Any:
        result = train(config, out, **options)
        contents.extend(path.read_bytes() for path in out.parent.rglob("*") if path.is_file())
        return result

    monkeypatch.setattr("swissbert.estimator.fitting.train", train_and_read)
    SwissbertClassifier(**{**small, "epochs": 1}).fit(TEXTS, GRADES)
    assert len(contents) > 5
    assert not any(b"is great" in content for content in contents)


def test_a_stopped_run_interrupts_a_search(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise Stopped(1, 2, Path("run"))

    monkeypatch.setattr("swissbert.estimator.fitting.train", stop)
    with pytest.raises(KeyboardInterrupt):
        SwissbertClassifier(**small).fit(TEXTS, GRADES)


def test_a_y_of_one_column_is_taken_with_a_warning(small: dict[str, Any]) -> None:
    expected = SwissbertClassifier(**small).fit(TEXTS, GRADES).predict_proba(TEXTS)
    for column in (np.array(GRADES)[:, None], pd.DataFrame({"grade": GRADES})):
        with pytest.warns(DataConversionWarning, match=r"y has the shape \[48, 1\], one column"):
            model = SwissbertClassifier(**small).fit(TEXTS, column)
        assert np.array_equal(model.predict_proba(TEXTS), expected)
    for labels in (iter(GRADES), pa.array(GRADES)):
        assert np.array_equal(SwissbertClassifier(**small).fit(TEXTS, labels).predict_proba(TEXTS), expected)
    with pytest.warns(DataConversionWarning):
        column = SwissbertRegressor(**small).fit(TEXTS, np.array(SCORES)[:, None])
    decimals = SwissbertRegressor(**small).fit(pa.array(TEXTS), [Decimal(score) for score in SCORES])
    assert np.array_equal(column.predict(TEXTS), decimals.predict(TEXTS))


def test_what_is_not_texts_or_classes_is_refused() -> None:
    with pytest.raises(
        SwissbertError, match=r"48 different numbers in 48 rows, with fractions.*use SwissbertRegressor"
    ):
        SwissbertClassifier().fit(TEXTS, np.linspace(0, 1, len(TEXTS)))
    with pytest.raises(SwissbertError, match="X is a sparse matrix, but it must be a list"):
        SwissbertClassifier().fit(csr_array(INDICATOR), GRADES)


def test_estimators_choose_their_settings_unless_given() -> None:
    for estimator in (SwissbertClassifier(), SwissbertRegressor()):
        assert [estimator.get_params()[name] for name in ("epochs", "batch_size", "lr")] == [None, None, None]
