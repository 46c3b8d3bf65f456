"""Compressed files, archives, and files that hold no rows."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from declared import Writer, declare, texts

from swissbert.data.formats import read_cells
from swissbert.data.formats.compression import ending_of
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import read_inputs

TABLE = b"text,label\n" + b"".join(b"text %d of a film,%d\n" % (number, number % 2) for number in range(3000))


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def zipped(*names: str, data: bytes = TABLE) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": lambda data: zipped("rows.csv", data=data),
}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("named", [True, False])
def test_compressed_files_are_read_whether_or_not_their_name_says_so(write: Writer, ending: str, named: bool) -> None:
    name = f"rows.csv.{ending}" if named else "rows.csv"
    folder = write(PACKED[ending](TABLE), name)
    rows = read_split(declare(name), "train", folder)
    assert len(rows) == 3000
    assert (rows.rows[0].number, rows.rows[-1].text) == (2, "text 2999 of a film")
    assert [note.split(" (")[0] for note in rows.source_notes] == [f"{name}: decompressed"]


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_data_end_in_one_sentence(write: Writer, ending: str, damage: str) -> None:
    packed = PACKED[ending](bytes(range(256)) * 40 + TABLE)
    middle = len(packed) // 2
    broken = packed[:middle] if damage == "cut" else packed[: middle - 200] + bytes(400) + packed[middle + 200 :]
    folder = write(broken, f"rows.csv.{ending}")
    with pytest.raises(SwissbertError, match=rf"rows\.csv\.{ending}: .*(damaged or cut off|not UTF-8)"):
        read_split(declare(f"rows.csv.{ending}", encoding="utf-8"), "train", folder)


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_name_that_is_no_utf_8_is_damage(write: Writer, which: int) -> None:
    name = "dätä.csv".encode()
    first, *rest = zipped("dätä.csv").split(name)
    names = [name.replace("ä".encode(), b"\xff\xfe", 1) if i == which else name for i in range(len(rest))]
    folder = write(first + b"".join(a + b for a, b in zip(names, rest, strict=True)), "data.zip")
    with pytest.raises(
        SwissbertError, match=r"data\.zip: the zip data are damaged or cut off \(the name of a file in it"
    ):
        read_split(declare("data.zip"), "train", folder)


def test_a_zip_archive_has_one_data_file(write: Writer) -> None:
    folder = write(zipped("__MACOSX/._rows.csv", ".DS_Store", "data/rows.csv"), "data.zip")
    assert len(read_split(declare("data.zip"), "train", folder)) == 3000
    write(zipped("train.csv", "dev.csv"), "data.zip")
    with pytest.raises(SwissbertError, match=r"data\.zip: the zip archive holds 2 files \(train\.csv, dev\.csv\)"):
        read_split(declare("data.zip"), "train", folder)
    write(zipped(), "data.zip")
    with pytest.raises(SwissbertError, match=r"data\.zip: the zip archive holds no file"):
        read_split(declare("data.zip"), "train", folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.xlsx", b"PK\x03\x04 anything", "this is a spreadsheet; save its table as CSV in UTF-8"),
        ("rows.ods", zipped("mimetype"), "this is a spreadsheet; save its table as CSV in UTF-8"),
        ("rows.csv", zipped("[Content_Types].xml", "xl/workbook.xml"), "this is a spreadsheet; save its table as CSV"),
        ("rows.docx", zipped("[Content_Types].xml"), "this is a document; save its table as CSV"),
        ("rows.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is a spreadsheet; save its table as CSV"),
        ("rows.pdf", b"%PDF-1.7\n", "this is a PDF document; save its table as CSV"),
        ("rows.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
        ("rows.csv", b"<!DOCTYPE html>\n<html>", "a web page and not the data"),
    ],
)
def test_files_of_other_programs_are_refused_with_what_to_do(
    write: Writer, name: str, content: bytes, message: str
) -> None:
    folder = write(content, name)
    for read in (
        lambda: read_split(declare(name), "train", folder),
        lambda: list(read_inputs(str(folder / name), declare())),
    ):
        with pytest.raises(SwissbertError) as caught:
            read()
        assert message in str(caught.value)


def test_memory_does_not_grow_with_what_a_file_decompresses_to(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"text,label\n")
        for _ in range(8):
            file.write(b"a film that is very long,1\n" * 5000)
    rows = read_split(declare("rows.csv.gz"), "train", tmp_path, limit=1)
    assert texts(rows) == ["a film that is very long"]
    tracemalloc.start()
    read = sum(1 for _ in read_inputs(str(tmp_path / "rows.csv.gz"), declare()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == 40_000
    assert peak < 2**24


def test_endings_before_compression_count() -> None:
    assert [ending_of(name) for name in ("a.CSV.gz", "a.b.tsv", "a.gz", "a.jsonl.zst", "a.txt.zip")] == [
        ".csv",
        ".tsv",
        ".gz",
        ".jsonl",
        ".txt",
    ]


@pytest.mark.parametrize(
    ("name", "start", "what"),
    [
        ("rows.pkl", b"\x80\x04\x95", "a pickle, which is not read because it may run code"),
        ("rows.feather", b"ARROW1\0\0", "an Arrow or Feather file; save it as Parquet"),
        ("rows.arrow", b"\xff\xff\xff\xff\x10", "an Arrow stream"),
        ("rows.7z", b"7z\xbc\xaf", "a 7z archive; extract it"),
        ("rows.tar.gz", b"\x1f\x8b", "a tar archive; extract it"),
        ("rows.csv", b"\n <!DOCTYPE html>", "a web page"),
    ],
)
def test_files_of_other_programs_are_refused_by_name(tmp_path: Path, name: str, start: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(start + b"\0" * 80)
    with pytest.raises(SwissbertError, match=what):
        list(read_cells(tmp_path / name))
