"""Files as people have them: folders ``b``, ``a06`` and ``i03``."""

import json
import re
from pathlib import Path

import pytest

from case_runner import Command, Ended


def rows(ended: Ended) -> tuple[int, int]:
    """Return the number of usable rows of train and dev, and the number of bad rows, as training reports them."""
    assert ended.status == 0, ended.stderr
    counts = re.findall(r"(?:train|dev): ([\d,]+) rows from .*?, (\d+) bad", ended.stderr)
    return sum(int(count.replace(",", "")) for count, _ in counts), sum(int(bad) for _, bad in counts)


def refused(ended: Ended) -> str:
    """Return the one sentence that a refused command ends with."""
    assert ended.status == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("case", ["b01-windows-1252"], indirect=True)
def test_an_encoding_is_named_by_the_refusal_and_read_once_it_is_set(case: Path, train_case: Command) -> None:
    message = refused(train_case())
    assert "spam.csv: the text is not UTF-8" in message
    assert 'write encoding = "windows-1252"' in message
    task = case / "task.toml"
    task.write_text(task.read_text() + 'encoding = "windows-1252"\n')
    assert rows(train_case()) == (60, 0)


@pytest.mark.parametrize("case", ["b02-semicolons"], indirect=True)
def test_semicolons_are_recognised_by_the_columns_and_said(case: Path, train_case: Command, swissbert: Command) -> None:
    ended = train_case()
    assert rows(ended) == (60, 0)
    assert "train.csv: the cells are separated by semicolons, not by commas" in ended.stderr
    answers = swissbert("predict", "RUN", "--input", "train.csv")
    assert len(answers.lines) == 60
    assert "separated by semicolons" in answers.stderr
    report = swissbert("data", "check", ".", "--tasks", "task.toml")
    assert "separated by semicolons" in report.stdout


@pytest.mark.parametrize("case", ["b04-no-header"], indirect=True)
def test_a_missing_header_is_recognised_and_columns_go_by_number(case: Path, train_case: Command) -> None:
    message = refused(train_case())
    assert "the first line is taken as the header" in message
    assert "looks like data" in message
    assert "header = false" in message
    assert "did you mean" not in message
    task = case / "task.toml"
    columns = 'columns = { text = "description", label = "class" }'
    task.write_text(task.read_text().replace(columns, "header = false\ncolumns = { text = 3, label = 1 }"))
    assert rows(train_case()) == (60, 0)


@pytest.mark.parametrize("case", ["b06-gzip-and-spreadsheet"], indirect=True)
def test_gzip_is_read_with_and_without_a_format_and_a_spreadsheet_is_refused(case: Path, train_case: Command) -> None:
    assert rows(train_case("task.toml", out="A")) == (60, 0)
    assert rows(train_case("taskcsv.toml", out="B")) == (60, 0)
    assert "train.xlsx: this is a spreadsheet; save its table as CSV" in refused(train_case("taskxlsx.toml", out="C"))


