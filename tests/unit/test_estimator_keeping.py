"""Keeping fitted estimators: pickles, copies, folders, labels with their types, and scikit-learn's worker processes."""

import copy
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import cross_validate
from sklearn.utils.estimator_checks import (
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)

import swissbert
from swissbert import SwissbertClassifier, SwissbertError, SwissbertRegressor
from swissbert.estimator.keeping import model_files
from swissbert.model_folder import layout

TEXTS = [
    f"the {noun} is {word}" for noun in ("film", "movie", "plot", "dog") for word in ("good", "bad", "fine", "dull")
]
Y = [int(text.endswith(("good", "fine"))) for text in TEXTS]
Parameters = dict[str, Any]


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
def small(tiny: Path) -> Parameters:
    """Parameters of the tiny encoder."""
    return {"encoder": str(tiny), "epochs": 1, "batch_size": 8, "lr": 3e-3, "max_length": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def fitted(small: Parameters, _pinned: None) -> SwissbertClassifier:
    return SwissbertClassifier(**small, random_state=3).fit(TEXTS, Y)


def same(a: Any, b: Any) -> None:
    """Assert that two fitted estimators are equal in parameters, labels and every digit of their answers."""
    assert type(a) is type(b)
    assert a.get_params() == b.get_params()
    if hasattr(a, "classes_"):
        assert a.classes_.tolist() == b.classes_.tolist()
        assert [type(label) for label in a.classes_.tolist()] == [type(label) for label in b.classes_.tolist()]
        assert np.array_equal(a.predict_proba(TEXTS), b.predict_proba(TEXTS))
    assert np.array_equal(a.predict(TEXTS), b.predict(TEXTS))


# Pickles and copies


def test_a_fitted_estimator_comes_back_from_pickle_joblib_and_copies(
    fitted: SwissbertClassifier, tmp_path: Path
) -> None:
    joblib.dump(fitted, tmp_path / "model.joblib")
    restored = joblib.load(tmp_path / "model.joblib")
    for other in (restored, pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), copy.copy(fitted)):
        same(fitted, other)
        assert other.model_.network is not fitted.model_.network
    same(fitted, pickle.loads(pickle.dumps(restored)))
    assert model_files(restored.model_) == model_files(fitted.model_)
    assert not hasattr(clone(restored), "model_")


def test_a_pickle_holds_a_model_folder_and_names_no_class_of_the_model(fitted: SwissbertClassifier) -> None:
    state = fitted.__getstate__()
    files = {key: value for key, value in state.items() if isinstance(value, dict)}["_model_files"]
    assert {layout.WEIGHTS, layout.HEADS, layout.DESCRIPTION} <= set(files) <= set(layout.MODEL_FILES)
    assert all(type(content) is bytes for content in files.values())
    modules: set[str] = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            modules.add(module.partition(".")[0] if module != SwissbertClassifier.__module__ else module)
            return super().find_class(module, name)

    Recorder(io.BytesIO(pickle.dumps(fitted))).load()
    assert modules <= {SwissbertClassifier.__module__, "copyreg", "builtins", "numpy"}


