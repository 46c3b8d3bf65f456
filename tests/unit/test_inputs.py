"""Inputs to predict: files of every format and standard input."""

import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swissbert.data.formats import FORMATS
from swissbert.data.rows import BadRow, Row
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import read_inputs
from swissbert.tasks import find_task


def test_lines_of_standard_input_are_rows_and_bad_rows_in_their_places() -> None:
    file = io.StringIO("good film\n\nbad film\n")
    rows = list(read_inputs("-", find_task("sst"), stdin=file))
    assert rows == [
        Row(1, "1", "good film", None, None),
        BadRow("standard input", 2, "the text is empty"),
        Row(3, "3", "bad film", None, None),
    ]
    pairs = list(read_inputs("-", find_task("sts"), stdin=io.StringIO("a\tb\nonly one\n")))
    assert isinstance(pairs[0], Row)
    assert isinstance(pairs[1], BadRow)


def test_columns_are_those_of_the_task_or_text_and_text_pair(tmp_path: Path) -> None:
    task = find_task("para")
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps({"text": "a", "text_pair": "b", "id": 7}) + "\n")
    own = tmp_path / "own.tsv"
    own.write_text("id\tsentence1\tsentence2\tis_duplicate\nx\ta\tb\tnonsense\n")
    assert list(read_inputs(str(plain), task)) == [Row(1, "7", "a", "b", None)]
    assert list(read_inputs(str(own), task)) == [Row(2, "x", "a", "b", None)]
    with pytest.raises(SwissbertError, match="cannot be read"):
        list(read_inputs(str(tmp_path / "none.txt"), task))


COURSE = '\tid\tsentence\tsentiment\n0\tx1\t"A ""b"", c"\t0\n1\tx2\t "plain" d\t4\n'


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_a_file_laid_out_as_the_tasks_format_is_read_as_in_training(tmp_path: Path, name: str) -> None:
    task = find_task("sst").model_copy(update={"files": {"train": name}})
    (tmp_path / name).write_text(COURSE)
    rows = [row._replace(label=None) for row in read_split(task, "train", tmp_path).rows]
    assert list(read_inputs(str(tmp_path / name), task)) == rows
    assert [row.text for row in rows] == ['A "b", c', '"plain" d']


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,sentence\nx,"Good, really"\n'),
        ("b.csv", 'text\n"Good, really"\n'),
        ("c.tsv", "text\nGood, really\n"),
    ],
)
def test_other_delimited_files_are_read_by_their_header(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    [row] = read_inputs(str(tmp_path / name), find_task("sst"))
    assert isinstance(row, Row)
    assert row.text == "Good, really"


def test_the_course_test_files_are_read(cs224n: Path) -> None:
    task = find_task("sst")
    rows = list(read_inputs(str(cs224n / "ids-sst-test-student.csv"), task))
    assert rows == read_split(task, "test", cs224n).rows


@pytest.mark.parametrize("first", ["{broken", "[1]", '{"other": 1}'])
def test_a_bad_first_line_of_json_does_not_affect_later_rows(tmp_path: Path, first: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(first + '\n{"text": "good", "id": 7}\n{"text": ""}\n')
    bad, good, empty = read_inputs(str(path), find_task("sst"))
    assert isinstance(bad, BadRow)
    assert bad.number == 1
    assert good == Row(2, "7", "good", None, None)
    assert isinstance(empty, BadRow)


def test_a_file_without_the_columns_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"other": 1}\n{"more": 2}\n')
    with pytest.raises(SwissbertError, match="no column 'sentence'"):
        list(read_inputs(str(path), find_task("sst")))


def test_inputs_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    (tmp_path / "rows.xyz").write_text("a film\n")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, format, message in [
        ("none.xyz", "auto", r"none\.xyz: cannot be read \(No such file or directory\)$"),
        ("none.csv", "auto", r"none\.csv: cannot be read \(No such file or directory\)$"),
        (".", "auto", r"cannot be read \(Is a directory\)$"),
        ("folder.csv", "auto", r"cannot be read \(Is a directory\)$"),
        ("rows.xyz", "auto", r"no format is known by the ending '\.xyz' \(known: .*\.txt\); set the format by name: "),
        ("pipe", "parquet", "Parquet needs a file"),
    ]:
        with pytest.raises(SwissbertError, match=message):
            list(read_inputs(str(tmp_path / name), find_task("sst"), format))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_the_table_can_be_named_for_inputs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.any"
    contents = {
        "cs224n": "sentence\tid\na film\tx\n",
        "tsv": "sentence\tid\na film\tx\n",
        "csv": "sentence,id\na film,x\n",
        "jsonl": '{"sentence": "a film", "id": "x"}\n',
        "text": "a film\n",
    }
    if name == "parquet":
        pq.write_table(pa.table({"sentence": ["a film"], "id": ["x"]}), path)
    else:
        path.write_text(contents[name], encoding="utf-8")
    [row] = read_inputs(str(path), find_task("sst"), name)
    assert isinstance(row, Row)
    assert (row.id, row.text) == ("1" if name == "text" else "x", "a film")


@pytest.mark.parametrize(("name", "content"), [("csv", 'text\n"a\nfilm"\n'), ("jsonl", '{"text": "a\\nfilm"}\n')])
def test_standard_input_may_have_columns(name: str, content: str) -> None:
    [row] = read_inputs("-", find_task("sst"), name, stdin=io.StringIO(content))
    assert isinstance(row, Row)
    assert row.text == "a\nfilm"


def test_the_open_file_of_a_text_format_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a film\n", encoding="utf-8")
    pq.write_table(pa.table({"text": ["a film"]}), tmp_path / "rows.parquet")
    opened: list[str] = []
    for name in ("rows.txt", "rows.parquet"):
        list(read_inputs(str(tmp_path / name), find_task("sst"), on_open=lambda file: opened.append(str(file.name))))
    assert opened == [str(tmp_path / "rows.txt")]
