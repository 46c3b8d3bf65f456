"""Splits of tasks: finding their rows, settings of reading, and hub data sets."""

from pathlib import Path
from typing import Any

import datasets
import pytest
from declared import Writer, bad, declare, pairs, texts

from swissbert.data.formats import head, read_cells
from swissbert.data.rows import Row, labels_of
from swissbert.data.source_files import has_split_files
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.tasks import Task, make_task


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


def test_a_declared_format_takes_precedence_over_the_ending(write: Writer) -> None:
    rows = read_split(declare("rows.csv", format="tsv"), "train", write("text\tlabel\na, b\t1\n", "rows.csv"))
    assert texts(rows) == ["a, b"]


def test_an_unknown_ending_is_an_error_that_lists_the_known_ones(write: Writer) -> None:
    folder = write("one\ttwo\na\t1\n", "rows.xlsx")
    with pytest.raises(
        SwissbertError,
        match=r"rows\.xlsx: no format is known by the ending '\.xlsx' \(known: \.tsv, \.csv, .*; set the format by name: ",
    ):
        read_split(declare("rows.xlsx"), "train", folder)


def test_the_first_declared_file_that_exists_is_read(write: Writer) -> None:
    task = declare(files={"train": {"first_of": ["first.tsv", "second.tsv"]}})
    folder = write("text\tlabel\nsecond\t1\n", "second.tsv")
    assert texts(read_split(task, "train", folder)) == ["second"]
    write("text\tlabel\nfirst\t1\n", "first.tsv")
    assert texts(read_split(task, "train", folder)) == ["first"]


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.jsonl"])
def test_a_byte_order_mark_is_not_part_of_the_first_column_name(write: Writer, name: str) -> None:
    content = {
        "rows.tsv": "text\tlabel\nfine\t1\n",
        "rows.csv": "text,label\nfine,1\n",
        "rows.jsonl": '{"text": "fine", "label": 1}\n',
    }[name]
    assert texts(read_split(declare(name), "train", write(b"\xef\xbb\xbf" + content.encode(), name))) == ["fine"]


def test_bytes_that_are_not_utf8_make_a_bad_row_in_every_text_format(write: Writer) -> None:
    reason = "column 'text' has bytes that are not UTF-8"
    folder = write(b"text\tlabel\ncaf\xe9\t1\nfine\t1\n")
    assert bad(read_split(declare(), "train", folder)) == [(2, reason)]
    write(b"text,label\ncaf\xe9,1\nfine,1\n", "rows.csv")
    assert bad(read_split(declare("rows.csv"), "train", folder)) == [(2, reason)]
    write(b'{"text": "caf\xe9", "label": 1}\n{"text": "fine", "label": 1}\n', "rows.jsonl")
    assert bad(read_split(declare("rows.jsonl"), "train", folder)) == [(1, reason)]


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("txt\tlabel", "no column 'text', which task 'mood' reads; did you mean 'txt'?"),
        ("text\tLabels", "no column 'label', which task 'mood' reads; did you mean 'Labels'?"),
        ("q\tw", "no column 'text', which task 'mood' reads (columns here: 'q', 'w')"),
    ],
)
def test_a_missing_column_is_an_error_that_names_the_nearest_and_the_present_ones(
    write: Writer, header: str, wanted: str
) -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(declare(), "train", write(f"{header}\nfine\t1\n"))
    assert str(caught.value).startswith(f"rows.tsv: {wanted}")


def test_a_missing_column_is_an_error_even_if_the_first_row_is_bad(write: Writer) -> None:
    folder = write("a\tb\tlabel\nonly one cell\nx\ty\t1\n")
    with pytest.raises(SwissbertError, match=r"no column 'id'.*columns here: 'a', 'b', 'label'"):
        read_split(pairs(), "train", folder)


@pytest.mark.parametrize("content", ["", "\n\n", "text\tlabel\n", "text\tlabel", "\ufeff"])
def test_a_file_without_rows_is_an_error(write: Writer, content: str) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.tsv: there are no rows for task 'mood'"):
        read_split(declare(), "train", write(content))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_an_empty_file_of_another_format_is_an_error(write: Writer, name: str) -> None:
    with pytest.raises(SwissbertError, match="there are no rows for task"):
        read_split(declare(name), "train", write("", name))


def test_a_file_with_bad_rows_only_is_an_error_that_shows_the_first(write: Writer) -> None:
    with pytest.raises(
        SwissbertError, match=r"\(2 bad rows\); all like row 2: label 'x' is not one of bad, good or 0 to 1"
    ):
        read_split(declare(), "train", write("text\tlabel\nfine\tx\nfine\ty\n"))


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_directory_instead_of_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SwissbertError, match="cannot be read"):
        list(read_cells(tmp_path / name))
    with pytest.raises(SwissbertError, match=f"{name} is a directory"):
        read_split(declare(name), "train", tmp_path)


def test_a_missing_file_is_an_error_with_all_accepted_names_and_the_directory(tmp_path: Path) -> None:
    task = declare(files={"train": {"first_of": ["a.tsv", "b.tsv"]}})
    with pytest.raises(SwissbertError) as caught:
        read_split(task, "train", tmp_path)
    assert str(caught.value) == f"task 'mood': a.tsv or b.tsv is not in {tmp_path}; data.dir names the directory"
    with pytest.raises(SwissbertError, match="task 'mood': no file is declared for its test split"):
        read_split(task, "test", tmp_path)
    with pytest.raises(SwissbertError, match=r"nowhere: there is no such data directory; data.dir names it"):
        read_split(task, "train", tmp_path / "nowhere")
    assert not has_split_files(task, "train", tmp_path)


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


def hub_task(**hub: Any) -> Task:
    table = {**declare().model_dump(exclude={"files"}, exclude_none=True), "hub": {"dataset": "owner/set", **hub}}
    return make_task(table, "declaration")


def test_a_hub_data_set_that_cannot_be_loaded_is_an_error_of_one_line() -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(hub_task(dataset="nobody/no-such-data-set"), "dev", None)
    message = str(caught.value)
    assert message.startswith("task 'mood': data set 'nobody/no-such-data-set', split 'validation', cannot be loaded (")
    assert "\n" not in message


def test_a_hub_data_set_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def load(name: str, config: str | None, *, split: str, revision: str | None) -> datasets.Dataset:
        asked.append((name, config, split, revision))
        return datasets.Dataset.from_dict(
            {"text": [" fine ", "dull", None, "odd"], "label": [1, 0, 1, 2], "more": [0] * 4}
        )

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = read_split(hub_task(config="plain", revision="abc", splits={"dev": "held_out"}), "dev", None)
    assert rows.rows == [Row(1, "1", "fine", None, 1.0), Row(2, "2", "dull", None, 0.0)]
    reason = "label '2' is not one of bad, good or 0 to 1; numbers of labels count from 0"
    assert bad(rows) == [(3, "column 'text' is empty"), (4, reason)]
    assert rows.source == "owner/set[held_out]"
    assert str(rows.bad[0]) == "owner/set[held_out]:3: column 'text' is empty"
    read_split(hub_task(splits={"dev": "held_out"}), "train", None)
    assert asked == [("owner/set", "plain", "held_out", "abc"), ("owner/set", None, "train", None)]


def test_a_missing_column_of_a_hub_data_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = datasets.Dataset.from_dict({"texts": ["fine"], "label": [1]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: table)
    with pytest.raises(SwissbertError, match=r"^owner/set\[train\]: no column 'text'.*did you mean 'texts'\?"):
        read_split(hub_task(), "train", None)
