"""Data files of any content cost time in proportion to their size and bounded memory, and end in one short sentence."""

import bz2
import codecs
import difflib
import gzip
import io
import itertools
import json
import lzma
import os
import random
import re
import signal
import socket
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swissbert.data import bad_rows, row_checks
from swissbert.data import rows as rows_module
from swissbert.data.check import Report, SplitReport
from swissbert.data.declare import declare
from swissbert.data.formats import compression, decompression, encoding, json_values, limits
from swissbert.data.formats import text as plain_text
from swissbert.data.formats.limits import chunks, size_of
from swissbert.data.formats.parquet_footer import read_chunks
from swissbert.data.formats.parquet_sizes import batch_rows
from swissbert.data.formats.records import records
from swissbert.data.hub import read_hub
from swissbert.data.row_checks import with_late_columns
from swissbert.data.rows import BadRow, BadRows, LabelNotes, Row
from swissbert.data.splits import Reading
from swissbert.errors import LONGEST_LINE, SwissbertError
from swissbert.inference.inputs import read_inputs
from swissbert.kinds.label_names import names_in
from swissbert.tasks import HubData, Task, make_task

HEAD = "text,label\n"


def task_of(name: str, **options: object) -> Task:
    """A classification whose rows are in a file."""
    columns = {"text": "text", "label": "label"}
    table = {"name": "t", "kind": "classification", "labels": ["low", "high"], "columns": columns}
    return make_task({**table, "files": {"train": name, "dev": name}, **options}, "here")


def train(path: Path, **options: object) -> list[Row]:
    return list(Reading(task_of(path.name, **options), "train", path.parent))


def predict(path: Path) -> list[Row | BadRow]:
    return list(read_inputs(str(path), task_of(path.name)))


class Endless:
    """Lines that are read one by one, and counted."""

    def __init__(self, *start: str, line: str, most: int) -> None:
        self._lines = itertools.chain(start, itertools.repeat(line, most))
        self.count = 0

    def readline(self, size: int = -1) -> str:
        self.count += 1
        return next(self._lines, "")


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("line", ['b"{}"d\n', 'a"{}"b{}c\n', '"a ""b{}low\n', '"\n', '"a{}b\nc"{}low\n'])
def test_quotes_cost_linear_time(delimiter: str, line: str) -> None:
    text = line.replace("{}", delimiter)
    start = time.process_time()
    for _ in records(io.StringIO(text * 40_000), delimiter, True, "x"):
        pass
    assert time.process_time() - start < 10  # half a second; with every line read again from each quote, minutes


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_stray_quote_costs_bounded_memory(delimiter: str) -> None:
    lines = Endless(f'"one stray quote{delimiter}low\n', line=f"fine{delimiter}high\n", most=300_000)
    number, cells, hint = next(records(lines, delimiter, True, "x"))
    assert (number, cells[0].startswith("one stray quote")) == (1, True)
    assert "a quote on this line is not closed" in hint
    assert lines.count <= limits.CELL_LINES + 1


def test_a_row_after_a_stray_quote_keeps_its_cells_of_several_lines() -> None:
    text = 'a,b\n"stray,low\nfine,low\n"two\nlines",high\nfine,low\n'
    rows = list(records(io.StringIO(text), ",", True, "x"))
    assert [(number, cells) for number, cells, _ in rows if number > 2] == [
        (3, ["fine", "low"]),
        (4, ["two\nlines", "high"]),
        (6, ["fine", "low"]),
    ]


