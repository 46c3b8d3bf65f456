"""Answers beside the rows that they belong to: folders ``i``, and the predictions of ``b08``, ``b14`` and ``a03``."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from case_runner import Command, Ended


def records(ended: Ended) -> list[dict[str, Any]]:
    assert ended.status == 0, ended.stderr
    return [json.loads(line) for line in ended.lines]


def table(path: Path, delimiter: str = ",") -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    return header, rows


@pytest.mark.parametrize("case", ["i01-csv-out"], indirect=True)
def test_a_missing_text_column_is_named_with_the_option_that_helps(case: Path, swissbert: Command) -> None:
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "messages.csv")
    assert ended.status == 2
    assert "no column 'sentence', which task 'sst' reads (columns here: 'ticket', 'body', 'channel')" in ended.stderr
    assert "--text-column" in ended.stderr
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "messages.csv", "--text-column", "bdy")
    assert ended.status == 2
    assert "did you mean 'body'" in ended.stderr


@pytest.mark.parametrize("case", ["i01-csv-out"], indirect=True)
def test_columns_are_named_at_predict_time_and_ids_are_those_of_the_file(case: Path, swissbert: Command) -> None:
    options = ["--text-column", "body", "--id-column", "ticket"]
    named = records(swissbert("predict", "mini", "--task", "sst", "--input", "messages.csv", *options))
    assert [record["id"] for record in named] == [f"m-{number:03}" for number in range(8)]
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "messages_text.csv")
    numbered = records(ended)
    assert [record.pop("row") for record in numbered] == list(range(2, 10)), "the header is line 1"
    assert "no column 'id', so answers have the number of their row" in ended.stderr
    assert all("id" not in record for record in numbered)
    assert numbered == [{key: value for key, value in record.items() if key != "id"} for record in named]


@pytest.mark.parametrize("case", ["i01-csv-out"], indirect=True)
def test_an_encoding_is_named_at_predict_time(case: Path, swissbert: Command) -> None:
    rows = "text,ticket\n" + "".join(f"A naïve film at the café {number}.,t-{number}\n" for number in range(4))
    (case / "utf-8.csv").write_text(rows, encoding="utf-8")
    (case / "western.csv").write_text(rows, encoding="windows-1252")
    command = ["predict", "mini", "--task", "sst", "--input"]
    ended = swissbert(*command, "western.csv")
    assert ended.status == 2
    assert "western.csv: the text is not UTF-8" in ended.stderr
    assert ended.stderr.endswith("(on the command line: --encoding)\n")
    expected = records(swissbert(*command, "utf-8.csv"))
    assert records(swissbert(*command, "western.csv", "--encoding", "windows-1252")) == expected
    assert swissbert(*command, "western.csv", "--encoding", "windows-1252", "--output-dir", "answers").status == 0
    shard = (case / "answers" / "part-00000.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in shard.splitlines()] == expected
    ended = swissbert(*command, "western.csv", "--encoding", "cp1250", "--output-dir", "answers")
    assert ended.status == 2
    assert "differs in encoding ('windows-1252' became 'cp1250')" in ended.stderr


@pytest.mark.parametrize("case", ["b04-no-header"], indirect=True)
def test_a_file_without_a_header_is_answered_by_the_number_of_its_column(case: Path, swissbert: Command) -> None:
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "train.csv")
    assert ended.status == 2
    assert ended.stderr.endswith("(on the command line: --no-header)\n")
    command = ["predict", "mini", "--task", "sst", "--input", "train.csv", "--no-header", "--text-column", "2"]
    assert len(records(swissbert(*command))) == 60


@pytest.mark.parametrize("case", ["b04-no-header"], indirect=True)
def test_a_model_of_files_without_a_header_reads_one_with_a_header(
    case: Path, train_case: Command, swissbert: Command
) -> None:
    task = case / "task.toml"
    columns = 'columns = { text = "description", label = "class" }'
    task.write_text(task.read_text().replace(columns, "columns = { text = 3, label = 1 }\nheader = false"))
    assert train_case().status == 0
    (case / "new.csv").write_text("number,message\n7,A lovely seat.\n")
    command = ["predict", "RUN", "--input", "new.csv", "--text-column", "message"]
    assert len(records(swissbert(*command, "--header"))) == 1
    ended = swissbert("predict", "RUN", "--input", "new.csv", "--header")
    assert ended.status == 2
    assert "no column '3', which task 'news' reads (columns here: 'number', 'message')" in ended.stderr
    assert "--text-column" in ended.stderr


@pytest.mark.parametrize("case", ["i01-csv-out"], indirect=True)
def test_a_name_that_ends_in_csv_gets_the_input_and_the_answers(case: Path, swissbert: Command) -> None:
    plain = records(swissbert("predict", "mini", "--task", "sst", "--input", "messages_text.csv"))
    command = ["predict", "mini", "--task", "sst", "--input", "messages_text.csv", "--output"]
    assert swissbert(*command, "answers.csv", "--probabilities").status == 0
    header, rows = table(case / "answers.csv")
    given_header, given_rows = table(case / "messages_text.csv")
    assert header[:5] == [*given_header, "label", "probability"]
    assert header[5:10] == [f"probability_{name}" for name in LABELS]
    assert header[10:] == ["cut", "error"]
    for row, given, answer in zip(rows, given_rows, plain, strict=True):
        assert row[:3] == given
        assert row[3:5] == [answer["label_name"], str(answer["probabilities"][answer["label"]])]
        assert [float(cell) for cell in row[5:10]] == answer["probabilities"]
        assert row[10:] == ["false", ""]
    refused = swissbert(*command, "answers.xlsx")
    assert refused.status == 2
    assert ".csv, .tsv, .parquet, .jsonl, .ndjson" in refused.stderr
    assert not (case / "answers.xlsx").exists()


LABELS = ["negative", "somewhat negative", "neutral", "somewhat positive", "positive"]


@pytest.mark.parametrize("case", ["i02-two-tasks"], indirect=True)
def test_several_tasks_are_answered_at_once_as_one_after_the_other(case: Path, swissbert: Command) -> None:
    command = ["predict", "mini", "--input", "pairs.tsv"]
    both = records(swissbert(*command, "--task", "sts", "--task", "para", "--task", "sts"))
    assert [list(record) for record in both] == [["id", "sts", "para"]] * 6, "in the order of the options"
    for name in ("para", "sts"):
        alone = records(swissbert(*command, "--task", name))
        assert [{"id": record["id"], **record[name]} for record in both] == alone
    ended = swissbert(*command)
    assert [list(record) for record in records(ended)] == [["id", "para", "sts"]] * 6
    assert "answered by tasks 'para' and 'sts'" in ended.stderr
    assert swissbert(*command, "--output", "answers.tsv").status == 0
    header, rows = table(case / "answers.tsv", "\t")
    assert header[:6] == ["id", "text", "text_pair", "para_label", "para_probability", "sts_score"]
    assert [float(row[5]) for row in rows] == [record["sts"]["score"] for record in both]


@pytest.mark.parametrize("case", ["i02-two-tasks"], indirect=True)
def test_tasks_that_read_other_columns_of_a_row_are_answered_beside_it(case: Path, swissbert: Command) -> None:
    (case / "rows.jsonl").write_text('{"text": "A fine day.", "text_pair": "A good day."}\n{"text": "A fine day."}\n')
    command = ["predict", "mini", "--input", "rows.jsonl", "--task", "sst", "--task", "sts"]
    whole, half = records(swissbert(*command))
    assert whole["sst"] == half["sst"]
    assert "score" in whole["sts"]
    assert half["sts"] == {"error": "there is no column 'text_pair' in this row"}
    texts = swissbert("predict", "mini", "A fine day.", "A good day.")
    assert json.loads(texts.stdout)["sts"] == whole["sts"]
    assert set(json.loads(texts.stdout)) == {"para", "sts"}


@pytest.mark.parametrize("case", ["i05-long-texts"], indirect=True)
def test_texts_that_were_cut_are_marked(case: Path, swissbert: Command) -> None:
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "texts.txt")
    long, short = records(ended)
    assert long["cut"] is True
    assert "cut" not in short
    assert "1 of 2 text(s) was longer than 512 tokens and was cut" in ended.stderr
    assert swissbert("predict", "mini", "--input", "texts.txt", "--output", "out.csv").status == 0
    header, rows = table(case / "out.csv")
    assert [row[header.index("cut")] for row in rows] == ["true", "false"]
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "texts.txt", "--output-dir", "out")
    assert "1 of 2 text(s) was longer" in ended.stderr


@pytest.mark.parametrize("case", ["i05-long-texts"], indirect=True)
def test_the_status_is_1_if_no_row_can_be_used(case: Path, swissbert: Command) -> None:
    (case / "empty.csv").write_text('text,note\n,a\n" ",b\n')
    for more, status in ((["--output-dir", "out"], 1), (["--output", "out.csv"], 1)):
        ended = swissbert("predict", "mini", "--task", "sst", "--input", "empty.csv", *more)
        assert ended.status == status
    assert "2 of 2 row(s) could not be used" in ended.stderr
    header, rows = table(case / "out.csv")
    assert header == ["text", "note", "label", "probability", "cut", "error"]
    assert rows == [["", "a", "", "", "", "column 'text' is empty"], [" ", "b", "", "", "", "column 'text' is empty"]]
    (case / "none.csv").write_text("text\n")
    assert swissbert("predict", "mini", "--task", "sst", "--input", "none.csv").status == 0, "no rows, no errors"


@pytest.mark.parametrize("case", ["i02-two-tasks"], indirect=True)
def test_a_threshold_moves_the_label_and_not_the_probabilities(case: Path, swissbert: Command) -> None:
    command = ["predict", "mini", "--input", "pairs.tsv", "--task", "para"]
    plain, strict = records(swissbert(*command)), records(swissbert(*command, "--threshold", "0.9"))
    assert [record["probabilities"] for record in plain] == [record["probabilities"] for record in strict]
    assert [record["label"] for record in strict] == [int(r["probabilities"][1] >= 0.9) for r in plain]
    assert [record["label"] for record in plain] != [record["label"] for record in strict]
    refused = swissbert(*command, "--task", "sts", "--threshold", "0.9")
    assert refused.status == 2
    assert "task 'sts' is a regression, whose answers have no threshold" in refused.stderr
    assert swissbert(*command, "--threshold", "1.5").status == 2


@pytest.mark.parametrize("case", ["b08-question-pairs"], indirect=True)
def test_ten_question_pairs_are_answered_in_order(case: Path, train_case: Command, swissbert: Command) -> None:
    ended = train_case(steps=1)
    assert ended.status == 0, ended.stderr
    ended = swissbert("predict", "RUN", "--input", "test.csv")
    answers = records(ended)
    assert len(answers) == 10
    assert [number for number, answer in enumerate(answers) if "error" in answer] == [3]
    assert answers[3] == {"row": 5, "error": "column 'question2' is empty"}
    assert "no column 'id'" in ended.stderr
    named = records(swissbert("predict", "RUN", "--input", "test.csv", "--id-column", "test_id"))
    assert [answer["id"] for answer in named] == [str(number) for number in range(10)]
    assert named[3] == {"id": "3", "error": "column 'question2' is empty"}
    assert swissbert("predict", "RUN", "--input", "test.csv", "--output", "out.parquet").status == 0
    import pyarrow.parquet as pq

    columns = pq.read_table(case / "out.parquet").to_pydict()
    assert list(columns) == ["test_id", "question1", "question2", "label", "probability", "cut", "error"]
    assert columns["test_id"] == [str(number) for number in range(10)]
    assert [label is None for label in columns["label"]] == [number == 3 for number in range(10)]


@pytest.mark.parametrize("case", ["b14-odd-texts"], indirect=True)
def test_odd_texts_are_answered_in_their_places(case: Path, train_case: Command, swissbert: Command) -> None:
    assert train_case(steps=1).status == 0
    answers = records(swissbert("predict", "RUN", "--input", "train.jsonl"))
    texts = [json.loads(line)["text"] for line in (case / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [answer["row"] for answer in answers] == list(range(1, len(texts) + 1))
    assert ["error" in answer for answer in answers] == ["\0" in text for text in texts]
    assert answers[1]["probabilities"] == answers[2]["probabilities"]
    assert swissbert("predict", "RUN", "--input", "train.jsonl", "--output", "out.csv").status == 0
    _, rows = table(case / "out.csv")
    assert [row[0] for row in rows] == texts, "texts are unchanged"


@pytest.mark.parametrize("case", ["a03-unlabelled-minus-one"], indirect=True)
def test_rows_whose_label_is_minus_one_are_answered(case: Path, train_case: Command, swissbert: Command) -> None:
    assert train_case(steps=1).status == 0
    answers = records(swissbert("predict", "RUN", "--input", "test.tsv"))
    assert [answer["id"] for answer in answers] == [str(number) for number in range(12)]
    assert all("label" in answer for answer in answers)
    assert swissbert("predict", "RUN", "--input", "test.tsv", "--output", "out.csv").status == 0
    header, rows = table(case / "out.csv")
    assert header == ["index", "sentence", "label", "mood_label", "mood_probability", "cut", "error"]
    assert {row[2] for row in rows} == {"-1"}, "the input's own column is kept"


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_a_table_on_standard_input_is_read_as_one(
    swissbert: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delimiter: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = f"id{delimiter}text\nx1{delimiter}A fine day.\nx2{delimiter}Dull.\n"
    (tmp_path / "rows.csv").write_text(rows)
    command = ["predict", "mini", "--task", "sst", "--input"]
    expected = records(swissbert(*command, "rows.csv"))
    piped = swissbert(*command, "-", stdin=rows)
    assert records(piped) == expected
    assert [record["id"] for record in expected] == ["x1", "x2"]
    assert "by its first line; format text reads a text on each line" in piped.stderr
    assert len(records(swissbert(*command, "-", "--format", "text", stdin=rows))) == 3


@pytest.mark.parametrize(
    ("stdin", "rows", "is_table"),
    [
        ('{"text": "Fine."}\n{"text": "Dull."}\n', 2, True),
        ('[\n {"text": "Fine."},\n {"text": "Dull."}\n]\n', 2, True),
        ("Fine, text\nDull\n", 2, False),
        ("text\nDull.\n", 1, True),
        ('{"body": "Fine."}\n', 1, False),
        ("", 0, False),
    ],
)
def test_standard_input_is_plain_text_unless_its_first_line_has_the_columns(
    swissbert: Command, stdin: str, rows: int, is_table: bool
) -> None:
    ended = swissbert("predict", "mini", "--task", "sst", "--input", "-", stdin=stdin)
    assert ended.status == 0
    assert len(records(ended)) == rows
    assert ("read as" in ended.stderr.replace("read as plain text", "")) == is_table
    assert ("read as plain text, a text on each line, because no task reads" in ended.stderr) == ("body" in stdin)
    assert ("there are no rows to answer" in ended.stderr) == (rows == 0)


def test_rows_without_an_id_are_answered_under_their_number(
    swissbert: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n12.0,Fine.\n,Fine.\n")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": 7, "text": "Fine."}\n{"text": "Fine."}\n{"id": null, "text": "Fine."}\n'
    )
    for name, expected in (
        ("rows.csv", [("id", "12.0"), ("row", 3)]),
        ("rows.jsonl", [("id", "7"), ("row", 2), ("row", 3)]),
    ):
        found = records(swissbert("predict", "mini", "--task", "sst", "--input", name))
        assert [next(iter(record.items())) for record in found] == expected
        assert len({record["label"] for record in found}) == 1


def test_options_of_one_value_are_refused_a_second_time(
    swissbert: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("Fine.\n")
    ended = swissbert("predict", "mini", "--input", "a.txt", "--task", "sst", "--input=b.txt")
    assert (ended.status, ended.stderr) == (2, "error: --input is given twice, but it takes one value\n")
    ended = swissbert("predict", "mini", "--input", "a.txt", "--task", "sst", "--output", "-")
    assert len(records(ended)) == 1
    assert not (tmp_path / "-").exists()
    assert swissbert("predict", "a.txt", "Fine.").stderr.startswith("error: a.txt: a file, but a model is a folder")
