"""Figures that are not defined, rare classes, and the score that decides."""

import json
from pathlib import Path

import pytest

from case_runner import Command

ONE_CLASS = "train.csv: all 60 rows have the label '1', so task 'mood' has nothing to tell apart"


@pytest.mark.parametrize("case", ["a08-one-class"], indirect=True)
@pytest.mark.parametrize("recipe", ["task.toml", "task3.toml"])
def test_train_rows_of_one_class_stop_training(case: Path, train_case: Command, recipe: str) -> None:
    ended = train_case(recipe)
    assert ended.status == 2
    assert ONE_CLASS in ended.stderr
    assert "train rows of at least two of its labels" in ended.stderr
    assert not Path("RUN/model").exists()


@pytest.mark.parametrize("case", ["a08-one-class"], indirect=True)
def test_dev_rows_of_one_class_are_said_beside_every_figure(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    """The dev rows of the case, with train rows that have both classes; macro F1 decides and is never defined."""
    lines = Path("train.csv").read_text(encoding="utf-8").splitlines()
    Path("train.csv").write_text("\n".join([*lines, *(f"Dull and late in part {i},0" for i in range(20))]) + "\n")
    ended = train_case("task3.toml", "train.epochs=2", steps=4, options=["--set", "train.epoch_ends=2"])
    assert ended.status == 0, ended.stderr
    note = "all 20 rows have the label '1'"
    assert "mood: no train row has the label '2'" in ended.stderr
    assert "mood macro_f1 undefined" in ended.stderr
    assert "kept, as overall is undefined so far" in ended.stderr
    assert ended.stderr.count(note) == 1
    assert "always answering '1' scores 1.000" in ended.stderr
    assert json.loads(Path("RUN/model/swissbert.json").read_text())["provenance"]["step"] == 4  # the last one is kept

    table = swissbert("evaluate", "RUN", "--data", ".").stdout
    assert any(line.split()[:4] == ["mood", "macro_f1", "*", "undefined"] for line in table.splitlines())
    assert note in table
    stored = json.loads(swissbert("evaluate", "RUN", "--data", ".", "--json").stdout)
    assert stored["tasks"]["mood"]["metrics"]["macro_f1"] is None
    assert stored["overall"] is None
    assert any(note in line for line in stored["tasks"]["mood"]["notes"])
    card = Path("RUN/model/README.md").read_text(encoding="utf-8")
    assert "| macro_f1 | undefined |" in card
    assert note in card
    assert swissbert("analyse", "RUN", "--data", ".", "--out", "REPORT").status == 0
    page = Path("REPORT/index.html").read_text(encoding="utf-8")
    assert "all 20 rows have the label &#39;1&#39;" in page
    assert ">undefined<" in page
    entries = [json.loads(line) for line in Path("RUN/metrics.jsonl").read_text().splitlines()]
    assert [entry["dev"]["mood.macro_f1"] for entry in entries if "dev" in entry] == [None, None]


@pytest.mark.parametrize("case", ["d06-stop-early"], indirect=True)
def test_another_figure_decides_and_dev_rows_that_are_train_rows_are_counted(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    ended = train_case("task.toml", "train.best_by=macro_f1", "train.patience=1")
    assert ended.status == 0, ended.stderr
    assert "mood accuracy 0." in ended.stderr
    assert "mood macro_f1 0." in ended.stderr
    assert 'best_by = "mood.macro_f1"' in Path("RUN/config.toml").read_text()
    note = "20 of 40 dev rows are train rows"
    assert note in ended.stderr
    assert note in swissbert("evaluate", "RUN", "--data", ".").stdout
    assert note in Path("RUN/model/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ["d06-stop-early"], indirect=True)
@pytest.mark.parametrize(("name", "stored"), [("mood.loss", "mood.loss"), ("eval_loss", "loss")])
def test_the_loss_on_dev_rows_decides(case: Path, train_case: Command, name: str, stored: str) -> None:
    ended = train_case("task.toml", f"train.best_by={name}", "train.epochs=2", "train.lr=1e-3", steps=2)
    assert ended.status == 0, ended.stderr
    assert f'best_by = "{stored}"' in Path("RUN/config.toml").read_text()
    entry = next(json.loads(line) for line in Path("RUN/metrics.jsonl").read_text().splitlines() if '"dev"' in line)
    assert 0 < entry["dev"]["mood.loss"] == entry["dev"]["loss"] < 2
    assert f"{stored.replace('.', ' ')} {entry['dev'][stored]:.3f}" in ended.stderr


@pytest.mark.parametrize("case", ["d06-stop-early"], indirect=True)
@pytest.mark.parametrize("name", ["f1", "mood.f1", "nothing"])
def test_a_figure_that_is_not_known_is_answered_with_those_that_are(case: Path, train_case: Command, name: str) -> None:
    ended = train_case("task.toml", f"train.best_by={name}")
    assert ended.status == 2
    known = (
        "overall, overall_normalised, loss, mood.accuracy, mood.macro_f1, mood.balanced_accuracy, mood.mcc, mood.loss"
    )
    assert f"train.best_by is '{name}', but it is one of {known}" in ended.stderr


@pytest.mark.parametrize("case", ["d08-rare-class"], indirect=True)
def test_a_rare_class_is_weighted_and_is_on_both_sides(case: Path, train_case: Command, swissbert: Command) -> None:
    ended = train_case("taskweights.toml")
    assert ended.status == 0, ended.stderr
    assert "alarm class_weights: 1 9.1, 0 0.529" in ended.stderr  # 91 / (2 * 5) and 91 / (2 * 86)
    scores = json.loads(swissbert("evaluate", "RUN", "--data", ".", "--json").stdout)
    assert [sum(row) for row in scores["tasks"]["alarm"]["confusion"]] == [10, 1]
    plain = train_case("task.toml", out="PLAIN")
    assert "class_weights" not in plain.stderr
    losses = [
        [json.loads(line)["loss"]["alarm"] for line in Path(run, "metrics.jsonl").read_text().splitlines()[:3]]
        for run in ("RUN", "PLAIN")
    ]
    assert losses[0] != losses[1]