def test_a_cell_of_a_megabyte_is_read(tmp_path: Path) -> None:
    text = "some words\n" * 95_000
    (tmp_path / "a.csv").write_text(f'{HEAD}"{text}",low\nfine,high\n')
    assert [row.text for row in train(tmp_path / "a.csv")] == [text.strip(), "fine"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_a_line_without_end_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(
        '{"text": "a", "label": "low"}\n' * 2 if name == "a.jsonl" else "text,label\na,low\n".replace(",", "\t")
    )
    with path.open("a") as file:
        file.write("word " * 1_000_000)
    with pytest.raises(SwissbertError, match="line 3 has more than 4,194,304 characters"):
        predict(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("line", ["\n", "   \n"])
def test_very_many_blank_lines_at_the_start_are_refused(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_text(line * 100_001)
    with pytest.raises(SwissbertError, match="the first 100,000 lines are blank"):
        predict(tmp_path / name)


def test_blank_lines_of_a_text_keep_their_places_up_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_text, "BLANK_LINES", 9)
    (tmp_path / "a.txt").write_text("\n" * 9 + "fine\n" + "\n" * 20 + "fine\n\n")
    rows = predict(tmp_path / "a.txt")
    assert [row.number for row in rows] == list(range(1, 33))
    assert [row.number for row in rows if isinstance(row, Row)] == [10, 31]


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The unknown labels for which a similar one is searched for, with hints for three of them."""
    monkeypatch.setattr(row_checks, "HINTED", 3)
    searched: list[str] = []

    def search(word: str, *args: Any, **options: Any) -> list[str]:
        searched.append(word)
        return original(word, *args, **options)

    original = difflib.get_close_matches
    monkeypatch.setattr(difflib, "get_close_matches", search)
    return searched


def test_hints_are_counted_by_label(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "fine,loww\n" * 150 + "fine,unknowm\nfine,low\n")
    reading = Reading(task_of("a.csv", labels=["low", "unknown"]), "train", tmp_path)
    assert len(list(reading)) == 1
    assert [row.reason.partition("; ")[2] for row in reading.bad] == [
        *["did you mean 'low'?"] * 150,
        "did you mean 'unknown'?",
    ]


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_what_may_be_meant_is_searched_for_a_few_labels_only(tmp_path: Path, searches: list[str], kind: str) -> None:
    wrong = [f"unknow{letter}" for letter in "abcdefghijk"]
    (tmp_path / "a.csv").write_text(HEAD + "".join(f"fine,{label}\n" for label in wrong) + "fine,low\n")
    task = task_of("a.csv", kind=kind, labels=["low", "unknown"])
    reading = Reading(task, "train", tmp_path)
    assert [row.text for row in reading] == ["fine"]
    assert searches == wrong[:3]
    hint = "; did you mean 'unknown'?"
    assert [row.reason for row in reading.bad] == [
        f"label {label!r} is not one of low, unknown or 0 to 1{hint if n < 3 else ''}" for n, label in enumerate(wrong)
    ]


def test_bad_rows_with_and_without_a_hint_are_counted_together(tmp_path: Path, searches: list[str]) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "fine,highh\n" * 5 + ",low\n" * 4)
    with pytest.raises(SwissbertError, match=r"5 of them like row 2: label 'highh' .*; did you mean 'high'\?"):
        train(tmp_path / "a.csv")


def test_labels_counted_from_one_are_noticed_after_many_other_bad_rows(tmp_path: Path, searches: list[str]) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "fine,none of them\n" * 5 + "fine,1\nfine,2\n" * 9)
    with pytest.raises(SwissbertError, match="seem to count from 1 to 2"):
        list(Reading(task_of("a.csv"), "train", tmp_path, max_bad=0.9))


def test_the_reason_of_many_rows_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns: list[str] = []

    def pattern(reason: str) -> str:
        patterns.append(reason)
        return "a reason"

    monkeypatch.setattr(bad_rows, "_pattern", pattern)
    bad = [BadRow("f", number, f"reason {number % 2}") for number in range(1000)]
    with pytest.raises(SwissbertError, match="all like row 0: reason 0"):
        bad_rows.refuse_many_bad(bad, 0, 0.1, "t")
    assert patterns == ["reason 0", "reason 1"]


def test_very_many_columns_are_refused(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(limits.COLUMNS))
    (tmp_path / "a.csv").write_text(f"text,label,{names}\nfine,low{',' * limits.COLUMNS}\n")
    with pytest.raises(SwissbertError, match="100,002 columns, but at most 100,000 are read"):
        train(tmp_path / "a.csv")


@pytest.fixture
def soon() -> Iterator[None]:
    """Fail rather than wait for ever."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt", "a.csv.gz", "a.zip", "a"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/null"), _socket], ids=["pipe", "device", "socket"]
)
def test_nothing_is_read_that_is_no_regular_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make(Path(name))
    for read in (train, predict):
        with pytest.raises(SwissbertError) as error:
            read(Path(name))
        assert len(str(error.value)) < 400


def _zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return out.getvalue()


PACKERS = {
    "gz": gzip.compress,
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": _zst,
    "zip": _zip,
}


@pytest.mark.parametrize("ending", PACKERS)
def test_compressed_data_that_expand_without_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(decompression, "EXPANDED", 2**20)
    path = tmp_path / f"a.csv.{ending}"
    path.write_bytes(PACKERS[ending](HEAD.encode() + b"a sentence of some words,low\n" * 1_000_000))
    with pytest.raises(SwissbertError, match=r"more than 64 times as large.*decompress the file first"):
        predict(path)


@pytest.mark.parametrize("ending", PACKERS)
def test_a_table_of_texts_that_is_compressed_is_read(tmp_path: Path, ending: str) -> None:
    rows = "".join(f"text {number * 7919 % 100_003} of {number},low\n" for number in range(2000))
    (tmp_path / f"a.csv.{ending}").write_bytes(PACKERS[ending]((HEAD + rows).encode()))
    assert len(train(tmp_path / f"a.csv.{ending}")) == 2000


def test_several_streams_of_xz_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(HEAD.encode()) + lzma.compress(b"a,low\n") + b"\0" * 8)
    assert len(train(tmp_path / "a.csv.xz")) == 1


