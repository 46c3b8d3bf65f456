"""The public names of the package: complete, documented, and usable with objects that a caller can make."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import swissbert

NAMES = {
    "Answer",
    "Callback",
    "EndRun",
    "Model",
    "Result",
    "RunConfig",
    "Scores",
    "Stopped",
    "SwissbertError",
    "Task",
    "convert_weights",
    "evaluate",
    "load",
    "load_config",
    "make_config",
    "soup",
    "train",
}
EXTRA = {"SwissbertClassifier", "SwissbertRegressor", "sweep"}
"""Public names whose import needs libraries that others do not, so that a star import leaves them out."""


def test_every_public_name_is_listed() -> None:
    assert NAMES | {"__version__"} == set(swissbert.__all__)
    assert set(dir(swissbert)) >= NAMES | EXTRA


def test_names_are_listed_before_anything_is_imported() -> None:
    code = "import sys, swissbert; print(*dir(swissbert)); assert 'torch' not in sys.modules"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) >= NAMES | EXTRA


def test_a_star_import_brings_all_names_and_imports_neither_scikit_learn_nor_optuna() -> None:
    code = "import sys; sys.modules.update(sklearn=None, optuna=None); from swissbert import *; print(*globals())"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(imported) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_names_are_documented(name: str) -> None:
    public = getattr(swissbert, name)
    assert inspect.isclass(public) or inspect.isfunction(public)
    assert inspect.getdoc(public)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'swissbert' has no attribute 'no_such_name'"):
        _ = swissbert.no_such_name


def test_a_public_name_is_the_same_object_each_time() -> None:
    for name in NAMES:
        assert getattr(swissbert, name) is getattr(swissbert, name)


@pytest.mark.usefixtures("one_thread")
def test_evaluate_takes_a_model_or_its_name(tiny_run: Path) -> None:
    model = swissbert.load(tiny_run, "cpu")
    scores = swissbert.evaluate(model, "starter")
    assert isinstance(scores, swissbert.Scores)
    assert scores.flat() == pytest.approx(model.description.scores, abs=1e-6)
    assert swissbert.evaluate(str(tiny_run), "starter").flat() == scores.flat()
    assert isinstance(model.predict("sst", "a good film"), swissbert.Answer)
    with pytest.raises(swissbert.SwissbertError, match="there is no such model folder or run folder"):
        swissbert.evaluate("no/such/model/folder", "starter")