def test_restoring_leaves_no_files_and_refuses_other_ones(
    fitted: SwissbertClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    copy.deepcopy(fitted)
    assert not list(tmp_path.iterdir())
    state = fitted.__getstate__()
    state["_model_files"]["../escaped"] = b""
    with pytest.raises(SwissbertError, match=r"a file '\.\./escaped', which no model folder has"):
        SwissbertClassifier.__new__(SwissbertClassifier).__setstate__(state)


def test_an_estimator_from_another_machine_is_put_on_a_device_that_is_here(fitted: SwissbertClassifier) -> None:
    state = {**fitted.__getstate__(), "device": "cuda:97"}
    restored = SwissbertClassifier.__new__(SwissbertClassifier)
    with pytest.warns(UserWarning, match="was on 'cuda:97', which is not here"):
        restored.__setstate__(state)
    assert restored.predict(TEXTS).shape == (16,)


def test_parameters_that_an_old_pickle_lacks_have_their_defaults() -> None:
    state = SwissbertClassifier(epochs=2).__getstate__()
    for name in ("random_state", "class_weight"):
        del state[name]
    restored = SwissbertClassifier.__new__(SwissbertClassifier)
    restored.__setstate__(state)
    assert restored.get_params() == SwissbertClassifier(epochs=2).get_params()


# Folders


@pytest.mark.parametrize(
    "labels",
    [[0, 1], ["no", "yes"], [False, True], [0.5, 2.0], [("a", 1), ("b", 2)], ["1", 1], [np.int64(3), np.int64(7)]],
    ids=["ints", "texts", "bools", "floats", "tuples", "mixed", "numpy"],
)
@pytest.mark.filterwarnings("ignore:y has the labels")  # "1" and 1, which are meant to be two here
def test_a_saved_classifier_has_its_labels_with_their_types(
    small: Parameters, tmp_path: Path, labels: list[Any]
) -> None:
    weights = {labels[1]: 1.0}
    model = SwissbertClassifier(**small).fit(TEXTS, [labels[value] for value in Y])
    model.class_weight = weights
    model.save(tmp_path / "model")
    loaded = SwissbertClassifier.load(tmp_path / "model", device="cpu")
    assert loaded.class_weight == weights
    same(model, loaded.set_params(encoder=small["encoder"]))
    assert loaded.score(TEXTS, model.predict(TEXTS).tolist()) == 1
    swissbert.load(tmp_path / "model", "cpu").predict("label", TEXTS[0])


def test_a_saved_regressor_and_multilabel_classifier_come_back(small: Parameters, tmp_path: Path) -> None:
    regressor = SwissbertRegressor(**small).fit(TEXTS, [10.0 * y for y in Y])
    regressor.save(tmp_path / "regressor")
    same(regressor, SwissbertRegressor.load(tmp_path / "regressor", device="cpu").set_params(encoder=small["encoder"]))
    topics = SwissbertClassifier(**small).fit(TEXTS, [["good"] * y + ["text"] for y in Y])
    topics.save(tmp_path / "topics")
    loaded = SwissbertClassifier.load(tmp_path / "topics", device="cpu")
    assert loaded.multilabel_
    same(topics, loaded.set_params(encoder=small["encoder"]))
    with pytest.raises(SwissbertError, match=r"task 'score' answers with numbers; SwissbertRegressor\.load reads it"):
        SwissbertClassifier.load(tmp_path / "regressor")
    with pytest.raises(SwissbertError, match=r"task 'label' answers with labels; SwissbertClassifier\.load reads it"):
        SwissbertRegressor.load(tmp_path / "topics")


def test_a_loaded_estimator_is_saved_pickled_and_fitted_again(fitted: SwissbertClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "first")
    loaded = SwissbertClassifier.load(tmp_path / "first", device="cpu")
    loaded.save(tmp_path / "first")  # replaces what it was loaded from
    again = pickle.loads(pickle.dumps(SwissbertClassifier.load(tmp_path / "first", device="cpu")))
    assert loaded.encoder == Path(fitted.encoder).name, "a saved folder names no path of this machine"
    same(fitted, again.set_params(encoder=fitted.encoder))
    assert np.array_equal(again.fit(TEXTS, Y).predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_model_of_other_origin_is_loaded_by_task() -> None:
    with pytest.raises(SwissbertError, match=r"this model has 3 tasks \(sst, para, sts\).*for instance task='sst'"):
        SwissbertClassifier.load("mini")
    sentiment = SwissbertClassifier.load("mini", task="sst", device="cpu")
    assert sentiment.classes_.tolist() == sentiment.model_.tasks["sst"].labels
    assert sentiment.predict(["a wonderful film"]).tolist() == [
        swissbert.load("mini", "cpu").predict("sst", "a wonderful film").label_name
    ]
    with pytest.raises(SwissbertError, match="has no task 'stars'; its tasks are sst, para, sts"):
        SwissbertClassifier.load("mini", task="stars")
    pairs = SwissbertRegressor.load("mini", task="sts", device="cpu")
    assert 0 <= pairs.predict([("a dog runs", "a dog is running")])[0] <= 5
    with pytest.raises(SwissbertError, match=r"X\[0\] is one text, 'a dog', but the model takes a pair of texts"):
        pairs.predict(["a dog"])


def test_labels_that_no_file_can_hold_are_refused_when_saving(small: Parameters, tmp_path: Path) -> None:
    model = SwissbertClassifier(**small).fit(TEXTS, [(int, str)[value] for value in Y])
    with pytest.raises(
        SwissbertError, match=r"the label <class 'int'> is a type, but save writes labels that are texts"
    ):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [0, 1, 2]}, "classes has 3 labels, but task 'label' has 2; save the estimator again"),
        ({"task": "other"}, "has no task 'other'"),
        ({"colour": 1}, r"estimator\.json: unknown key 'colour'"),
    ],
)
def test_a_damaged_record_is_named(
    fitted: SwissbertClassifier, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    fitted.save(tmp_path / "model")
    record = json.loads((tmp_path / "model" / layout.ESTIMATOR).read_text(encoding="utf-8"))
    (tmp_path / "model" / layout.ESTIMATOR).write_text(json.dumps({**record, **change}), encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"estimator\.json: its checksum differs"):
        SwissbertClassifier.load(tmp_path / "model")
    description = json.loads((tmp_path / "model" / layout.DESCRIPTION).read_text(encoding="utf-8"))
    del description["checksums"][layout.ESTIMATOR]
    (tmp_path / "model" / layout.DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(SwissbertError, match=message):
        SwissbertClassifier.load(tmp_path / "model")


# Tools of scikit-learn


@pytest.mark.parametrize("estimator", [SwissbertClassifier(), SwissbertRegressor()])
def test_parameters_follow_the_rules_of_scikit_learn(estimator: Any) -> None:
    name = type(estimator).__name__
    for check in (
        check_parameters_default_constructible,
        check_get_params_invariance,
        check_set_params,
        check_no_attributes_set_in_init,
    ):
        check(name, estimator)


def test_worker_processes_return_fitted_estimators(small: Parameters) -> None:
    model = SwissbertClassifier(**small)
    alone = cross_validate(model, TEXTS, Y, cv=2, return_estimator=True)
    parallel = cross_validate(model, TEXTS, Y, cv=2, return_estimator=True, n_jobs=2)
    assert parallel["test_score"].tolist() == alone["test_score"].tolist()
    for one, other in zip(alone["estimator"], parallel["estimator"], strict=True):
        same(one, other)
    vote = VotingClassifier([("a", model), ("b", clone(model).set_params(seed=1))], voting="soft", n_jobs=2)
    assert set(vote.fit(TEXTS, Y).predict(TEXTS)) <= {0, 1}
    assert pickle.loads(pickle.dumps(vote)).predict(TEXTS).tolist() == vote.predict(TEXTS).tolist()


def test_threads_fit_one_after_the_other(small: Parameters, fitted: SwissbertClassifier) -> None:
    with ThreadPoolExecutor(2) as pool:
        models = list(pool.map(lambda _: clone(fitted).fit(TEXTS, Y), range(3)))
    for model in models:
        same(model, fitted)


FORKED = """
import multiprocessing
import sys

import torch

from swissbert import SwissbertClassifier

def fit():
    model = SwissbertClassifier(sys.argv[1], epochs=1, max_length=32, device="cpu").fit(["good", "bad"] * 8, [1, 0] * 8)
    print(model.predict(["good"]).shape, flush=True)

torch.set_num_threads(2)
fit()
process = multiprocessing.get_context("fork").Process(target=fit)
process.start()
process.join(40)
process.kill()
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_process_fits_although_its_parent_used_several_threads(tiny: Path) -> None:
    environment = {**os.environ, "SWISSBERT_CPU": "plain", "OMP_NUM_THREADS": "2"}
    environment.pop("TOKENIZERS_PARALLELISM", None)  # set to true, it makes forked tokenizers wait for dead threads
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tiny)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.stdout.split("\n")[:2] == ["(1,)", "(1,)"], ended.stderr


# Seeds


def test_random_state_is_the_seed_by_another_name(small: Parameters, fitted: SwissbertClassifier) -> None:
    for parameters in ({"seed": 3}, {"random_state": np.int64(3)}, {"seed": 5, "random_state": 3}):
        model = SwissbertClassifier(**small, **parameters).fit(TEXTS, Y)
        assert np.array_equal(model.predict_proba(TEXTS), fitted.predict_proba(TEXTS)), parameters
    assert not np.array_equal(
        SwissbertClassifier(**small, random_state=4).fit(TEXTS, Y).predict_proba(TEXTS), fitted.predict_proba(TEXTS)
    )


def test_a_random_state_of_numpy_gives_a_seed(small: Parameters, tmp_path: Path) -> None:
    model = SwissbertClassifier(**small, random_state=np.random.RandomState(1)).fit(TEXTS, Y)
    model.save(tmp_path / "model")
    again = SwissbertClassifier.load(tmp_path / "model", device="cpu").set_params(encoder=small["encoder"])
    assert again.random_state is None
    assert np.array_equal(again.fit(TEXTS, Y).predict_proba(TEXTS), model.predict_proba(TEXTS))


@pytest.mark.parametrize("value", [-1, 1.5, "one", True, 2**40])
def test_a_random_state_that_is_none_is_refused(small: Parameters, value: Any) -> None:
    with pytest.raises(
        SwissbertError, match=r"random_state is .*, but it must be a whole number from 0 to .*takes seed"
    ):
        SwissbertClassifier(**small, random_state=value).fit(TEXTS, Y)
