"""Labels as people have them: folders ``a``."""

import json
from pathlib import Path

import pytest

from case_runner import Command


@pytest.mark.parametrize("case", ["a01-float-labels"], indirect=True)
def test_labels_with_a_fraction_of_zero_are_the_declared_whole_numbers(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "mood train: 60 rows from train.csv, 0 bad" in ended.stderr
    assert "labels read as declared ones: '1.0' as '1' in 32 row(s), '0.0' as '0' in 28 row(s)" in ended.stderr


@pytest.mark.parametrize("case", ["a03-unlabelled-minus-one"], indirect=True)
def test_minus_one_is_no_label_in_every_command(case: Path, train_case: Command, swissbert: Command) -> None:
    assert train_case(steps=1).status == 0
    submitted = swissbert("submit", "RUN", "--data", ".", "--out", "OUT")
    assert (submitted.status, submitted.stderr) == (0, "")
    assert len(Path("OUT/mood-test-output.csv").read_text().splitlines()) == 1 + 12
    predicted = swissbert("predict", "RUN", "--input", "test.tsv")
    assert predicted.status == 0, predicted.stderr
    assert [json.loads(line)["id"] for line in predicted.lines] == [str(number) for number in range(12)]
    assert all("error" not in json.loads(line) for line in predicted.lines)
    checked = swissbert("data", "check", ".", "--tasks", "task.toml", "--json")
    [test] = [split for split in json.loads(checked.stdout)["splits"] if split["split"] == "test"]
    assert (test["rows"], test["bad"], test["unlabelled"]) == (12, [], 12)
    assert test["spellings"] == {"'-1' as no label": 12}
    scored = swissbert("evaluate", "RUN", "--data", ".", "--split", "test")
    assert scored.status == 2
    assert "test.tsv: the rows have no labels of task 'mood' to score against" in scored.stderr


@pytest.mark.parametrize("case", ["a03-unlabelled-minus-one"], indirect=True)
def test_minus_one_in_train_is_counted_as_a_row_without_a_label(case: Path, train_case: Command) -> None:
    with Path("train.tsv").open("a") as file:
        file.writelines(f"{number}\tA row that has no label, number {number}.\t-1\n" for number in range(60, 90))
    ended = train_case("task.toml", "data.bad_rows=refuse", options=["--dry-run"])
    assert ended.status == 0, ended.stderr
    assert "mood train: 60 rows from train.tsv, 30 without a label (30 '-1'), 0 bad" in ended.stderr


@pytest.mark.parametrize("case", ["a04-no-agreement"], indirect=True)
def test_a_dash_for_no_agreement_is_left_out_and_missing_declares_it(case: Path, train_case: Command) -> None:
    ended = train_case(steps=1)
    assert ended.status == 0, ended.stderr
    assert "nli train: 56 rows from train.jsonl, 4 bad" in ended.stderr
    assert "nli dev: 28 rows from dev.jsonl, 2 bad" in ended.stderr
    assert (
        'if it stands for no label, missing = ["-"] in the task leaves such rows out (3 more like it)' in ended.stderr
    )
    task = Path("task.toml").read_text()
    Path("declared.toml").write_text(task.replace("files =", 'missing = ["-"]\nfiles ='))
    declared = train_case("declared.toml", "data.bad_rows=refuse", options=["--dry-run"])
    assert declared.status == 0, declared.stderr
    assert "nli train: 56 rows from train.jsonl, 4 without a label (4 '-'), 0 bad" in declared.stderr
    assert "nli dev: 28 rows from dev.jsonl, 2 without a label (2 '-'), 0 bad" in declared.stderr


@pytest.mark.parametrize("case", ["a11-three-labels-one-file"], indirect=True)
@pytest.mark.parametrize(("bad_rows", "options"), [("skip", []), ("refuse", ["--dry-run"])])
def test_an_empty_label_of_one_task_of_a_file_is_ordinary(
    case: Path, train_case: Command, bad_rows: str, options: list[str]
) -> None:
    ended = train_case("recipe.toml", f"data.bad_rows={bad_rows}", steps=1, options=options)
    assert ended.status == 0, ended.stderr
    for line in (  # rows of train and dev are 60 with and 30 without a label, for each task
        "mood train: 56 rows from reviews.csv, 27 without a label, 0 bad",
        "mood dev: 4 rows from reviews.csv, 3 without a label, 0 bad",
        "topic train: 56 rows from reviews.csv, 27 without a label, 0 bad",
        "topic dev: 4 rows from reviews.csv, 3 without a label, 0 bad",
        "grade train: 54 rows from reviews.csv, 29 without a label, 0 bad",
        "grade dev: 6 rows from reviews.csv, 1 without a label, 0 bad",
    ):
        assert line in ended.stderr


@pytest.mark.parametrize("case", ["a12-label-lists"], indirect=True)
@pytest.mark.parametrize(
    ("recipe", "way_out"),
    [
        ("task.toml", "all like row 1: column 'labels' is [\"praise\"]".replace('"', "'")),
        ("taskcsv.toml", "5 of 37 rows read for task 'tags' cannot be used, all like row 19: label 'praise|food'"),
    ],
)
def test_several_labels_a_row_end_in_a_sentence_that_names_the_kind(
    case: Path, train_case: Command, recipe: str, way_out: str
) -> None:
    ended = train_case(recipe, steps=1)
    assert ended.status == 2
    assert way_out in ended.stderr
    assert 'kind = "multilabel"' in ended.stderr
    separator = ' with separator = "|"' if "csv" in recipe else " takes lists of labels"
    assert f'kind = "multilabel"{separator}' in ended.stderr
    multilabel = (
        Path(recipe)
        .read_text()
        .replace('"classification"', '"multilabel"')
        .replace("cross_entropy", "binary_cross_entropy")
        .replace('"accuracy"', '"micro_f1"')
    )
    Path("multi.toml").write_text(multilabel)
    trained = train_case("multi.toml", options=["--dry-run"])  # what the sentence says
    assert trained.status == 0, trained.stderr
    assert "0 bad" in trained.stderr


@pytest.mark.parametrize("case", ["a13-scores"], indirect=True)
def test_scores_from_minus_one_to_one_are_learned_and_answered_in_that_range(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    ended = train_case("minus.toml", steps=2)
    assert ended.status == 0, ended.stderr
    assert "0 bad" in ended.stderr
    answers = swissbert("predict", "RUN", "--input", "minus.csv")
    scores = [json.loads(line)["score"] for line in answers.lines]
    assert len(scores) == 50
    assert all(-1 <= score <= 1 for score in scores)


@pytest.mark.parametrize("case", ["a13-scores"], indirect=True)
@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("percent.toml", "label '96%' has a percent sign, but a number from 1 to 100 is expected; write 96"),
        ("euro.toml", "label '4,81' has a decimal comma, but numbers have a decimal point; write 4.81"),
    ],
)
def test_percent_signs_and_decimal_commas_end_in_one_sentence(
    case: Path, train_case: Command, recipe: str, sentence: str
) -> None:
    ended = train_case(recipe, steps=1)
    assert ended.status == 2
    [error] = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert "no usable row for task 'sim' (50 bad rows); all like row 2:" in error
    assert sentence in error