@pytest.mark.parametrize("case", ["b08-question-pairs"], indirect=True)
def test_quoted_pairs_over_lines_are_read_and_answered_in_order(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    assert rows(train_case()) == (59, 1)
    ended = swissbert("predict", "RUN", "--input", "test.csv")
    answers = [json.loads(line) for line in ended.lines]
    assert len(answers) == 10
    assert [number for number, answer in enumerate(answers) if "error" in answer] == [3]
    assert "question2" in answers[3]["error"]


@pytest.mark.parametrize("case", ["b10-stray-quotes"], indirect=True)
def test_stray_quotes_cost_their_own_lines_at_most(case: Path, train_case: Command) -> None:
    assert rows(train_case("task.toml", out="A")) == (60, 0)
    ended = train_case("taskcsv.toml", out="B")
    assert rows(ended) == (58, 2)
    assert "reviews.csv:7:" in ended.stderr
    assert "(also row 42)" in ended.stderr


@pytest.mark.parametrize("case", ["b11-json-shapes"], indirect=True)
def test_json_of_every_shape_is_read(case: Path, train_case: Command) -> None:
    for name in ("array", "arrayl", "nested", "pretty"):
        assert rows(train_case(f"{name}.toml", out=name)) == (40, 0)
    message = refused(train_case("lists.toml", out="lists"))
    assert "a JSON list, not an object with column names" in message
    assert "header = false" in message
    recipe = case / "lists.toml"
    named = 'columns = { text = "text", label = "label" }'
    recipe.write_text(recipe.read_text().replace(named, "header = false\ncolumns = { text = 1, label = 2 }"))
    assert rows(train_case("lists.toml", out="numbers")) == (40, 0)


@pytest.mark.parametrize("case", ["b14-odd-texts"], indirect=True)
def test_only_the_text_with_a_nul_is_bad_and_every_row_has_its_place(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    count = len((case / "train.jsonl").read_text(encoding="utf-8").splitlines())
    assert rows(train_case("task.toml", out="A"))[1] == 1
    assert rows(train_case("taskcsv.toml", out="B"))[1] == 0
    answers = [json.loads(line) for line in swissbert("predict", "A", "--input", "train.jsonl").lines]
    assert len(answers) == count
    assert sum("error" in answer for answer in answers) == 1
    assert {**answers[1], "row": 0} == {**answers[2], "row": 0}


@pytest.mark.parametrize("case", ["b15-several-train-files"], indirect=True)
@pytest.mark.parametrize("recipe", ["task.toml", "taskglob.toml"])
def test_all_files_of_a_list_or_a_pattern_are_read(case: Path, train_case: Command, recipe: str) -> None:
    ended = train_case(recipe)
    assert rows(ended) == (90, 0)
    assert "from train-0.csv, train-1.csv, train-2.csv" in ended.stderr
    (case / "train-1.csv").unlink()
    if recipe == "task.toml":
        assert "train-1.csv is not in" in refused(train_case(recipe, out="OTHER"))
    else:
        assert rows(train_case(recipe, out="OTHER")) == (60, 0)


@pytest.mark.parametrize("case", ["b17-same-column-twice"], indirect=True)
def test_two_columns_of_a_name_that_is_not_read_do_no_harm(case: Path, train_case: Command) -> None:
    assert rows(train_case())[1] == 0
    task = case / "task.toml"
    task.write_text(task.read_text().replace('label = "label" }', 'label = "label", id = "id" }'))
    assert "the header names column 'id' twice" in refused(train_case(out="OTHER"))


@pytest.mark.parametrize("case", ["i03-text-file-with-columns"], indirect=True)
def test_predict_reads_a_file_as_training_did(case: Path, train_case: Command, swissbert: Command) -> None:
    assert rows(train_case(steps=6)) == (40, 0)
    plain = swissbert("predict", "RUN", "--input", "messages.txt")
    named = swissbert("predict", "RUN", "--input", "messages.txt", "--format", "tsv")
    assert plain.status == 0
    assert plain.lines == named.lines
    assert [json.loads(line)["id"] for line in plain.lines] == [str(number) for number in range(40)]


@pytest.mark.parametrize("case", ["i03-text-file-with-columns"], indirect=True)
def test_predict_says_that_cells_are_read_as_plain_text(case: Path, train_case: Command, swissbert: Command) -> None:
    train_case(steps=1)
    lines = (case / "messages.txt").read_text().splitlines()
    (case / "other.txt").write_text("\n".join(["number\tmessage\tmood", *lines[1:]]))
    ended = swissbert("predict", "RUN", "--input", "other.txt")
    assert "other.txt: read as plain text" in ended.stderr
    (case / "texts.txt").write_text("What a day.\nNever again.\n")
    ended = swissbert("predict", "RUN", "--input", "texts.txt")
    assert (len(ended.lines), ended.stderr) == (2, "")


@pytest.mark.parametrize("case", ["a06-header-twice"], indirect=True)
def test_a_header_in_the_middle_is_a_bad_row(case: Path, train_case: Command) -> None:
    ended = train_case()
    assert rows(ended) == (60, 1)
    assert "the header occurs again" in ended.stderr
