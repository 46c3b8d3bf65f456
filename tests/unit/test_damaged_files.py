"""Damaged Parquet files and archives end in one sentence, and footers are read as pyarrow reads them."""

import random
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swissbert.data.formats import ReadOptions, read_cells
from swissbert.data.formats.parquet_footer import read_chunks
from swissbert.errors import SwissbertError


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd"])
def test_chunks_of_a_footer_are_those_that_pyarrow_reads(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.parquet"
    columns: dict[str, Any] = {
        "text": [f"text {number % 7}" * (number % 50) for number in range(500)],
        "a": [{"b": [number, None], "ü": b"x" * 5} for number in range(500)],
        "truth": [True, None] * 250,
        "number": [0.5] * 500,
    }
    fixed = pa.array([b"12345"] * 500, pa.binary(5))
    pq.write_table(pa.table(columns).append_column("fixed", fixed), path, row_group_size=130, compression=codec)
    metadata = pq.read_metadata(path)
    chunks = read_chunks(path)
    assert len(chunks) == metadata.num_row_groups == 4
    for group, row in enumerate(chunks):
        for number, chunk in enumerate(row):
            column = metadata.row_group(group).column(number)
            assert chunk == (
                column.path_in_schema,
                column.physical_type,
                column.num_values,
                column.total_uncompressed_size,
                column.total_compressed_size,
                column.has_dictionary_page,
            )


def _refusal(path: Path) -> list[str]:
    """Return why a file cannot be read, if it cannot."""
    try:
        list(read_cells(path, "parquet", ReadOptions()))
    except SwissbertError as error:
        return [str(error)]
    except OSError as error:  # of damaged data, which the caller words
        return [] if error.errno else [str(error)]
    return []


def test_a_damaged_footer_ends_in_one_sentence(tmp_path: Path) -> None:
    """Statistics that do not fit end the process where pyarrow is asked for a chunk."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"] * 40, "label": ["0", "1"] * 40}), path)
    whole, numbers = path.read_bytes(), random.Random(3)
    length = int.from_bytes(whole[-8:-4], "little")
    refusals = []
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 4)):
            data[numbers.randrange(len(whole) - 8 - length, len(whole) - 8)] = numbers.randrange(256)
        path.write_bytes(data)
        refusals += _refusal(path)
    assert len(refusals) > 100
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.parametrize("odd", ["no name", "a place before its start"])
def test_damaged_archives_end_in_one_sentence(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "a.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "text,label\na,0\n")
    data = bytearray(path.read_bytes())
    entry, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    if odd == "no name":
        data[entry + 28 : entry + 30] = b"\0\0"
        data[entry + 32 : entry + 34] = b"\0\0"
        data[entry + 46 : entry + 51] = b""
        data[end - 5 + 12 : end - 5 + 16] = (end - 5 - entry).to_bytes(4, "little")
    else:
        data[end + 16 : end + 20] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(SwissbertError, match="zip"):
        list(read_cells(path, "auto", ReadOptions()))