@pytest.mark.parametrize("case", ["a13-scores"], indirect=True)
def test_scores_outside_the_range_are_bad_and_nan_is_no_label(case: Path, train_case: Command) -> None:
    ended = train_case("outside.toml", options=["--dry-run"])
    assert ended.status == 0, ended.stderr
    assert "sim train: 39 rows from outside.csv, 1 without a label (1 'nan'), 3 bad" in ended.stderr
    for value in ("inf", "5.0000001", "7"):
        assert f"label '{value}' is not a number from 0 to 5" in ended.stderr


@pytest.mark.parametrize("case", ["a13-scores"], indirect=True)
def test_a_range_that_is_left_out_is_taken_from_the_rows_and_shown(case: Path, train_case: Command) -> None:
    ended = train_case("norange.toml", options=["--dry-run"])
    assert ended.status == 0, ended.stderr
    assert "0.357924 to 7" in ended.stderr
    assert "label 'inf' is not a number from 0.357924 to 7" in ended.stderr


@pytest.mark.parametrize("case", ["a15-names-in-dev"], indirect=True)
def test_numbers_in_train_and_names_in_dev_are_both_understood(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "mood train: 40 rows from train.csv, 0 bad" in ended.stderr
    assert "mood dev: 20 rows from dev.csv, 0 bad" in ended.stderr


@pytest.mark.parametrize("case", ["a15-names-in-dev"], indirect=True)
def test_evaluate_stops_at_many_bad_rows_and_an_option_allows_them(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    assert train_case(steps=1).status == 0
    rows = Path("dev.csv").read_text().splitlines()
    Path("dev.csv").write_text("\n".join([*rows[:16], *(row.rsplit(",", 1)[0] + ",angry" for row in rows[16:])]))
    ended = swissbert("evaluate", "RUN", "--data", ".")
    assert ended.status == 2
    assert "5 of 20 rows read for task 'mood' cannot be used, all like row 17: label 'angry' is not one" in ended.stderr
    assert "--max-bad" in ended.stderr
    allowed = swissbert("evaluate", "RUN", "--data", ".", "--max-bad", "0.5", "--json")
    assert allowed.status == 0, allowed.stderr
    assert json.loads(allowed.stdout)["tasks"]["mood"]["rows"] == 15