def test_compressed_data_that_need_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compression, decompression):  # the one names the bound, the other keeps it
        monkeypatch.setattr(module, "XZ_MEMORY", 2**20)
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(HEAD.encode()))
    with pytest.raises(SwissbertError, match="need more than 1 MB of memory"):
        train(tmp_path / "a.csv.xz")


def test_a_name_without_end_in_a_gzip_header_is_read_in_large_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    def read(self: Any, size: int | None = -1) -> bytes:
        data = original(self, size)
        reads.append(len(data))
        return data

    original = decompression._Source.read
    monkeypatch.setattr(decompression._Source, "read", read)
    header, name = struct.pack("<2sBBLBB", b"\x1f\x8b", 8, 8, 0, 0, 255), b"a" * 200_000
    (tmp_path / "a.csv.gz").write_bytes(header + name)
    with pytest.raises(SwissbertError, match="the gzip data are damaged or cut off"):
        train(tmp_path / "a.csv.gz")
    assert sum(reads) > len(name)
    assert len(reads) < 100
    whole = gzip.compress(b"text,label\nfine,low\n")
    assert whole[3] == 0  # no name
    (tmp_path / "a.csv.gz").write_bytes(header + name + b"\0" + whole[10:])
    assert [row.text for row in train(tmp_path / "a.csv.gz")] == ["fine"]


def test_several_streams_of_gzip_with_padding_are_one_file(tmp_path: Path) -> None:
    parts = [gzip.compress(text) for text in (b"text,label\n", b"", b"fine,low\n", b"dull,high\n")]
    (tmp_path / "a.csv.gz").write_bytes((b"\0" * 40_000).join(parts) + b"\0" * 3)
    assert [row.text for row in train(tmp_path / "a.csv.gz")] == ["fine", "dull"]
    (tmp_path / "a.csv.gz").write_bytes(parts[0] + parts[2] + b"no gzip")
    with pytest.raises(SwissbertError, match="the gzip data are damaged or cut off"):
        train(tmp_path / "a.csv.gz")


INVALID = {
    "utf-8": (
        b"\xff",
        b"\xad",
        b"\xc3",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
    ),
    "utf-16-le": (b"\0\xd8", b"\0\xdc"),
    "utf-16-be": (b"\xd8\0", b"\xdc\0"),
    "utf-32-le": (b"\0\xd8\0\0", b"\0\0\x11\0", b"aaaa"),
    "utf-32-be": (b"\0\0\xdf\0", b"\0\x11\0\0", b"aaaa"),
}
"""Bytes that cannot be decoded, by encoding."""


