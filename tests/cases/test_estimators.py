"""scikit-learn estimators as people use them: folders ``g``."""

import runpy
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # the scripts leave train.csv open
]


@pytest.fixture
def results(
    case: Path, tiny: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Run ``try.py`` of a case with the tiny encoder; return what it prints after the name of each attempt."""
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    monkeypatch.setattr("sys.argv", ["try.py", str(tiny)])
    runpy.run_path(str(case / "try.py"))
    get_reusable_executor().shutdown(wait=True)  # workers of the next case must not start in the folder of this one
    printed = capfd.readouterr().out.replace("\n  ", " ").splitlines()  # estimators are shown on several lines
    lines = [line.partition(": ") for line in printed]
    return {name: result for name, _, result in lines}


@pytest.mark.parametrize("case", ["g01-search-and-cross-validation"], indirect=True)
def test_searches_and_validation_give_results_with_one_job_and_with_two(
    results: dict[str, str],
) -> None:
    assert len(results) == 7
    assert not [result for result in results.values() if "Error" in result]
    assert results["cross_val_predict"] == "(36, 2)"
    assert results["grid search, two jobs"] == results["grid search"]
    assert results["clone"].startswith("SwissbertClassifier(")


@pytest.mark.parametrize("case", ["g02-keeping-a-fitted-one"], indirect=True)
def test_a_fitted_estimator_is_kept_copied_and_returned_by_worker_processes(
    results: dict[str, str],
) -> None:
    assert len(results) == 6
    assert int(results["pickle"]) > 10_000, "the weights are inside"
    assert results["joblib"] == "['model.joblib']"
    assert results["deepcopy"].startswith("SwissbertClassifier(")
    assert results["save and come back as an estimator"] in {
        f"(None, array([{a}, {b}]))" for a in (0, 1) for b in (0, 1)
    }
    assert len(results["cross_validate, estimators, two jobs"].strip("[]").split()) == 2
    assert results["voting, two jobs"] in {f"[{a} {b}]" for a in (0, 1) for b in (0, 1)}


@pytest.mark.parametrize("case", ["g05-weights"], indirect=True)
def test_weights_and_random_state_are_taken(results: dict[str, str]) -> None:
    assert len(results) == 3
    assert all(result.startswith("SwissbertClassifier(") for result in results.values())
    assert "class_weight='balanced'" in results["class_weight"]
    assert "random_state=0" in results["random_state"]
