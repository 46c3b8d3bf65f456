"""Checks of cells: which rows are usable, and the reasons for the others."""

import pytest
from declared import Writer, bad, declare, pairs, scores

from swissbert.data.completion import complete_task
from swissbert.data.rows import Row, labels_of
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError


def test_a_nul_character_makes_a_bad_row(write: Writer) -> None:
    rows = read_split(declare(), "train", write("text\tlabel\nfi\0ne\t1\nfine\t1\n"))
    assert bad(rows) == [(2, "column 'text' has a NUL character")]
    folder = write('{"text": "fi\\u0000ne", "label": 1}\n{"text": "fine", "label": 1}\n', "rows.jsonl")
    assert bad(read_split(declare("rows.jsonl"), "train", folder)) == [(1, "column 'text' has a NUL character")]


@pytest.mark.parametrize("blank", ["", "   ", "\u00a0\u3000"])
def test_an_empty_text_is_reported_for_either_text_of_a_pair(write: Writer, blank: str) -> None:
    content = f"id\ta\tb\tlabel\n1\t{blank}\ty\t1\n2\tx\t{blank}\t1\n3\tx\ty\t1\n"
    assert bad(read_split(pairs(), "train", write(content))) == [(2, "column 'a' is empty"), (3, "column 'b' is empty")]


def test_labels_that_are_missing_or_not_declared_are_reported(write: Writer) -> None:
    values = ["", "  ", "fine", "2", "-1", "0.5", "nan", "inf", "-inf", "1e999", "Good", "None"]
    rows = read_split(declare(), "train", write("text\tlabel\nok\t1\n" + "".join(f"x\t{value}\n" for value in values)))
    assert [(row.number, row.label) for row in rows.rows] == [(2, 1.0), (13, 1.0)]
    assert rows.label_notes.unlabelled == 5
    assert rows.label_notes.spellings == {("-1", ""): 1, ("nan", ""): 1, ("None", ""): 1, ("Good", "good"): 1}
    assert bad(rows)[0] == (5, "label 'fine' is not one of bad, good or 0 to 1")
    assert [row.reason.split()[1] for row in rows.bad] == ["'fine'", "'2'", "'0.5'", "'inf'", "'-inf'", "'1e999'"]


@pytest.mark.parametrize("value", ["5.01", "-0.1", "inf", "-inf", "four", "4/5", "1_0"])
def test_a_score_outside_the_range_is_reported(write: Writer, value: str) -> None:
    rows = read_split(scores(), "train", write(f"text\tlabel\nx\t{value}\nlow\t0\nhigh\t5.0\n"))
    assert bad(rows) == [(2, f"label {value!r} is not a number from 0 to 5")]
    assert labels_of(rows.rows).tolist() == [0.0, 5.0]


def test_labels_of_a_test_split_are_optional_and_checked(write: Writer) -> None:
    assert read_split(declare(), "test", write("text\nfine\n")).rows == [Row(2, "2", "fine", None, None)]
    rows = read_split(declare(), "test", write("text\tlabel\nfine\t\nfine\tgood\nfine\tother\n"))
    assert [row.label for row in rows.rows] == [None, 1.0]
    assert [row.number for row in rows.bad] == [4]


def test_a_key_may_be_missing_in_the_first_rows_of_json_lines(write: Writer) -> None:
    content = '{"text": "first"}\n{"text": "second", "label": "good"}\n{"text": "third", "label": "bad"}\n'
    rows = read_split(declare("rows.jsonl"), "train", write(content, "rows.jsonl"))
    assert [row.text for row in rows.rows] == ["second", "third"]
    assert rows.label_notes.unlabelled == 1
    open_task = declare("rows.jsonl", labels=[])
    assert complete_task(open_task, write(content, "rows.jsonl"), print).labels == ["bad", "good"]
    with pytest.raises(SwissbertError, match="no column 'label'"):
        read_split(declare("rows.jsonl"), "train", write('{"text": "first"}\n{"text": "second"}\n', "rows.jsonl"))


def test_a_key_that_a_row_lacks_is_told_apart_from_an_empty_one(write: Writer) -> None:
    lines = ['{"label": "bad"}', '{"text": "", "label": "bad"}', '{"text": "ok", "label": "bad"}', '{"text": "ok"}']
    lines += ['{"label": "good"}', '{"text": null, "label": "good"}', '{"text": "fine", "label": "good"}']
    folder = write("\n".join(lines), "rows.jsonl")
    task = complete_task(declare("rows.jsonl", labels=[]), folder, print)
    rows = read_split(task, "train", folder)
    assert [row.text for row in rows.rows] == ["ok", "fine"]
    assert bad(rows) == [
        (1, "there is no column 'text' in this row"),
        (2, "column 'text' is empty"),
        (5, "there is no column 'text' in this row"),
        (6, "column 'text' is empty"),
    ]


def test_labels_that_are_not_wanted_are_not_read(write: Writer) -> None:
    folder = write("text\tlabel\none\tgood\ntwo\thidden\nthree\t\n")
    for split in ("train", "dev", "test"):
        rows = read_split(declare(), split, folder, labelled=False)
        assert [(row.text, row.label) for row in rows.rows] == [("one", None), ("two", None), ("three", None)]
        assert not rows.bad
    assert [number for number, _ in bad(read_split(declare(), "test", folder))] == [3]
