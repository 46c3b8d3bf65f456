import csv
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.formats import head, read_cells
from swissbert.data.row_checks import check_rows
from swissbert.data.rows import BadRow, Row, Rows, labels_of
from swissbert.data.splits import find_split_file, read_split
from swissbert.errors import SwissbertError
from swissbert.tasks import SPLITS, Split, Task, find_task, make_task

Writer = Callable[..., Path]


def declare(file: str = "rows.tsv", **changes: Any) -> Task:
    """A two-class task of one sentence, in the columns text and label."""
    table: dict[str, Any] = {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "good"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "label"},
        "files": dict.fromkeys(SPLITS, file),
    }
    return make_task({**table, **changes}, "declaration")


def scores(file: str = "rows.tsv", **changes: Any) -> Task:
    """A regression of one sentence from 0 to 5."""
    regression = {"kind": "regression", "labels": [], "range": [0, 5], "loss": "mse", "metric": "pearson"}
    return declare(file, **{**regression, **changes})


def pairs(file: str = "rows.tsv", **changes: Any) -> Task:
    return declare(file, columns={"text": "a", "text_pair": "b", "label": "label", "id": "id"}, **changes)


def everything(task: Task, path: Path, *, labelled: bool = True) -> list[Row | BadRow]:
    """What becomes of each row of a file, in order."""
    return list(check_rows(read_cells(path, task.format, task.read_options), task, path.name, labelled=labelled))


def texts(rows: Rows) -> list[str]:
    return [row.text for row in rows.rows]