@pytest.fixture
def replacements() -> Iterator[list[UnicodeDecodeError]]:
    """The calls that replace bytes that cannot be decoded. Another error handler, ``one``, replaces them one by one."""
    calls: list[UnicodeDecodeError] = []

    def counted(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        calls.append(error)
        return encoding._undecoded(error)

    def one(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        return "\udcff" * (error.end - error.start), error.end

    codecs.register_error(encoding.UNDECODED, counted)
    codecs.register_error("one", one)
    yield calls
    codecs.register_error(encoding.UNDECODED, encoding._undecoded)


def marked(text: str) -> str:
    """The text with one mark for every byte that was not decoded."""
    return re.sub("[\udc80-\udcff]", "\udcff", text)


@pytest.mark.parametrize("name", INVALID)
def test_bytes_that_cannot_be_decoded_are_replaced_together(name: str, replacements: list[UnicodeDecodeError]) -> None:
    for unit in INVALID[name]:
        replacements.clear()
        assert set(marked((unit * 1000 + "ab".encode(name)).decode(name, encoding.UNDECODED))) == {"\udcff", "a", "b"}
        assert len(replacements) <= 2


def test_bytes_between_letters_that_cannot_be_decoded_cost_little(replacements: list[UnicodeDecodeError]) -> None:
    data = b'"\xff{' * 100_000
    assert marked(data.decode("utf-8", encoding.UNDECODED)) == '"\udcff{' * 100_000
    assert len(replacements) == 1


@pytest.mark.parametrize("name", INVALID)
def test_what_can_be_decoded_beside_other_bytes_is_kept(name: str, replacements: list[UnicodeDecodeError]) -> None:
    numbers = random.Random(1)
    pieces = [*INVALID[name], *(mark.encode(name) for mark in "a\né中😀")]
    for _ in range(500):
        data = b"".join(numbers.choices(pieces, k=numbers.randrange(1, 12))) + bytes(numbers.randrange(4))
        decoder = codecs.getincrementaldecoder(name)(encoding.UNDECODED)
        cut = numbers.randrange(len(data) + 1)
        parts = decoder.decode(data[:cut]) + decoder.decode(data[cut:], final=True)
        assert marked(parts) == marked(data.decode(name, encoding.UNDECODED)) == data.decode(name, "one")


def test_an_archive_that_lists_very_many_files_is_refused(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entry) * 50_000, 30, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + b"\0" * 26 + entry * 50_000 + end)
    with pytest.raises(SwissbertError, match="lists too many files"):
        predict(tmp_path / "a.zip")


def test_json_values_that_become_large_in_memory_are_bad_rows_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = '{"text": "a", "label": "low", "x": [' + "[]," * 600_000 + "1]}"
    good = '{"text": "fine", "label": "low"}'
    (tmp_path / "a.jsonl").write_text(f"{good}\n{value}\n{good}\n")
    (tmp_path / "a.json").write_text(f"[{good},\n{value},\n{good}]")
    reading = Reading(task_of("a.jsonl"), "train", tmp_path)
    assert len(list(reading)) == 2
    assert [(row.number, row.reason) for row in reading.bad] == [
        (2, "not read, since it has more than 1,048,576 values")
    ]
    with pytest.raises(SwissbertError, match="begins on line 2 has more than 1,048,576 values"):
        train(tmp_path / "a.json")


def test_a_small_value_after_a_large_one_is_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "CHUNK", 16)
    items = ["x" * 500, "y", 12, "z" * 90, *range(300)]
    values = list(json_values.JsonValues(io.StringIO(json.dumps(items)), "x"))
    assert [value for _, value in values] == items


def test_invalid_json_is_not_read_to_its_end() -> None:
    class Text(io.StringIO):
        read_characters = 0

        def read(self, size: int | None = -1, /) -> str:
            text = super().read(size)
            self.read_characters += len(text)
            return text

    file = Text('[{"a": 1}, oops ' + "x" * 5_000_000)
    with pytest.raises(SwissbertError, match="not valid JSON"):
        list(json_values.JsonValues(file, "x"))
    assert file.read_characters < 1_000_000


def _repeated(text: str, times: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), [text])


@pytest.mark.parametrize(
    "columns",
    [
        {"text": _repeated("x" * 10**6, 20_000), "label": _repeated("low", 20_000)},
        {"text": pa.nulls(3_000_000, pa.string()), "label": pa.nulls(3_000_000, pa.string())},
    ],
    ids=["one text in all rows", "empty rows"],
)
def test_a_parquet_file_that_becomes_far_larger_is_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    for read in (train, predict):
        with pytest.raises(SwissbertError, match="times as large as the file"):
            for _ in [read(tmp_path / "a.parquet")]:
                pass


