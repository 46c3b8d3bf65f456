"""Files of a split: names, patterns, lists, alternatives, and labels in a file of their own."""

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from declared import declare, texts

from swissbert.config import dump_config, make_config
from swissbert.data.cache import cached_split
from swissbert.data.holdout import text_key
from swissbert.data.rows import BadRow
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError, nearest
from swissbert.task_files import FirstOf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files of the texts 1 to 8 in different formats."""
    (tmp_path / "part-2.csv").write_text('text,label\nthree,0\n"four, or 4",1\n')
    (tmp_path / "part-10.tsv").write_text("label\ttext\n0\tone\nodd\ttwo\n1\ttwo\n")
    (tmp_path / "part-3.jsonl").write_text(json.dumps([{"text": "five", "label": 0}, {"text": "six", "label": 1}]))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.csv.gz").write_bytes(gzip.compress(b"text;label\nseven;0\neight;1\n"))
    return tmp_path


def test_a_list_is_read_in_order_each_file_by_its_own_ending(folder: Path) -> None:
    rows = read_split(declare(files={"train": ["part-*", "sub/*.gz"], "dev": "x"}), "train", folder)
    assert texts(rows) == ["one", "two", "three", "four, or 4", "five", "six", "seven", "eight"]
    assert rows.source == "part-10.tsv, part-2.csv and 2 more files"
    assert rows.bad == [BadRow("part-10.tsv", 3, "label 'odd' is not one of bad, good or 0 to 1")]
    assert rows.source_notes == [
        "part.csv.gz: decompressed (gzip)",
        "part.csv.gz: the cells are separated by semicolons, not by commas",
    ]
    again = read_split(declare(files={"train": ["part-3.jsonl", "part-*"], "dev": "x"}), "train", folder)
    assert texts(again)[:3] == ["five", "six", "one"]
    assert len(again) == 6  # a file that is named twice is read once


def test_bad_rows_of_several_files_name_their_file(folder: Path) -> None:
    (folder / "sub" / "part.csv.gz").write_bytes(b"text,label\nfine,odd\n")
    rows = read_split(declare(files={"train": ["part-2.csv", "sub/part.csv.gz"]}), "train", folder)
    assert [(row.file, row.number) for row in rows.bad] == [("sub/part.csv.gz", 2)]


def test_alternatives_are_the_first_that_exists(folder: Path) -> None:
    task = declare(files={"train": {"first_of": ["none.csv", "part-2.csv", "part-10.tsv"]}, "dev": "x"})
    assert isinstance(task.files["train"], FirstOf)
    assert texts(read_split(task, "train", folder)) == ["three", "four, or 4"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["part-2.csv", "none.csv"], "none.csv is not in"),
        (["part-2.csv", "none-*.csv"], r"no file matches none-\*.csv in"),
        ("none-?.csv", r"no file matches none-\?.csv in"),
        ({"first_of": ["a.csv", "b.csv"]}, "a.csv or b.csv is not in"),
    ],
)
def test_a_missing_file_of_a_declaration_is_an_error(folder: Path, files: Any, message: str) -> None:
    with pytest.raises(SwissbertError, match=f"task 'mood': {message} "):
        read_split(declare(files={"train": files}), "train", folder)


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(folder: Path) -> None:
    (folder / "rows [1].csv").write_text("text,label\nfine,1\n")
    assert texts(read_split(declare("rows [1].csv"), "train", folder)) == ["fine"]


def test_rows_are_held_out_over_all_files(folder: Path) -> None:
    for part in range(4):
        (folder / f"many-{part}.tsv").write_text("text\tlabel\n" + "".join(f"{part} {n}\t1\n" for n in range(50)))
    task = declare(files={"train": "many-*.tsv"})
    train, dev = (read_split(task, split, folder).rows for split in ("train", "dev"))
    assert len(train) + len(dev) == 200
    assert not {text_key(row) for row in train} & {text_key(row) for row in dev}
    assert {row.text[0] for row in dev} == {"0", "1", "2", "3"}


def test_the_cache_notices_a_change_in_any_file(folder: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWISSBERT_CACHE", str(folder / "cache"))
    tokenizer = Tokenizer(tiny)

    def read(**changes: Any) -> int:
        task = declare(files={"train": ["part-2.csv", "part-10.tsv"], "dev": "x"}, **changes)
        data = cached_split(task, "train", folder, tokenizer, separate=False, max_length=16)
        assert data.source_notes == read_split(task, "train", folder).source_notes
        return len(data)

    assert (read(), read(), read(encoding="windows-1252"), read(quotes=True)) == (4, 4, 4, 4)
    assert len([entry for entry in (folder / "cache").iterdir() if len(entry.name) == 64]) == 3
    with (folder / "part-10.tsv").open("a") as file:
        file.write("1\tmore\n")
    assert read() == 5
    (folder / "part-10.tsv").write_text("label|text\n0|one\n")
    assert (read(), read()) == (3, 3)


# Labels in a file of their own


def test_rows_of_texts_and_labels_belong_together_by_position(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("fine\n\ndull\nodd\n")
    (tmp_path / "labels.txt").write_text("good\n1\n0\nangry\n")
    (tmp_path / "labels.csv").write_text("id,label\n1,1\n2,1\n3,0\n4,1\n")
    (tmp_path / "test.txt").write_text("what\n")
    files = {"train": "texts.txt", "dev": "texts.txt", "test": "test.txt"}
    task = declare(files=files, label_files={"train": "labels.txt", "dev": "labels.csv"})
    rows = read_split(task, "train", tmp_path)
    assert [(row.number, row.text, row.label) for row in rows.rows] == [(1, "fine", 1.0), (3, "dull", 0.0)]
    assert [(row.file, row.number) for row in rows.bad] == [("texts.txt", 2), ("texts.txt", 4)]
    assert [row.label for row in read_split(task, "dev", tmp_path).rows] == [1.0, 0.0, 1.0]
    assert texts(read_split(task, "test", tmp_path)) == ["what"]


@pytest.mark.parametrize("labels", ["1\n0\n", "1\n0\n1\n0\n1\n"])
def test_different_numbers_of_texts_and_labels_are_an_error_with_both(tmp_path: Path, labels: str) -> None:
    (tmp_path / "texts.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "labels.txt").write_text(labels)
    task = declare("texts.txt", label_files={"train": "labels.txt"})
    count = labels.count("\n")
    with pytest.raises(SwissbertError, match=rf"texts\.txt has 3 rows, but labels\.txt has {count}"):
        read_split(task, "train", tmp_path)


def test_each_file_of_texts_has_its_file_of_labels(tmp_path: Path) -> None:
    for name, content in {"a.txt": "one\n", "b.txt": "two\n", "a.lab": "1\n", "b.lab": "0\n"}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "a.lab").rename(tmp_path / "a-labels.txt")
    (tmp_path / "b.lab").rename(tmp_path / "b-labels.txt")
    task = declare(files={"train": ["a.txt", "b.txt"]}, label_files={"train": ["a-labels.txt", "b-labels.txt"]})
    assert [(row.text, row.label) for row in read_split(task, "train", tmp_path).rows] == [("one", 1.0), ("two", 0.0)]
    short = declare(files={"train": ["a.txt", "b.txt"]}, label_files={"train": "a-labels.txt"})
    with pytest.raises(SwissbertError, match=r"label_files\.train are 1 files, but there are 2 files with texts"):
        read_split(short, "train", tmp_path)


def test_ids_that_differ_show_that_rows_do_not_belong_together(tmp_path: Path) -> None:
    (tmp_path / "feat.csv").write_text("id,text\nm0,fine\nm1,dull\n")
    (tmp_path / "labs.csv").write_text("id,label\nm1,0\nm0,1\n")
    task = declare("feat.csv", label_files={"train": "labs.csv"})
    with pytest.raises(
        SwissbertError, match=r"^row 1: id 'm0' in feat\.csv, 'm1' in labs\.csv; .* sort both files alike"
    ):
        read_split(task, "train", tmp_path)
    (tmp_path / "labs.csv").write_text("id,label\nm0,1\nm2,0\n")
    with pytest.raises(SwissbertError, match=r"^row 2: id 'm1' in feat\.csv, 'm2' in labs\.csv"):
        read_split(task, "train", tmp_path)


def test_the_declared_id_column_is_compared_where_both_files_have_it(tmp_path: Path) -> None:
    (tmp_path / "feat.csv").write_text("id,key,text\n1,m0,fine\n2,m1,dull\n")
    (tmp_path / "labs.csv").write_text("id,key,label\n8,m0,1\n9,m1,0\n")
    columns = {"text": "text", "label": "label", "id": "key"}
    task = declare("feat.csv", label_files={"train": "labs.csv"}, columns=columns)
    assert [row.label for row in read_split(task, "train", tmp_path).rows] == [1.0, 0.0]
    (tmp_path / "labs.csv").write_text("id,key,label\n1,m1,0\n2,m0,1\n")
    with pytest.raises(SwissbertError, match=r"row 1: id 'm0' in feat\.csv, 'm1' in labs\.csv"):
        read_split(task, "train", tmp_path)


def test_ids_of_columns_that_are_not_declared_are_read_from_every_format(tmp_path: Path) -> None:
    rows = pa.table({"text": ["fine", "dull"], "label": [9, 9], "ID": [1, 2]})
    pq.write_table(rows, tmp_path / "feat.parquet")
    task = declare("feat.parquet", label_files={"train": "labs.csv"})
    (tmp_path / "labs.csv").write_text("id,label\n1.0,1\n,0\n")  # the same numbers, and a row without one
    assert [row.label for row in read_split(task, "train", tmp_path).rows] == [1.0, 0.0]
    (tmp_path / "labs.csv").write_text("id,label\n1,1\n3,0\n")
    with pytest.raises(SwissbertError, match=r"row 2: id '2' in feat\.parquet, '3' in labs\.csv"):
        read_split(task, "train", tmp_path)


# Settings there and back


def test_a_declaration_survives_writing_and_reading() -> None:
    task = declare(
        files={"train": ["a.csv", "b-*.csv"], "dev": {"first_of": ["c.csv", "d.csv"]}},
        label_files={"train": "labels.txt"},
        delimiter="tab",
        encoding="windows-1252",
        header=False,
        columns={"text": 3, "label": 1},
    )
    config = make_config({"tasks": [task], "encoder": {"name": "minilm"}})
    assert make_config(tomllib.loads(dump_config(config))).tasks == config.tasks
    assert (task.delimiter, task.columns.text) == ("\t", "3")


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("text", ["text;label"], None),
        ("description", ["1", "The guide knew every bird"], None),
        ("text", ["id", "note", "body"], None),
        ("text", ["Text", "body"], "Text"),
        ("sentence", ["sentence1", "sentence2"], "sentence1"),
        ("text", ["text_of_the_message"], "text_of_the_message"),
        ("lable", ["label", "text"], "label"),
        ("class", ["classification"], "classification"),
    ],
)
def test_a_name_is_offered_only_if_it_is_plausible(word: str, known: list[str], expected: str | None) -> None:
    assert nearest(word, known) == (f"; did you mean '{expected}'?" if expected else "")


def test_a_pattern_leaves_out_files_that_another_split_names(folder: Path) -> None:
    rows = read_split(declare(files={"train": "part-*", "dev": "part-3.jsonl"}), "train", folder)
    assert texts(rows) == ["one", "two", "three", "four, or 4"]
    assert rows.source_notes == [
        "part-3.jsonl: matches a pattern of the train files, but is left out, since another split names it"
    ]
    named = read_split(declare(files={"train": ["part-3.jsonl"], "dev": "part-3.jsonl"}), "train", folder)
    assert texts(named) == ["five", "six"]  # a file that is named is read


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("prat-2.csv", "; did you mean 'part-2.csv'"),
        ("sub", r"is a directory; name its files, or a pattern such as 'sub/"),
    ],
)
def test_a_file_that_is_missing_is_explained(folder: Path, name: str, help: str) -> None:
    with pytest.raises(SwissbertError, match=help):
        read_split(declare(files={"train": name, "dev": "x"}), "train", folder)
