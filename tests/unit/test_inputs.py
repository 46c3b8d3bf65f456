"""Inputs to predict: files of every format and standard input."""

import gzip
import io
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from declared import declare

from swissbert.data.formats import FORMATS
from swissbert.data.rows import BadRow, Row
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.input_columns import InputColumns
from swissbert.inference.input_options import InputOptions
from swissbert.inference.input_stream import is_stream
from swissbert.inference.inputs import open_inputs, read_inputs
from swissbert.tasks import Task, find_task


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


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there are no paths of file descriptors here")
def test_a_pipe_of_the_shell_is_a_stream_and_other_special_files_are_not(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sentence\tid\na film\tx\n")
    os.close(writing)
    notes: list[str] = []
    assert is_stream(f"/dev/fd/{reading}")
    [row] = read_inputs(f"/dev/fd/{reading}", find_task("sst"), on_note=notes.append)
    assert row == Row(2, "x", "a film", None, None)
    assert [note.startswith(f"/dev/fd/{reading}: read as ") for note in notes] == [True]
    with pytest.raises(SwissbertError, match="Parquet needs a file"):
        list(read_inputs(f"/dev/fd/{reading}", find_task("sst"), "parquet"))
    os.close(reading)
    os.mkfifo(tmp_path / "pipe")
    assert is_stream("-")
    for other in (tmp_path / "pipe", f"/dev/fd/{reading}", "/dev/null", "/dev/fd/x", "/dev/fd/999999999999"):
        assert not is_stream(str(other))
    with pytest.raises(SwissbertError, match="not a regular file"):
        list(read_inputs(str(tmp_path / "pipe"), find_task("sst")))
    with (tmp_path / "rows.tsv").open("w+b") as file:
        assert not is_stream(f"/dev/fd/{file.fileno()}")  # a file is read as a file


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


# One reader for training and for predictions


def pair_of_readings(task: Task, path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return number and text of the rows as training and as a prediction reads them."""
    trained = read_split(task, "train", path.parent).rows
    asked = read_inputs(str(path), task)
    return [(row.number, row.text) for row in trained], [
        (row.number, row.text) for row in asked if isinstance(row, Row)
    ]


@pytest.mark.parametrize(
    ("name", "content", "changes"),
    [
        ("rows.txt", b"id\ttext\tlabel\n1\tfine\t1\n2\tdull, long\t0\n", {"format": "tsv"}),
        ("rows.txt", b"id\ttext\tlabel\n1\tfine\t1\n2\tdull, long\t0\n", {}),
        ("rows.txt", b'\xef\xbb\xbfid;text;label\r\n1;fine;1\r\n2;"dull; long";0\r\n', {}),
        ("rows.txt", b"1\tfine\t1\n2\tdull\t0\textra\n", {"header": False, "columns": {"text": 2, "label": 3}}),
        (
            "rows.csv",
            b"1\tfine\t1\n2\tdull\t0\n",
            {"header": False, "columns": {"text": 2, "label": 3}, "format": "tsv"},
        ),
        ("rows.csv", b'text,label\nfine,1\n"dull, long",0\n', {"format": "tsv"}),
        ("rows.dat", b"text|label\nfine|1\ndull|0\n", {"delimiter": "|"}),
        ("rows.csv", "text^label\nfine^1\ncafé^0\n".encode("cp1252"), {"delimiter": "^", "encoding": "windows-1252"}),
        ("rows.txt", b'{"text": "fine", "label": 1}\n{"text": "dull", "label": 0}\n', {"format": "jsonl"}),
        ("rows.txt", b'{"text": "fine", "label": 1}\n{"text": "dull", "label": 0}\n', {}),
        ("rows.json", b'[{"x": {"text": "fine"}, "label": 1}]', {"columns": {"text": "x.text", "label": "label"}}),
        ("rows.tsv", "text\tlabel\nfine\t1\n".encode("utf-16"), {}),
        ("rows.csv", gzip.compress(b"text;label\nfine;1\ndull;0\n", mtime=0), {}),
        ("rows.tsv", b'text\tlabel\n"fine\t1\n', {"quotes": False}),
    ],
)
def test_a_file_is_read_for_predictions_as_it_is_in_training(
    tmp_path: Path, name: str, content: bytes, changes: dict[str, Any]
) -> None:
    (tmp_path / name).write_bytes(content)
    trained, asked = pair_of_readings(declare(name, **changes), tmp_path / name)
    assert trained == asked
    assert trained[0][1] in ("fine", '"fine')


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "cs224n"},
        {"format": "csv"},
        {"format": "jsonl"},
        {"header": False, "columns": {"text": 2, "label": 1}, "format": "tsv"},
        {"encoding": "windows-1252"},
        {},
    ],
)
def test_plain_text_is_read_as_plain_text_whatever_a_task_declares(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "texts.txt").write_text("Well, what a film.\nThe café: good\n", encoding="utf-8")
    notes: list[str] = []
    rows = list(read_inputs(str(tmp_path / "texts.txt"), declare(**changes), on_note=notes.append))
    assert [(row.number, row.text) for row in rows if isinstance(row, Row)] == [
        (1, "Well, what a film."),
        (2, "The café: good"),
    ]


def test_other_delimiters_encodings_and_headers_than_in_training_are_said(tmp_path: Path) -> None:
    task = declare(header=False, columns={"text": 2, "label": 1}, format="tsv", encoding="windows-1252")
    path = tmp_path / "new.tsv"
    path.write_text("number;text\n1;café\n", encoding="utf-8")
    notes: list[str] = []
    [row] = read_inputs(str(path), task, on_note=notes.append)
    assert isinstance(row, Row)
    assert row.text == "café"
    assert [note.split(": ")[1].split(",")[0] for note in notes] == [
        "read as UTF-8",
        "the cells are separated by semicolons",
        "the first line names the columns",
    ]


def test_an_encoding_that_is_named_takes_the_place_of_that_of_the_task(tmp_path: Path) -> None:
    path, task = tmp_path / "new.csv", declare(encoding="windows-1252")
    path.write_text("text\nкино\n", encoding="windows-1251")
    [given] = open_inputs(str(path), [task], options=InputOptions(encoding="windows-1251"))
    assert [row.text for row in given.rows if isinstance(row, Row)] == ["кино"]
    with pytest.raises(SwissbertError, match="encoding is 'win', which is not an encoding of text; there are utf-8"):
        open_inputs(str(path), [task], options=InputOptions(encoding="win"))
    pq.write_table(pa.table({"text": ["a film"]}), tmp_path / "new.parquet")
    with pytest.raises(
        SwissbertError, match=r"encoding is 'utf-8', but .*new\.parquet is read as parquet, which has none"
    ):
        open_inputs(str(tmp_path / "new.parquet"), [task], options=InputOptions(encoding="utf-8"))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("new.csv", "7,A film\n", InputOptions(InputColumns("2", id="1"), header=False)),
        ("new.txt", "7\tA film\n", InputOptions(InputColumns("2", id="1"), header=False)),
        ("new.csv", "7^A film\n", InputOptions(InputColumns("2", id="1"), delimiter="^", header=False)),
        ("new.txt", "id^text\n7^A film\n", InputOptions(delimiter="^")),
        ("new.txt", "id\ttext\n7\tA film\n", InputOptions(delimiter="tab")),
        ("new.jsonl", '["7", "A film"]\n', InputOptions(InputColumns("2", id="1"), header=False)),
    ],
)
def test_delimiter_and_header_can_be_named_for_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, options: InputOptions, streams: bool
) -> None:
    path = tmp_path / name
    path.write_text(content)
    if streams and options.delimiter is None and "[" not in content:
        options = replace(options, delimiter="," if "," in content else "tab")
    format = "jsonl" if streams and name.endswith("jsonl") else "auto"  # where lists are text unless it is named
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    [given] = open_inputs("-" if streams else str(path), [declare()], format, options=options)
    assert [(row.id, row.text) for row in given.rows if isinstance(row, Row)] == [("7", "A film")]


@pytest.mark.parametrize(
    ("header", "row", "columns", "notes"),
    [
        (
            "x,text,x",
            "a,film,b",
            {"x": "a", "text": "film", "x.1": "b"},
            ["columns of the same name, or without one, are told apart by numbers: 'x.1'"],
        ),
        (
            "x,text,x,x.1,x",
            "a,film,b,c,d",
            {"x": "a", "text": "film", "x.2": "b", "x.1": "c", "x.3": "d"},
            ["'x.2', 'x.3'"],
        ),
        (",text,", "7,film,", {"": "7", "text": "film"}, []),
        ("text,note,,", "film,,x", {"text": "film", "note": ""}, ["1 row holds text in columns without a name"]),
        ("note,,text,", "a,b,film", {"note": "a", "": "b", "text": "film"}, []),
        (",text,", "7,film,more", {"": "7", "text": "film"}, ["1 row holds text in columns without a name"]),
        ("text,,", "film,,", {"text": "film"}, []),
    ],
)
def test_columns_of_the_same_name_are_all_kept(
    tmp_path: Path, header: str, row: str, columns: dict[str, str], notes: list[str]
) -> None:
    path = tmp_path / "new.csv"
    path.write_text(f"{header}\n{row}\n")
    said: list[str] = []
    [given] = open_inputs(str(path), [declare()], on_note=said.append)
    assert given.cells == columns
    assert len(said) == len(notes)
    assert all(expected in note for expected, note in zip(notes, said, strict=True))


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("new.csv", "id,body\n", {}),
        ("new.csv", '[{"text": "a"}]\n', {"delimiter": ";"}),
        ("new.csv", "text,body\n", {"columns": InputColumns("nope")}),
    ],
)
def test_a_header_without_rows_has_to_have_the_columns(
    tmp_path: Path, name: str, content: str, options: dict[str, Any]
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(
        SwissbertError, match=r"has a header and no rows, and no column '(text|nope)' \(columns here: '"
    ):
        list(open_inputs(str(tmp_path / name), [declare()], options=InputOptions(**options)))
    (tmp_path / name).write_text("id,text,nope\n")
    assert list(open_inputs(str(tmp_path / name), [declare()], options=InputOptions())) == []


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "parquet"])
@pytest.mark.parametrize(("names", "answered"), [(["text", "n"], ["one"]), (["text", "text_pair", "n"], ["two"])])
def test_a_table_without_rows_has_the_columns_and_tasks_of_one_with_rows(
    tmp_path: Path, ending: str, names: list[str], answered: list[str]
) -> None:
    path = tmp_path / f"new.{ending}"
    one = declare().model_copy(update={"name": "one", "columns": declare().columns.model_copy(update={"text": "body"})})
    pair = one.columns.model_copy(update={"text_pair": "other"})
    tasks = [one, one.model_copy(update={"name": "two", "columns": pair})]
    for rows in ([], [["a"] * len(names)]):
        if ending == "parquet":
            columns: list[Any] = list(zip(*rows, strict=True)) or [[]] * len(names)
            pq.write_table(pa.table([pa.array(c, pa.string()) for c in columns], names=names), path)
        else:
            sign = "\t" if ending == "tsv" else ","
            data = "".join(f"{sign.join(row)}\n" for row in [names, *rows]).encode()
            path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
        inputs = open_inputs(str(path), tasks, is_choice=True)
        assert inputs.columns == names
        assert [task.name for task in inputs.tasks] == answered
        assert len(list(inputs)) == len(rows)


@pytest.mark.parametrize(
    ("content", "is_noted"),
    [
        ("id,body\n1,fine\n", True),
        ('{"id": 1, "body": "fine"}\n', True),
        ("Yes, a film\nNo, no film\n", False),
        ("a film\nanother\n", False),
    ],
)
def test_lines_of_other_columns_are_texts_on_standard_input_which_is_said(
    monkeypatch: pytest.MonkeyPatch, content: str, is_noted: bool
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    rows = list(open_inputs("-", [declare()], on_note=notes.append))
    assert len(rows) == content.count("\n")
    assert ["read as plain text" in note for note in notes] == [True] * is_noted


def test_an_input_that_is_not_there_is_named_with_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "messages.csv").touch()
    with pytest.raises(
        SwissbertError, match=r"mesages\.csv: cannot be read \(No such file or directory\); did you mean 'messages"
    ):
        open_inputs(str(tmp_path / "mesages.csv"), [declare()])
    with pytest.raises(SwissbertError, match="the name of the input is empty"):
        open_inputs("", [declare()])


@pytest.mark.parametrize("content", ["id,body\n1,fine\n", "id\tbody\n1\tfine\n", '{"id": 1, "body": "fine"}\n'])
def test_a_column_that_is_named_makes_standard_input_a_table(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    for name in ("body", "bod"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        options = InputOptions(InputColumns(name))
        if name == "body":
            [given] = open_inputs("-", [declare()], options=options)
            assert [row.text for row in given.rows if isinstance(row, Row)] == ["fine"]
        else:
            with pytest.raises(SwissbertError, match="no column 'bod', which text_column names; did you mean 'body'"):
                open_inputs("-", [declare()], options=options)


def test_a_header_of_numbers_without_rows_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("0,1\n")
    assert list(open_inputs(str(tmp_path / "new.csv"), [declare()], options=InputOptions(InputColumns("1")))) == []


@pytest.mark.parametrize("content", ["A film, fine\nB\n", "message\na film\n"])
@pytest.mark.parametrize("header", [True, False])
def test_plain_text_has_no_header_to_be_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, header: bool
) -> None:
    (tmp_path / "new.txt").write_text(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    for source in ("-", str(tmp_path / "new.txt")):
        with pytest.raises(
            SwissbertError, match=r"header is (true|false), but .* is read as text, which has none; format"
        ):
            open_inputs(source, [declare()], options=InputOptions(InputColumns(None if header else "1"), header=header))


def test_bytes_of_a_row_are_reported_in_the_encoding_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_bytes("text\n面白い映画\n".encode("shift_jis") + b"\xff\xff\n")
    rows = [
        row
        for given in open_inputs(str(tmp_path / "new.csv"), [declare()], options=InputOptions(encoding="shift_jis"))
        for row in given.rows
    ]
    assert [row.reason for row in rows if isinstance(row, BadRow)] == ["column 'text' has bytes that are not shift_jis"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [("text\nfine, really\n", ["fine, really"]), ('\ntext \n"Fine", he said\n', ['"Fine", he said'])],
)
def test_a_table_of_one_column_is_recognised_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, texts: list[str]
) -> None:
    (tmp_path / "new.txt").write_text(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    for source in ("-", str(tmp_path / "new.txt")):
        rows = [row for given in open_inputs(source, [declare()]) for row in given.rows]
        assert [row.text for row in rows if isinstance(row, Row)] == texts


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("new.csv", "a;b\n", {"delimiter": ";;"}, "delimiter is ';;', but it is one character"),
        ("new.jsonl", '{"text": "a"}\n', {"delimiter": ";"}, r"delimiter is ';', but .*new\.jsonl is read as jsonl"),
        (
            "new.txt",
            "a film\n",
            {"header": False},
            r"header is false, but .*new\.txt is read as text, which has none",
        ),
    ],
)
def test_options_that_an_input_has_no_use_for_are_refused(
    tmp_path: Path, name: str, content: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SwissbertError, match=message):
        open_inputs(str(tmp_path / name), [declare()], options=InputOptions(**options))


def test_standard_input_may_be_compressed_and_in_the_encoding_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    task = declare(encoding="windows-1252")
    content = gzip.compress("text,label\ncafé,1\n".encode("cp1252"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    [row] = read_inputs("-", task, "csv")
    assert isinstance(row, Row)
    assert row.text == "café"


@pytest.mark.parametrize(
    ("name", "content", "is_said"),
    [
        ("new.tsv", 'sentence\tk\nfine "end"\t4\n', True),
        ("new.tsv", "sentence\tk\nfine\t4\n", False),
        ("new.csv", '\tid\tsentence\n0\tx\t"a ""b"""\n', False),  # as the course's: the ending would not read it
    ],
)
def test_that_a_file_is_read_as_those_of_the_task_and_not_by_its_ending_is_said(
    tmp_path: Path, name: str, content: str, is_said: bool
) -> None:
    (tmp_path / name).write_text(content)
    notes: list[str] = []
    inputs = open_inputs(str(tmp_path / name), [find_task("sst")], on_note=notes.append)
    assert len(list(inputs)) == 1
    assert inputs.format.name == "cs224n"
    assert any("format tsv reads it" in note for note in notes) == is_said