def test_rows_of_a_parquet_file_are_decoded_few_at_a_time_where_texts_are_large(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for text, rows in (("x" * 10**6, 16), ("x" * 10**5, 167), ("short", 1024)):
        pq.write_table(pa.table({"text": _repeated(text, 5000)}), path)
        found = batch_rows(path, pq.read_metadata(path), read_chunks(path), 0, ["text"])
        assert found == pytest.approx(rows, rel=0.2)


ODD: dict[str, Any] = {
    "date beyond year 9999": pa.array([2**31 - 1, 1], pa.int32()).cast(pa.date32()),
    "duration": pa.array([2**62, 1], pa.duration("s")),
    "a name twice": pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([1, 2])], names=["a", "a"]),
    "time zone": pa.array([1, 2], pa.timestamp("us", "Mars/Olympus")),
}


@pytest.mark.parametrize("name", ODD)
def test_a_column_that_python_has_no_value_for_costs_the_rows_that_need_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["low", "high"], "other": ODD[name]}), path)
    assert [row.text for row in train(path)] == ["a", "b"]
    assert [row.text for row in predict(path) if isinstance(row, Row)] == ["a", "b"]
    pq.write_table(pa.table({"text": ["a", "b"], "label": ODD[name]}), path)
    with pytest.raises(SwissbertError, match=r"no usable row|column 'label'|labels"):
        train(path)


def test_training_reads_the_columns_of_a_task_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []
    original = pq.ParquetFile.iter_batches

    def iter_batches(self: Any, rows: int, groups: list[int], columns: list[str]) -> Any:
        read.append(columns)
        return original(self, rows, groups, columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    pq.write_table(pa.table({"a": [1], "text": ["x"], "label": ["low"], "b": [2]}), tmp_path / "a.parquet")
    train(tmp_path / "a.parquet")
    assert read == [["text", "label"]]
    with pytest.raises(SwissbertError, match="columns here: 'a', 'text', 'label', 'b'"):
        train(tmp_path / "a.parquet", columns={"text": "other", "label": "label"})


def test_bad_rows_beyond_a_number_are_counted_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "KEPT", 3)
    (tmp_path / "a.csv").write_text(HEAD + "a,none of them\n" * 10 + "b,low\n")
    reading = Reading(task_of("a.csv"), "train", tmp_path)
    assert len(list(reading)) == 1
    assert (len(reading.bad), len(list(reading.bad))) == (10, 3)
    assert BadRows([reading.bad[0]], 7) == BadRows([reading.bad[0]], 7) != BadRows([reading.bad[0]])


def test_spellings_of_labels_are_counted_up_to_a_number() -> None:
    notes = LabelNotes()
    for number in range(5000):
        notes.count(Row(1, "1", "a", None, 0.0, ((f"{'x' * 500}{number}", "x"), (str(number), "x"))))
    assert len(notes.spellings) == rows_module.MOST_SPELLINGS
    assert max(len(cell) for cell, _ in notes.spellings) <= rows_module.SPELLING


def test_large_rows_are_taken_few_at_a_time() -> None:
    parts = list(chunks((["x" * 10**6] * 40) + ["y"] * 5000, 1024, size_of))
    assert max(sum(map(len, part)) for part in parts) < 20 * 10**6
    assert max(map(len, parts)) == 1024
    assert sum(map(len, parts)) == 5040