def bad(rows: Rows) -> list[tuple[int, str]]:
    return [(row.number, row.reason) for row in rows.bad]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes a file into the directory of the test and returns that directory."""

    def _write(content: str | bytes, name: str = "rows.tsv") -> Path:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(raw)
        return tmp_path

    return _write


# Formats


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.tsv", "label\ttext\ngood\ta fine film\nbad\tdull, and long\n"),
        ("rows.csv", 'label,text\ngood,a fine film\nbad,"dull, and long"\n'),
        ("rows.jsonl", '{"label": "good", "text": "a fine film"}\n{"text": "dull, and long", "label": 0}\n'),
        ("rows.ndjson", '{"label": 1, "text": "a fine film"}\n{"text": "dull, and long", "label": "0"}\n'),
        ("rows.TSV", "text\tlabel\na fine film\t1\ndull, and long\t0\n"),
    ],
)
def test_text_formats_give_the_same_texts_and_labels(write: Writer, name: str, content: str) -> None:
    rows = read_split(declare(name), "train", write(content, name))
    assert texts(rows) == ["a fine film", "dull, and long"]
    assert labels_of(rows.rows).tolist() == [1.0, 0.0]
    assert rows.bad == []
    assert rows.source == name


def test_parquet_rows_are_numbered_from_one_across_row_groups(tmp_path: Path) -> None:
    count = 2500
    table = pa.table({"text": [f"film {i}" for i in range(count)], "label": [i % 2 for i in range(count)]})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=700)
    rows = read_split(declare("rows.parquet"), "train", tmp_path)
    assert [row.number for row in rows.rows] == list(range(1, count + 1))
    assert [row.id for row in rows.rows[:2]] == ["1", "2"]
    assert texts(rows)[-1] == "film 2499"
    assert labels_of(rows.rows)[:3].tolist() == [0.0, 1.0, 0.0]


def test_a_declared_format_wins_over_the_ending(write: Writer) -> None:
    rows = read_split(declare("rows.csv", format="tsv"), "train", write("text\tlabel\na, b\t1\n", "rows.csv"))
    assert texts(rows) == ["a, b"]


def test_an_unknown_ending_is_an_error_that_lists_the_known_ones(write: Writer) -> None:
    folder = write("text\tlabel\na\t1\n", "rows.xlsx")
    with pytest.raises(
        SwissbertError,
        match=r"rows\.xlsx: no format is known by the ending '\.xlsx' \(known: \.tsv, \.csv, .*; set the format by name: ",
    ):
        read_split(declare("rows.xlsx"), "train", folder)


def test_the_course_format_passes_over_the_index_and_reads_quotes(write: Writer) -> None:
    content = '\tid\tsentence\tsentiment\n0\tx1\t "Say ""hi"" now" ends\t3\n1\tx2\t"A ""b"" c"\t0\n'
    rows = read_split(
        find_task("sst").model_copy(update={"files": {"train": "rows.csv"}}), "train", write(content, "rows.csv")
    )
    assert [(row.number, row.id, row.text, row.label) for row in rows.rows] == [
        (2, "x1", '"Say ""hi"" now" ends', 3.0),  # the quote is not the first character: plain text
        (3, "x2", 'A "b" c', 0.0),
    ]


def test_a_header_that_is_shifted_as_in_the_course_test_files_is_read_by_name(write: Writer) -> None:
    content = "0\t\tid\tsentence\n1\t0.0\tc91\t Effective but tepid\n2\t1.0\td17\t A good place to start .\n"
    task = find_task("sst").model_copy(update={"files": {"test": "rows.csv"}})
    rows = read_split(task, "test", write(content, "rows.csv"))
    assert [(row.id, row.text, row.label) for row in rows.rows] == [
        ("c91", "Effective but tepid", None),
        ("d17", "A good place to start .", None),
    ]
    assert np.isnan(labels_of(rows.rows)).all()


def test_the_first_declared_file_that_is_there_is_read(write: Writer) -> None:
    task = declare(files={"train": ["first.tsv", "second.tsv"]})
    folder = write("text\tlabel\nsecond\t1\n", "second.tsv")
    assert texts(read_split(task, "train", folder)) == ["second"]
    write("text\tlabel\nfirst\t1\n", "first.tsv")
    assert texts(read_split(task, "train", folder)) == ["first"]


# Bytes and line ends


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.jsonl"])
def test_a_byte_order_mark_is_not_part_of_the_first_column_name(write: Writer, name: str) -> None:
    content = {
        "rows.tsv": "text\tlabel\nfine\t1\n",
        "rows.csv": "text,label\nfine,1\n",
        "rows.jsonl": '{"text": "fine", "label": 1}\n',
    }[name]
    assert texts(read_split(declare(name), "train", write(b"\xef\xbb\xbf" + content.encode(), name))) == ["fine"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_of_all_systems_are_read_alike(write: Writer, end: str, last: bool) -> None:
    content = end.join(["text\tlabel", "fine\t1", "dull\t0"]) + (end if last else "")
    rows = read_split(declare(), "train", write(content))
    assert [(row.number, row.text, row.label) for row in rows.rows] == [(2, "fine", 1.0), (3, "dull", 0.0)]


def test_a_separator_of_unicode_does_not_end_a_line(write: Writer) -> None:
    folder = write('{"text": "one\u2028two\x85three", "label": 1}\n{"text": "four", "label": 0}\n', "rows.jsonl")
    rows = read_split(declare("rows.jsonl"), "train", folder)
    assert [(row.number, row.text) for row in rows.rows] == [(1, "one\u2028two\x85three"), (2, "four")]


def test_bytes_that_are_not_utf8_make_a_bad_row_in_every_text_format(write: Writer) -> None:
    reason = "column 'text' has bytes that are not UTF-8"
    folder = write(b"text\tlabel\ncaf\xe9\t1\nfine\t1\n")
    assert bad(read_split(declare(), "train", folder)) == [(2, reason)]
    write(b"text,label\ncaf\xe9,1\nfine,1\n", "rows.csv")
    assert bad(read_split(declare("rows.csv"), "train", folder)) == [(2, reason)]
    write(b'{"text": "caf\xe9", "label": 1}\n{"text": "fine", "label": 1}\n', "rows.jsonl")
    assert bad(read_split(declare("rows.jsonl"), "train", folder)) == [(1, reason)]


def test_bytes_that_are_not_utf8_in_a_column_nobody_reads_do_no_harm(write: Writer) -> None:
    rows = read_split(declare(), "train", write(b"text\tlabel\tnote\nfine\t1\tcaf\xe9\n"))
    assert texts(rows) == ["fine"]


def test_bytes_that_are_not_utf8_in_parquet_cost_their_own_row(tmp_path: Path) -> None:
    raw, ends = b"goodb\xffdfine", np.array([0, 4, 7, 11], np.int32)
    column = pa.StringArray.from_buffers(3, pa.py_buffer(ends.tobytes()), pa.py_buffer(raw))
    pq.write_table(pa.table({"text": column, "label": [1, 0, 1]}), tmp_path / "rows.parquet")
    rows = read_split(declare("rows.parquet"), "train", tmp_path)
    assert texts(rows) == ["good", "fine"]
    assert bad(rows) == [(2, "bytes that are not UTF-8")]


def test_a_nul_makes_a_bad_row(write: Writer) -> None:
    rows = read_split(declare(), "train", write("text\tlabel\nfi\0ne\t1\nfine\t1\n"))
    assert bad(rows) == [(2, "column 'text' has a NUL character")]
    folder = write('{"text": "fi\\u0000ne", "label": 1}\n{"text": "fine", "label": 1}\n', "rows.jsonl")
    assert bad(read_split(declare("rows.jsonl"), "train", folder)) == [(1, "column 'text' has a NUL character")]


def test_half_a_surrogate_pair_in_json_makes_a_bad_row_and_a_whole_one_is_text(write: Writer) -> None:
    lines = [
        r'{"id": "1", "text": "\ud83d\ude00 fine", "label": 1}',
        r'{"id": "2", "text": "\ud800", "label": 1}',
        r'{"id": "3", "text": "fine \udcff", "label": 1}',
        r'{"id": "\ud800", "text": "fine", "label": 1}',
        r'{"id": "5", "text": ["\ud800"], "label": 1}',
        r'{"id": "6", "text": {"\ud800": "x"}, "label": 1}',
        r'{"id": "7", "text": "fine", "label": "\ud800"}',
        r'{"id": "8", "text": "fine", "label": ["\ud800"]}',
        r'{"\ud800": 1, "id": "9", "text": "fine", "label": 1}',
        r'{"id": ["\ud800"], "text": "a list is an id all the same", "label": 1}',
    ]
    task = declare("rows.jsonl", columns={"text": "text", "label": "label", "id": "id"})
    rows = read_split(task, "train", write("\n".join(lines), "rows.jsonl"))
    assert [row.number for row in rows.rows] == [1, 10]
    assert rows.rows[0].text == "\U0001f600 fine"
    assert bad(rows) == [
        (2, "column 'text' has half of a surrogate pair"),
        (3, "column 'text' has bytes that are not UTF-8"),
        (4, "column 'id' has half of a surrogate pair"),
        (5, r"column 'text' is ['\ud800'], not text"),
        (6, r"column 'text' is {'\ud800': 'x'}, not text"),
        (7, r"label '\ud800' is not one of bad, good or 0 to 1"),
        (8, r"column 'label' is ['\ud800'], but a classification task takes one label"),
        (9, "a column name with half of a surrogate pair"),
    ]
    assert [str(row).encode() for row in rows.bad]  # all of it can be printed
    assert len(fingerprint(rows.rows)) == 64


# Quotes


def test_a_tab_separated_file_takes_quotes_as_text_unless_told_otherwise(write: Writer) -> None:
    folder = write('text\tlabel\n"a "b" c\t1\n"whole"\t0\n')
    assert texts(read_split(declare(), "train", folder)) == ['"a "b" c', '"whole"']
    assert texts(read_split(declare(quotes=True), "train", folder)) == ['a b" c', "whole"]


def test_a_comma_separated_file_takes_quotes_as_text_when_told_so(write: Writer) -> None:
    folder = write('text,label\n"a",1\n', "rows.csv")
    assert texts(read_split(declare("rows.csv"), "train", folder)) == ["a"]
    assert texts(read_split(declare("rows.csv", quotes=False), "train", folder)) == ['"a"']


def test_quoted_newlines_stay_in_the_cell_and_later_rows_keep_their_line_numbers(write: Writer) -> None:
    content = 'text,label\n"one\ntwo, three",1\n\nfine,0\n"four\r\nfive",good\nlast,7\n'
    rows = read_split(declare("rows.csv"), "train", write(content, "rows.csv"))
    assert [(row.number, row.text, row.label) for row in rows.rows] == [
        (2, "one\ntwo, three", 1.0),
        (5, "fine", 0.0),
        (6, "four\r\nfive", 1.0),
    ]
    assert [row.number for row in rows.bad] == [8]


def test_an_unclosed_quote_costs_its_own_line_and_swallows_no_row(write: Writer) -> None:
    content = '\tid\tsentence\tsentiment\n0\ta\tfine\t3\n1\tb\t"never closed\t1\n2\tc\tdull\t0\n3\td\tgood\t4\n'
    task = find_task("sst").model_copy(update={"files": {"train": "rows.csv"}})
    rows = read_split(task, "train", write(content, "rows.csv"))
    assert [(row.number, row.id) for row in rows.rows] == [(2, "a"), (4, "c"), (5, "d")]
    reason = "3 cells where the header has 4; a quote on this line is not closed as it should be"
    assert bad(rows) == [(3, reason)]


@pytest.mark.parametrize("closing", ['"odd" end', 'ends in one"', '"'])
def test_two_stray_quotes_do_not_merge_the_rows_between_them(write: Writer, closing: str) -> None:
    content = f'\tid\tsentence\tsentiment\n0\ta\t"open\t3\n1\tb\tbetween\t1\n2\tc\t{closing}\t0\n3\td\tgood\t4\n'
    task = find_task("sst").model_copy(update={"files": {"train": "rows.csv"}})
    found = everything(task.model_copy(update={"format": "cs224n"}), write(content, "rows.csv") / "rows.csv")
    assert [row.number for row in found] == [2, 3, 4, 5]
    assert isinstance(found[0], BadRow)
    assert isinstance(found[1], Row)
    assert found[1].text == "between"
    assert found[3] == Row(5, "d", "good", None, 4.0)


def test_an_unclosed_quote_in_the_last_cell_is_read_as_that_line(write: Writer) -> None:
    rows = read_split(declare(quotes=True), "train", write('label\ttext\n1\t"open\n0\tdull\n'))
    assert [(row.number, row.text) for row in rows.rows] == [(2, "open"), (3, "dull")]


# Rows that cannot be used


def test_a_wrong_number_of_cells_is_reported_with_both_numbers(write: Writer) -> None:
    rows = read_split(declare(), "train", write("text\tlabel\nfine\t1\nno label\na\tb\tc\n   \nfine\t0\n"))
    assert bad(rows) == [
        (3, "1 cells where the header has 2"),
        (4, "3 cells where the header has 2"),
        (5, "1 cells where the header has 2"),
    ]
    assert [row.number for row in rows.rows] == [2, 6]


@pytest.mark.parametrize("blank", ["", "   ", "\u00a0\u3000"])
def test_an_empty_text_is_reported_for_either_sentence(write: Writer, blank: str) -> None:
    content = f"id\ta\tb\tlabel\n1\t{blank}\ty\t1\n2\tx\t{blank}\t1\n3\tx\ty\t1\n"
    assert bad(read_split(pairs(), "train", write(content))) == [(2, "column 'a' is empty"), (3, "column 'b' is empty")]


def test_labels_that_are_missing_or_not_declared_are_reported(write: Writer) -> None:
    values = ["", "  ", "fine", "2", "-1", "0.5", "nan", "inf", "-inf", "1e999", "Good", "None"]
    rows = read_split(declare(), "train", write("text\tlabel\nok\t1\n" + "".join(f"x\t{value}\n" for value in values)))
    assert [row.number for row in rows.rows] == [2]
    assert bad(rows)[:3] == [
        (3, "column 'label' is empty"),
        (4, "column 'label' is empty"),
        (5, "label 'fine' is not one of bad, good or 0 to 1"),
    ]
    assert [row.reason.split()[1] for row in rows.bad[2:]] == [repr(value) for value in values[2:]]


@pytest.mark.parametrize("value", ["5.01", "-0.1", "nan", "inf", "-inf", "four", "4,5", "NaN"])
def test_a_score_outside_the_range_is_reported(write: Writer, value: str) -> None:
    rows = read_split(scores(), "train", write(f"text\tlabel\nx\t{value}\nlow\t0\nhigh\t5.0\n"))
    assert bad(rows) == [(2, f"label {value!r} is not a number from 0 to 5")]
    assert labels_of(rows.rows).tolist() == [0.0, 5.0]


def test_labels_of_json_that_are_no_numbers_or_names_are_reported(write: Writer) -> None:
    values = ["NaN", "Infinity", "null", "true", "[1]", '{"a": 1}', "1e400", "9" * 4000, "1.5", "1.0"]
    lines = [f'{{"text": "x", "label": {value}}}' for value in values]
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [(row.number, row.label) for row in rows.rows] == [(10, 1.0)]
    assert [row.number for row in rows.bad] == list(range(1, 10))
    assert max(len(row.reason) for row in rows.bad) < 120


def test_a_test_split_needs_no_labels_but_checks_those_it_has(write: Writer) -> None:
    assert read_split(declare(), "test", write("text\nfine\n")).rows == [Row(2, "2", "fine", None, None)]
    rows = read_split(declare(), "test", write("text\tlabel\nfine\t\nfine\tgood\nfine\tother\n"))
    assert [row.label for row in rows.rows] == [None, 1.0]
    assert [row.number for row in rows.bad] == [4]


def test_texts_that_are_not_text_are_reported_in_few_words(write: Writer) -> None:
    values = ["null", "3", "2.5", "true", "[]", json.dumps(["long"] * 1000), '{"a": "b"}', '""', '" "', '"3"']
    lines = [f'{{"text": {value}, "label": 1}}' for value in values]
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [(row.number, row.text) for row in rows.rows] == [(10, "3")]
    assert [row.reason for row in rows.bad] == [
        "column 'text' is empty",
        "column 'text' is 3, not text",
        "column 'text' is 2.5, not text",
        "column 'text' is True, not text",
        "column 'text' is [], not text",
        "column 'text' is ['long', 'long', 'long', 'long', 'long',, not text",
        "column 'text' is {'a': 'b'}, not text",
        "column 'text' is empty",
        "column 'text' is empty",
    ]


def test_json_lines_that_are_no_objects_are_reported(write: Writer) -> None:
    lines = ['{"text": "x", "label": 1}', '["x", 1]', '"x"', "3", "null", "{", "text", "", "  ", "[" * 100_000]
    lines += ['{"text": "x", "label": ' + "9" * 5000 + "}", '{"text": "y", "label": 0}']
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [row.number for row in rows.rows] == [1, 12]
    assert [row.number for row in rows.bad] == [2, 3, 4, 5, 6, 7, 10, 11]
    assert rows.bad[0].reason == "a JSON list, not an object with column names"
    assert rows.bad[3].reason == "a JSON NoneType, not an object with column names"
    assert rows.bad[4].reason.startswith("not a JSON object (")
    assert rows.bad[6].reason == "not a JSON object (nested too deeply)"
    assert rows.bad[7].reason.startswith("not a JSON object (")


def test_json_objects_that_lack_a_column_of_the_first_one_are_reported(write: Writer) -> None:
    lines = ['{"id": 7, "a": "x", "b": "y", "label": 1}', '{"id": 8, "a": "x", "label": 1}']
    lines += ['{"a": "x", "b": "y", "label": 1}', '{"id": 9, "a": "x", "b": "y"}']
    rows = read_split(pairs("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert rows.rows == [Row(1, "7", "x", "y", 1.0)]
    assert bad(rows) == [(2, "column 'b' is empty"), (3, "column 'id' is empty"), (4, "column 'label' is empty")]


def test_ids_may_be_numbers_and_an_empty_one_is_reported(tmp_path: Path) -> None:
    table = pa.table({"id": [12, None, 14], "a": ["x", "x", "x"], "b": ["y", "y", "y"], "label": [1.0, 0.0, 0.0]})
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = read_split(pairs("rows.parquet"), "train", tmp_path)
    assert [row.id for row in rows.rows] == ["12", "14"]
    assert bad(rows) == [(2, "column 'id' is empty")]


def test_a_text_of_a_megabyte_is_read_whole(write: Writer) -> None:
    long = "word " * 200_000 + "end"
    content = f'text,label\n"{long}",1\n{long},0\n"open {long},0\n'
    rows = read_split(declare("rows.csv"), "train", write(content, "rows.csv"))
    assert texts(rows) == [long, long]
    assert [row.number for row in rows.bad] == [4]


# Files and columns that are not as declared


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("txt\tlabel", "no column 'text', which task 'mood' reads; did you mean 'txt'?"),
        ("text\tLabels", "no column 'label', which task 'mood' reads; did you mean 'Labels'?"),
        ("q\tw", "no column 'text', which task 'mood' reads (columns here: 'q', 'w')"),
    ],
)
def test_a_missing_column_names_the_nearest_and_those_there(write: Writer, header: str, wanted: str) -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(declare(), "train", write(f"{header}\nfine\t1\n"))
    assert str(caught.value).startswith(f"rows.tsv: {wanted}")


def test_a_missing_column_is_found_though_the_first_row_is_bad(write: Writer) -> None:
    folder = write("a\tb\tlabel\nonly one cell\nx\ty\t1\n")
    with pytest.raises(SwissbertError, match=r"no column 'id'.*columns here: 'a', 'b', 'label'"):
        read_split(pairs(), "train", folder)


@pytest.mark.parametrize("content", ["text\tlabel\ttext\nfine\t1\tx\n", "text\tlabel\ttext \nfine\t1\tx\n"])
def test_a_header_that_names_a_column_twice_is_an_error(write: Writer, content: str) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.tsv: the header names column 'text' twice"):
        read_split(declare(), "train", write(content))


def test_a_parquet_file_that_names_a_column_twice_is_an_error(tmp_path: Path) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"]), pa.array([1])], names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(SwissbertError, match="the header names column 'text' twice"):
        read_split(declare("rows.parquet"), "train", tmp_path)


def test_unnamed_columns_may_be_many(write: Writer) -> None:
    assert texts(read_split(declare(), "train", write("\t\ttext\tlabel\n1\t2\tfine\t1\n"))) == ["fine"]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_header_that_is_not_utf8_is_an_error_that_says_so(write: Writer, encoding: str) -> None:
    folder = write("text\tétiquette\nfine\t1\n".encode(encoding))
    with pytest.raises(SwissbertError, match=r"rows\.tsv: the header has .*; save the file as UTF-8 text"):
        read_split(declare(), "train", folder)


@pytest.mark.parametrize("content", ["", "\n\n", "text\tlabel\n", "text\tlabel", "\ufeff"])
def test_a_file_without_rows_is_an_error(write: Writer, content: str) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.tsv: no usable row for task 'mood' \(0 bad rows\)"):
        read_split(declare(), "train", write(content))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_an_empty_file_of_another_format_is_an_error_too(write: Writer, name: str) -> None:
    with pytest.raises(SwissbertError, match="no usable row"):
        read_split(declare(name), "train", write("", name))


def test_blank_lines_before_the_header_are_passed_over(write: Writer) -> None:
    assert [row.number for row in read_split(declare(), "train", write("\n\ntext\tlabel\n\nfine\t1\n")).rows] == [5]


def test_a_file_with_bad_rows_alone_is_an_error_that_shows_the_first(write: Writer) -> None:
    with pytest.raises(SwissbertError, match=r"\(2 bad rows; the first: label 'x' is not one of bad, good or 0 to 1\)"):
        read_split(declare(), "train", write("text\tlabel\nfine\tx\nfine\ty\n"))


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_directory_instead_of_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SwissbertError, match="cannot be read"):
        list(read_cells(tmp_path / name))
    with pytest.raises(SwissbertError, match=f"{name} is not in"):
        read_split(declare(name), "train", tmp_path)


@pytest.mark.parametrize("raw", [b"", b"text\tlabel\nfine\t1\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_a_parquet_file_that_is_none_is_an_error(write: Writer, raw: bytes) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.parquet: not a readable Parquet file \("):
        read_split(declare("rows.parquet"), "train", write(raw, "rows.parquet"))


def test_a_parquet_file_with_damaged_pages_is_an_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["fine"] * 50, "label": [1] * 50}), path)
    raw = bytearray(path.read_bytes())
    raw[4:60] = b"\xff" * 56
    path.write_bytes(raw)
    with pytest.raises(SwissbertError, match=r"rows\.parquet: ") as caught:
        read_split(declare("rows.parquet"), "train", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_all_that_it_may_be_called_and_where(tmp_path: Path) -> None:
    task = declare(files={"train": ["a.tsv", "b.tsv"]})
    with pytest.raises(SwissbertError) as caught:
        read_split(task, "train", tmp_path)
    assert str(caught.value) == f"task 'mood': a.tsv or b.tsv is not in {tmp_path}; data.dir names the directory"
    with pytest.raises(SwissbertError, match="task 'mood': no file is declared for its test split"):
        read_split(task, "test", tmp_path)
    with pytest.raises(SwissbertError, match=r"nowhere: there is no such data directory; data.dir names it"):
        read_split(task, "train", tmp_path / "nowhere")
    assert find_split_file(task, "train", tmp_path) is None


# Settings of reading


def test_refuse_stops_at_the_first_bad_row_and_names_it(write: Writer) -> None:
    folder = write("text\tlabel\nfine\t1\nfine\tx\nfine\ty\n")
    with pytest.raises(SwissbertError, match=r"^rows\.tsv:3: label 'x' .*data\.bad_rows is 'refuse'"):
        read_split(declare(), "train", folder, refuse=True)
    assert len(read_split(declare(), "train", folder, refuse=False)) == 1
    assert len(read_split(declare(), "train", folder, refuse=True, limit=1)) == 1  # the bad rows come later


def test_limit_counts_usable_rows_from_the_start_of_the_file(write: Writer) -> None:
    folder = write("text\tlabel\na\t1\nb\tx\nc\t0\nd\t1\n")
    rows = read_split(declare(), "train", folder, limit=2)
    assert texts(rows) == ["a", "c"]
    assert [row.number for row in rows.bad] == [3]
    assert len(read_split(declare(), "train", folder, limit=99)) == 3


def test_head_gives_the_first_readable_rows(write: Writer) -> None:
    folder = write("text\tlabel\nshort\na\t1\nb\t0\n")
    assert head(folder / "rows.tsv", 1) == [{"text": "a", "label": "1"}]


# Fingerprint


def fingerprint(rows: list[Row]) -> str:
    return hashlib.sha256(b"".join(row.digested() for row in rows)).hexdigest()


def test_the_fingerprint_does_not_depend_on_where_rows_lie(write: Writer) -> None:
    first = read_split(scores(), "train", write("text\tlabel\na\t1\nb\t2.5\n"))
    other = read_split(scores("rows.csv"), "train", write('\ufefflabel,text\r\n1.0,"a"\r\n2.50, b \r\n', "rows.csv"))
    assert fingerprint(first.rows) == fingerprint(other.rows)


def test_the_fingerprint_of_known_rows_never_changes() -> None:
    rows = [Row(2, "x", "héllo", None, 1.0), Row(3, "y", "a", "b", None)]
    raw = b'["x", "h\\u00e9llo", null, 1.0]["y", "a", "b", null]'  # runs that were begun remember it
    assert fingerprint(rows) == hashlib.sha256(raw).hexdigest()


@given(
    rows=st.lists(
        st.builds(
            Row,
            number=st.just(1),
            id=st.text("ab", max_size=2),
            text=st.text('ab[]",', min_size=1, max_size=3),
            text_pair=st.none() | st.text("ab", min_size=1, max_size=2),
            label=st.none() | st.integers(0, 2).map(float),
        ),
        min_size=1,
        max_size=4,
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_the_fingerprint_changes_with_any_text_label_id_or_order(rows: list[Row], data: st.DataObject) -> None:
    before = fingerprint(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    row = rows[at]
    changes = [
        row._replace(text=row.text + "x"),
        row._replace(text_pair=(row.text_pair or "") + "x"),
        row._replace(label=3.0 + (row.label if isinstance(row.label, float) else 0.0)),
        row._replace(label=None if row.label is not None else 0.0),
        row._replace(id=row.id + "x"),
    ]
    for change in changes:
        assert fingerprint([*rows[:at], change, *rows[at + 1 :]]) != before
    assert fingerprint([*rows[:at], *rows[at + 1 :]]) != before
    if rows[::-1] != rows:
        assert fingerprint(rows[::-1]) != before


# Nothing is dropped silently


messy = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n") | st.sampled_from("\"', \0\udcff\u2028é0123"),
    max_size=8,
)


@given(
    lines=st.lists(st.lists(messy, min_size=1, max_size=4).map("\t".join), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None, max_examples=120)
def test_every_line_of_a_messy_tsv_is_a_row_or_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    path = tmp_path_factory.mktemp("messy") / "rows.tsv"
    path.write_bytes((end.join(["label\ttext", *lines]) + end).encode("utf-8", "surrogateescape"))
    found = everything(declare(), path)
    assert [row.number for row in found] == [number for number, line in enumerate(lines, 2) if line]
    for row in found:
        cells = lines[row.number - 2].split("\t")
        assert isinstance(row, BadRow) or (len(cells) == 2 and row.text == cells[1].strip())


word = st.text("ab c", min_size=1, max_size=5)


@given(
    rows=st.lists(st.tuples(word, word, st.sampled_from(["0", "1"]), st.sampled_from([None, 0, 1, 2])), max_size=10),
    ending=st.sampled_from(["rows.csv", "rows.tsv"]),
)
@settings(deadline=None, max_examples=120)
def test_stray_quotes_never_cost_another_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, int | None]], ending: str
) -> None:
    path = tmp_path_factory.mktemp("stray") / ending
    sign = "," if ending == "rows.csv" else "\t"
    lines = []
    for a, b, label, stray in rows:
        cells = [f"a{a}", f"b{b}", label]
        if stray is not None:
            cells[stray] = f'"{cells[stray]}'
        lines.append(sign.join(cells))
    path.write_text("\n".join([f"text{sign}other{sign}label", *lines]) + "\n", encoding="utf-8")
    found = everything(declare(ending, quotes=True), path)
    assert [row.number for row in found] == list(range(2, len(rows) + 2))
    for (a, _, label, stray), row in zip(rows, found, strict=True):
        if stray is None:
            assert row == Row(row.number, str(row.number), f"a{a}".strip(), None, float(label))


@given(rows=st.lists(st.tuples(st.text('a,"\n\r \t', max_size=6), st.sampled_from("01")), min_size=1, max_size=8))
@settings(deadline=None, max_examples=120)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    assert [cells for _, cells in read_cells(path)] == [{"text": text, "label": label} for text, label in rows]


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
line = (
    st.fixed_dictionaries({}, optional={"text": value, "label": value, "id": value, "\ud800": value}).map(json.dumps)
    | value.map(json.dumps)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
)


@given(lines=st.lists(line, max_size=12), damage=st.booleans())
@settings(deadline=None, max_examples=120)
def test_every_line_of_messy_json_lines_is_a_row_or_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], damage: bool
) -> None:
    lines = ['{"text": "fine", "label": 1, "id": 1}', *lines]
    path = tmp_path_factory.mktemp("messy") / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode() + (b"\n{\xff" if damage else b""))
    task = declare("rows.jsonl", columns={"text": "text", "label": "label", "id": "id"})
    found = everything(task, path)
    expected = [number for number, line in enumerate(lines, 1) if line.strip()]
    assert [row.number for row in found] == expected + ([len(lines) + 1] if damage else [])
    for row in found:
        if isinstance(row, Row):
            row.text.encode()
            assert row.label in (0.0, 1.0)
        else:
            str(row).encode()


# Real data


@pytest.mark.parametrize(
    ("name", "counts", "bad_rows"),
    [
        ("sst", (8544, 1101, 2210), []),
        ("para", (14012, 3000, 3200), [3455, 8711]),
        ("sts", (6040, 863, 1725), []),
        ("cfimdb", (1707, 245, 488), []),
    ],
)
def test_the_course_files_give_the_published_numbers_of_rows(
    cs224n: Path, name: str, counts: tuple[int, int, int], bad_rows: list[int]
) -> None:
    task = find_task(name)
    for split, count in zip(SPLITS, counts, strict=True):
        rows = read_split(task, split, cs224n)
        assert len(rows) == count
        assert [row.number for row in rows.bad] == (bad_rows if split == "train" else [])
        assert len({row.id for row in rows.rows}) == count
        assert bool(np.isnan(labels_of(rows.rows)).all()) == (split == "test")


def test_the_bad_rows_of_the_question_pairs_are_an_empty_text_and_an_empty_label(cs224n: Path) -> None:
    rows = read_split(find_task("para"), "train", cs224n)
    assert bad(rows) == [(3455, "column 'sentence2' is empty"), (8711, "column 'is_duplicate' is empty")]
    lines = (cs224n / "quora-train.csv").read_text(encoding="utf-8").split("\n")
    assert [len(lines[number - 1].split("\t")) for number, _ in bad(rows)] == [5, 5]


OWN: dict[str, dict[str, Any]] = {
    "msrp": {
        "kind": "binary",
        "labels": ["different", "paraphrase"],
        "loss": "binary_cross_entropy",
        "metric": "macro_f1",
        "columns": {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"},
        "files": {"train": "msrp-train.tsv", "dev": "msrp-dev.tsv"},
    },
    "trec": {
        "kind": "classification",
        "labels": ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "question", "label": "label"},
        "files": {"train": "trec-train.tsv"},
    },
    "subj": {
        "kind": "classification",
        "labels": ["objective", "subjective"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "subjective"},
        "files": {"train": "subj-train.jsonl"},
    },
    "sick": {
        "kind": "regression",
        "range": [1, 5],
        "loss": "mae",
        "metric": "spearman",
        "columns": {"text": "sentence_A", "text_pair": "sentence_B", "label": "relatedness_score", "id": "pair_ID"},
        "files": {"train": "sick-train.tsv", "dev": "sick-dev.tsv"},
    },
}


@pytest.mark.parametrize(
    ("name", "split", "count", "empty"),
    [
        ("msrp", "train", 3576, []),
        ("msrp", "dev", 500, []),
        ("trec", "train", 5452, []),
        (
            "subj",
            "train",
            7994,
            [83, 1885, 2177, 2507, 4034, 7913],
        ),  # the file has 8,000 lines, and six of them no text
        ("sick", "train", 4500, []),
        ("sick", "dev", 500, []),
    ],
)
def test_tasks_of_ones_own_are_read_from_a_declaration_alone(
    own_tasks: Path, name: str, split: Split, count: int, empty: list[int]
) -> None:
    task = make_task({"name": name, **OWN[name]}, name)
    rows = read_split(task, split, own_tasks)
    held_out = len(read_split(task, "dev", own_tasks)) if task.holds_out else 0
    assert len(rows) + held_out == count
    assert bad(rows) == [(number, "column 'text' is empty") for number in empty]


def test_quotes_inside_news_sentences_stay_as_they_are(own_tasks: Path) -> None:
    rows = read_split(make_task({"name": "msrp", **OWN["msrp"]}, "msrp"), "train", own_tasks)
    assert rows.rows[0].text.startswith('Amrozi accused his brother, whom he called "the witness", of')
    assert rows.rows[0].label == 1.0
    raw = (own_tasks / "msrp-train.tsv").read_text(encoding="utf-8-sig")
    assert sum(row.text.count('"') + (row.text_pair or "").count('"') for row in rows.rows) == raw.count('"')


# The hub


def hub_task(**hub: Any) -> Task:
    table = {**declare().model_dump(exclude={"files"}, exclude_none=True), "hub": {"dataset": "owner/set", **hub}}
    return make_task(table, "declaration")


def test_a_data_set_that_is_not_to_be_had_ends_in_one_sentence() -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(hub_task(dataset="nobody/no-such-data-set"), "dev", None)
    message = str(caught.value)
    assert message.startswith("task 'mood': data set 'nobody/no-such-data-set', split 'validation', cannot be loaded (")
    assert "\n" not in message


def test_a_data_set_of_the_hub_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def load(name: str, config: str | None, *, split: str, revision: str | None) -> datasets.Dataset:
        asked.append((name, config, split, revision))
        return datasets.Dataset.from_dict(
            {"text": [" fine ", "dull", None, "odd"], "label": [1, 0, 1, 2], "more": [0] * 4}
        )

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = read_split(hub_task(config="plain", revision="abc", splits={"dev": "held_out"}), "dev", None)
    assert rows.rows == [Row(1, "1", "fine", None, 1.0), Row(2, "2", "dull", None, 0.0)]
    assert bad(rows) == [(3, "column 'text' is empty"), (4, "label '2' is not one of bad, good or 0 to 1")]
    assert rows.source == "owner/set[held_out]"
    assert str(rows.bad[0]) == "owner/set[held_out]:3: column 'text' is empty"
    read_split(hub_task(splits={"dev": "held_out"}), "train", None)
    assert asked == [("owner/set", "plain", "held_out", "abc"), ("owner/set", None, "train", None)]


def test_a_data_set_of_the_hub_that_lacks_a_column_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    found = datasets.Dataset.from_dict({"texts": ["fine"], "label": [1]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: found)
    with pytest.raises(SwissbertError, match=r"^owner/set\[train\]: no column 'text'.*did you mean 'texts'\?"):
        read_split(hub_task(), "train", None)


def test_labels_are_nan_where_there_are_none() -> None:
    labels = labels_of([Row(1, "1", "a", None, None), Row(2, "2", "b", None, 0.5)])
    assert labels.dtype == np.float64
    assert math.isnan(labels[0])
    assert labels[1] == 0.5


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["false", "true"], [0.0, 1.0]),
        (["False", "True"], [0.0, 1.0]),
        (["1", "0"], [1.0, 0.0]),
        (["no", "true"], [None, 1.0]),
        (["bad", "good"], [None, None]),
    ],
)
def test_a_json_boolean_is_the_label_of_its_name_or_number(
    write: Writer, labels: list[str], expected: list[float | None]
) -> None:
    folder = write('{"text": "x", "label": false}\n{"text": "y", "label": true}\n', "rows.jsonl")
    task = declare("rows.jsonl", labels=labels)
    found = everything(task, folder / "rows.jsonl")
    assert [row.label if isinstance(row, Row) else None for row in found] == expected


def test_a_json_boolean_is_no_score(write: Writer) -> None:
    folder = write('{"text": "x", "label": true}\n', "rows.jsonl")
    [row] = everything(scores("rows.jsonl"), folder / "rows.jsonl")
    assert isinstance(row, BadRow)
