"""Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from declared import Writer, bad, declare, pairs, texts

from swissbert.data.rows import labels_of
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError


def test_rows_are_numbered_from_one_across_row_groups(tmp_path: Path) -> None:
    count = 2500
    table = pa.table({"text": [f"film {i}" for i in range(count)], "label": [i % 2 for i in range(count)]})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=700)
    rows = read_split(declare("rows.parquet"), "train", tmp_path)
    assert [row.number for row in rows.rows] == list(range(1, count + 1))
    assert [row.id for row in rows.rows[:2]] == ["1", "2"]
    assert texts(rows)[-1] == "film 2499"
    assert labels_of(rows.rows)[:3].tolist() == [0.0, 1.0, 0.0]


def test_bytes_that_are_not_utf8_affect_their_own_row_only(tmp_path: Path) -> None:
    raw, ends = b"goodb\xffdfine", np.array([0, 4, 7, 11], np.int32)
    column = pa.StringArray.from_buffers(3, pa.py_buffer(ends.tobytes()), pa.py_buffer(raw))
    pq.write_table(pa.table({"text": column, "label": [1, 0, 1]}), tmp_path / "rows.parquet")
    rows = read_split(declare("rows.parquet"), "train", tmp_path)
    assert texts(rows) == ["good", "fine"]
    assert bad(rows) == [(2, "bytes that are not UTF-8")]


def test_ids_may_be_numbers_and_an_empty_one_is_reported(tmp_path: Path) -> None:
    table = pa.table({"id": [12, None, 14], "a": ["x", "x", "x"], "b": ["y", "y", "y"], "label": [1.0, 0.0, 0.0]})
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = read_split(pairs("rows.parquet"), "train", tmp_path)
    assert [row.id for row in rows.rows] == ["12", "14"]
    assert bad(rows) == [(2, "column 'id' is empty")]


def test_a_file_that_names_a_column_twice_is_an_error(tmp_path: Path) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"]), pa.array([1])], names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(SwissbertError, match="the header names column 'text' twice"):
        read_split(declare("rows.parquet"), "train", tmp_path)


@pytest.mark.parametrize("raw", [b"", b"text\tlabel\nfine\t1\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_an_error(write: Writer, raw: bytes) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.parquet: not a readable Parquet file \("):
        read_split(declare("rows.parquet"), "train", write(raw, "rows.parquet"))


def test_damaged_pages_are_an_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["fine"] * 50, "label": [1] * 50}), path)
    raw = bytearray(path.read_bytes())
    raw[4:60] = b"\xff" * 56
    path.write_bytes(raw)
    with pytest.raises(SwissbertError, match=r"rows\.parquet: ") as caught:
        read_split(declare("rows.parquet"), "train", tmp_path)
    assert "\n" not in str(caught.value)