@pytest.mark.parametrize(("first", "is_said"), [("text", True), ("a text of its own", False)])
def test_that_the_first_line_of_a_text_file_is_taken_for_a_header_is_said(
    tmp_path: Path, first: str, is_said: bool
) -> None:
    (tmp_path / "new.txt").write_text(f"{first}\ngood\n")
    notes: list[str] = []
    rows = list(open_inputs(str(tmp_path / "new.txt"), [declare("rows.csv")], on_note=notes.append))
    assert len(rows) == (1 if is_said else 2)
    assert any("by its first line; format text reads a text on each line" in note for note in notes) == is_said


def test_a_stream_is_answered_row_by_row_whatever_its_first_line_may_mean() -> None:
    """Nobody writes the next row before the first answer is there."""
    task = declare("rows.csv", header=False, columns={"text": 1, "label": 2})
    read, written = os.pipe()
    with os.fdopen(read) as source, os.fdopen(written, "w") as sink:
        too_long = threading.Timer(20, sink.close)  # so that the next row cannot be written
        too_long.start()
        rows = None
        for number in range(3):
            sink.write(f"good; fine{number},1\n")
            sink.flush()
            rows = rows or iter(open_inputs("-", [task], "csv", stdin=source, options=InputOptions(header=False)))
            (row,) = next(rows).rows
            assert isinstance(row, Row)
            assert row.text == f"good; fine{number}"
        too_long.cancel()


def test_a_table_without_rows_may_hold_its_texts_inside_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "new.parquet"
    inner = pa.struct([("text", pa.string())])
    pq.write_table(pa.table({"doc": pa.array([], inner), "n": pa.array([], pa.int64())}), path)
    task = declare().model_copy(update={"columns": declare().columns.model_copy(update={"text": "doc.text"})})
    inputs = open_inputs(str(path), [task])
    assert (inputs.columns, list(inputs)) == (["doc", "n"], [])
    pq.write_table(pa.table({"cafe\u0301": pa.array([], pa.string())}), path)
    task = declare().model_copy(update={"columns": declare().columns.model_copy(update={"text": "café"})})
    assert open_inputs(str(path), [task]).columns == ["café"]


@pytest.mark.parametrize("quotes", [True, False])
def test_quotes_that_are_declared_are_not_noted(tmp_path: Path, quotes: bool) -> None:
    (tmp_path / "new.tsv").write_text('sentence\tk\nfine "end"\t4\n')
    notes: list[str] = []
    task = find_task("sst").model_copy(update={"quotes": quotes})
    assert len(list(open_inputs(str(tmp_path / "new.tsv"), [task], on_note=notes.append))) == 1
    assert not any("format tsv" in note for note in notes)