def test_rows_that_are_read_ahead_fit_into_memory() -> None:
    taken = 0

    def rows() -> Iterator[tuple[int, dict[str, object]]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number, {"other": "x" * 10**6}

    next(with_late_columns(rows(), ["text"]))
    assert taken < 30


def test_bad_rows_before_the_first_good_one_are_not_collected() -> None:
    count = 0

    def rows() -> Iterator[tuple[int, dict[str, object] | str]]:
        nonlocal count
        for number in range(1000):
            count += 1
            yield number, "too many cells"

    next(with_late_columns(rows(), ["text"]))
    assert count == 1


def test_messages_are_short_and_printable_whatever_a_file_holds(tmp_path: Path) -> None:
    odd = "\x1b[31m\x9b" + "x" * 100_000
    contents = {
        "a.csv": f"{odd},{odd}2\nfine,low\n",
        "b.csv": f"text,label\nfine,{odd}\n",
        "c.jsonl": json.dumps({odd: 1, "text": {odd: odd}, "label": [odd]}) + "\n",
        f"{odd[:5]}.csv": f"text,other\n{odd},{odd}\n",
        "e.json": json.dumps({odd: [{"a": 1}, {"a": 2}]}),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(SwissbertError) as error:
            train(path)
        assert len(str(error.value)) <= LONGEST_LINE
        assert str(error.value).isprintable()
        reading = Reading(task_of(name), "train", tmp_path)
        with pytest.raises(SwissbertError):
            list(reading)
        for row in reading.bad:
            assert len(row.reason) <= rows_module.REASON
            assert row.reason.isprintable()


def test_a_deeply_nested_cell_is_a_bad_row(tmp_path: Path) -> None:
    good = '{"text": "fine", "label": "low"}\n'
    for deep in ("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900):
        rows = (
            f'{{"text": {deep}, "label": "low"}}',
            f'{{"text": "a", "label": {deep}}}',
            f'{{"text": "a", "id": {deep}}}',
        )
        (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n" + good)
        columns = {"text": "text", "label": "label", "id": "id"}
        reading = Reading(task_of("a.jsonl", columns={"text": "text", "label": "label"}), "train", tmp_path)
        assert (len(list(reading)), len(reading.bad)) == (1, 2)
        task = task_of("a.jsonl", columns=columns)
        assert len(list(read_inputs(str(tmp_path / "a.jsonl"), task))) == 4


def test_a_label_of_any_length_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEAD}fine,{'x' * 200_000}\nfine,low\n")
    reading = Reading(task_of("a.csv"), "train", tmp_path)
    assert len(list(reading)) == 1
    assert reading.bad[0].reason == "column 'label' has 200,000 characters, so it is a text and not a label"
    with pytest.raises(SwissbertError, match="so it holds texts and not labels"):
        declare(tmp_path / "a.csv", "text", ["label"])


def test_a_check_of_data_prints_no_control_characters() -> None:
    from swissbert.cli.tables import check_text

    odd = "\x1b]0;x\x07\x9b"
    split = SplitReport(
        odd, "train", odd, 1, [BadRow(odd, 1, odd)], 0, {odd: 1}, {odd: 1.0}, (1, 1, 1), 0, source_notes=[odd]
    )
    text = check_text(Report([split], [], {odd: [odd, *map(str, range(50_000))]}))
    assert all(character == "\n" or character.isprintable() for character in text)
    assert max(map(len, text.splitlines())) < 800


def test_a_hub_data_set_with_a_value_that_cannot_be_decoded_ends_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    class Table:
        column_names = ("picture", "text", "label")
        features = None

        def __init__(self, columns: tuple[str, ...] = column_names) -> None:
            self.columns = columns

        def select_columns(self, columns: list[str]) -> "Table":
            return Table(tuple(columns))

        def __iter__(self) -> Iterator[dict[str, object]]:
            yield dict.fromkeys(self.columns, "x")
            raise ImportError("Pillow \x1b[31m is needed" + "x" * 10_000)

    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **options: Table())
    rows = read_hub(HubData(dataset="o/n"), "train", task_of("a.csv"))
    assert next(rows) == (1, {"picture": None, "text": "x", "label": "x"})
    with pytest.raises(SwissbertError, match=r"cannot be read .Pillow") as error:
        next(rows)
    assert len(str(error.value)) <= LONGEST_LINE
    assert str(error.value).isprintable()


def test_labels_that_are_all_different_are_counted_once(tmp_path: Path) -> None:
    names = [f"label {number}" for number in range(200_000)]
    start = time.process_time()
    assert len(names_in(names)) == 200_000
    assert time.process_time() - start < 10
    (tmp_path / "a.csv").write_text(HEAD + "".join(f"fine,{name}\n" for name in names[:20_000]))
    with pytest.raises(SwissbertError, match="20,000 different labels in 20,000 rows"):
        declare(tmp_path / "a.csv", "text", ["label"])
