"""Data files made to hurt: each is answered or refused within 2 s and 200 MB, measured in a process of its own."""

import bz2
import contextlib
import functools
import gzip
import io
import json
import lzma
import os
import resource
import socket
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from campaign.commands import Command
from campaign.frame import Outcome, Setting
from campaign.mutations import odd_message, seconds_shown
from swissbert.data.dataset import CHUNK
from swissbert.data.declare import declare
from swissbert.data.formats.limits import chunks
from swissbert.data.rows import text_size
from swissbert.data.splits import Reading
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import open_inputs, read_inputs
from swissbert.inference.stream import stream
from swissbert.tasks import make_task

SECONDS, MEGABYTES = 2.0, 200
"""Bounds: processor time, and memory beyond what the process began with."""
TIMES = 3
"""How much longer than a file of as many good rows one of bad rows may take, where that is more than the bound."""
SHORT = 8
"""Of so many attempts one is made in the short form."""
HANG = 60
"""Seconds after which a process is killed."""
MB = 2**20
HEAD, ROW = b"text,label\n", b"a sentence of some words,high\n"


class _Bombs:
    """The attempts of a trial."""

    def __init__(self, setting: Setting, what: str) -> None:
        self.folder, self.outcome = setting.folder, Outcome(what)
        self._every, self._number = setting.number(1, SHORT), 0
        self._slowest, self._largest = 0.0, 0

    def end(self) -> Outcome:
        """Return what came of them."""
        self.outcome.figures = {"slowest": seconds_shown(self._slowest), "largest": f"{self._largest:,} MB"}
        return self.outcome

    def read(self, name: str, write: Callable[[Path], object], *, train: bool = True, predict: bool = True) -> None:
        """Write a file, and read it as for training and as for predictions."""
        self._number += 1
        if self._number % self._every:
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        size = path.stat().st_size if path.is_file() else 0
        if train:
            self._measure(f"{name} ({size / MB:.2f} MB), to train on", functools.partial(_train, path))
        if predict:
            self._measure(f"{name} ({size / MB:.2f} MB), to predict", functools.partial(_predict, path))
        path.unlink(missing_ok=True)

    def call(self, name: str, work: Callable[[], object]) -> None:
        """Measure a call."""
        self._number += 1
        if self._number % self._every == 0:
            self._measure(name, work)

    def compare(self, name: str, bad: bytes, good: bytes, use: Callable[[Path], object], what: str) -> None:
        """Measure what uses a file of bad rows, which may take `TIMES` as long as a file of as many good rows."""
        self._number += 1
        if self._number % self._every:
            return
        path = self.folder / name
        path.write_bytes(good)
        seconds = self._measure(f"{name} of good rows, {what}", functools.partial(use, path), HANG)
        path.write_bytes(bad)
        self._measure(f"{name}, {what}", functools.partial(use, path), max(SECONDS, TIMES * seconds))
        path.unlink()

    def _measure(self, name: str, work: Callable[[], object], bound: float = SECONDS) -> float:
        """Try something in a process of its own; return the seconds that it took, 0 where it did not end."""
        result = self.folder / f"result-{time.time_ns()}"

        def measure() -> None:
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            fault = ""
            try:
                work()
            except SwissbertError as error:
                fault = odd_message(str(error))
            except Exception as error:
                fault = f"{type(error).__name__}: {str(error)[:100]}"
            seconds = time.process_time() - start
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
            result.write_text(json.dumps([fault, seconds, grown]), encoding="utf-8")

        command = Command(self.folder, instead=measure)
        code = command.wait(HANG)
        if not result.exists():
            self.outcome.count(f"{name}: {f'no end after {HANG} s' if code == 'hang' else f'ended with {code}'}")
            return 0.0
        fault, seconds, grown = json.loads(result.read_text(encoding="utf-8"))
        self._slowest, self._largest = max(self._slowest, seconds), max(self._largest, grown)
        if not fault and (seconds > bound or grown > MEGABYTES):
            fault = f"{seconds:.1f} s and {grown:,} MB"
        self.outcome.count(f"{name}: {fault}" if fault else None)
        return float(seconds)


def _task(name: str, more_labels: Sequence[str] = ()) -> Any:
    columns = {"text": "text", "label": "label"}
    labels = ["low", "high", *more_labels]
    return make_task(
        {
            "name": "t",
            "kind": "classification",
            "labels": labels,
            "columns": columns,
            "files": {"train": name, "dev": name},
        },
        "here",
    )


def _train(path: Path, max_bad: float | None = 0.1, more_labels: Sequence[str] = ()) -> None:
    task = _task(path.name, more_labels)
    for _ in chunks(Reading(task, "train", path.parent, max_bad=max_bad), CHUNK, text_size):
        pass


def _predict(path: Path) -> None:
    task = _task(path.name)
    inputs = open_inputs(str(path), [task])
    for _ in stream(_NoModel(), inputs.groups, inputs):  # type: ignore[arg-type]
        pass


class _NoModel:
    """Takes the place of a model, so that reading alone is measured."""

    def answers(self, tasks: Any, rows: Any, threshold: Any) -> Iterator[dict[str, Any]]:
        class Answer:
            cut = False

        return ({task.name: Answer() for task in tasks} for _ in rows)


def _bytes(*parts: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(b"".join(parts))


def quotes(setting: Setting) -> Outcome:
    """Try quotes that are never closed, or that each line opens again."""
    bombs = _Bombs(setting, "quotes in tables")
    number = setting.number(40_000, 16_000)
    for name, mark in (("q.csv", b","), ("q.tsv", b"\t")):
        head = b"text" + mark + b"label\n"
        quoted = b'"text"' + mark + b'"label"\n'
        for kind, line in {
            "closes and opens": b'b"' + mark + b'"d\n',
            "opens": b'a"' + mark + b'"b' + mark + b"c\n",
            "doubled": b'"a ""b' + mark + b"low\n",
            "alone": b'"\n',
            "opens a cell with a delimiter": b'"a' + mark + b'b\nc"' + mark + b"low\n",
        }.items():
            bombs.read(f"{kind}/{name}", _bytes(head, line * number))
            bombs.read(f"{kind}, header in quotes/{name}", _bytes(quoted, line * number), train=False)
    long = b"a sentence of some words " * 40 + b",high\n"
    size = setting.number(60, 20) * MB
    bombs.read("stray.csv", _bytes(HEAD, b'"one stray quote,low\n', long * (size // len(long))), train=False)
    bombs.read("cell of 1 MB.csv", _bytes(HEAD, b'"' + b"some words\n" * (MB // 11) + b'",low\n', ROW * 1000))
    bombs.read("cell of many MB.csv", _bytes(HEAD, b'"' + (b"some words " * 90 + b"\n") * (size // 991) + b'",low\n'))
    return bombs.end()


def lines(setting: Setting) -> Outcome:
    """Try lines without end, and very many blank ones."""
    bombs = _Bombs(setting, "lines of any length")
    size = setting.number(300, 30) * MB
    for name in ("l.csv", "l.tsv", "l.jsonl", "l.txt"):
        train = not name.endswith(".txt")
        bombs.read(f"words/{name}", _bytes(HEAD, b"word " * (size // 5)), train=train)
        bombs.read(f"zeros/{name}", functools.partial(_zeros, size), train=train)
        bombs.read(f"no text/{name}", _bytes(HEAD * 99, (b"\xad\xe2\x82" * 999 + b"\n") * (size // 29980)), train=train)
        bombs.read(f"wide letters/{name}", _bytes(HEAD, "\U0001f600".encode() * (size // 4)), train=train)
        bombs.read(f"blank lines/{name}", _bytes(b"\n" * (size // 10)), train=train)
        bombs.read(f"lines of blanks/{name}", _bytes(b"   \n" * (size // 40)), train=train)
        bombs.read(f"a row of 3 MB/{name}", _bytes(HEAD, b"word " * (3 * MB // 5) + b",low\n", ROW * 9), train=train)
    bombs.read("rows of 1 MB.csv", _bytes(HEAD, (b"word " * (MB // 5) + b",low\n") * setting.number(100, 20)))
    bombs.read("sep.csv", _bytes(b"sep=,\n", HEAD, b'"' * size))
    return bombs.end()


def _zeros(size: int, path: Path) -> None:
    """Write a file of zeros that takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


def columns(setting: Setting) -> Outcome:
    """Try headers of very many or very long names."""
    bombs = _Bombs(setting, "columns")
    for count in (30_000, 100_000, 1_000_000):
        names = b",".join(b"c%d" % number for number in range(count))
        for name, mark in (("c.csv", b","), ("c.tsv", b"\t"), ("s.csv", b";")):
            text = (b"text,label," + names + b"\nfine,low" + b"," * count + b"\n").replace(b",", mark)
            bombs.read(f"{count} columns/{name}", _bytes(text))
            bombs.read(f"{count} columns, none that is read/{name}", _bytes(text.replace(b"text", b"tex", 1)))
    bombs.read("commas.csv", _bytes(HEAD, b"," * (4 * MB - 9), b"\nfine,low\n"))
    bombs.read("marks.csv", _bytes(b"a" + b"".join(b"!#"[number % 2 :][:1] * number + b"b" for number in range(2000))))
    bombs.read("name of 3 MB.csv", _bytes(b"text" * (3 * MB // 4), b",label\nfine,low\n"))
    bombs.read("control characters.csv", _bytes(b"\x1b[31mtex\xc2\x9b,label\nfine,low\n"))
    wide = {f"text{number}": 1 for number in range(100_000)}
    bombs.read("keys.jsonl", _bytes(json.dumps(wide).encode() + b"\n"))
    return bombs.end()


def values(setting: Setting) -> Outcome:
    """Try JSON that is nested, or that becomes large in memory."""
    bombs = _Bombs(setting, "JSON values")
    size = setting.number(200, 20) * MB
    good = b'{"text": "fine", "label": "low"}\n'
    for name in ("v.jsonl", "v.json"):
        for kind, text in {
            "brackets": b"[" * size,
            "objects in objects": b'{"a":' * (size // 5),
            "a list of numbers": b'{"x": [' + b"1," * (size // 2) + b'1], "text": "fine"}\n',
            "lists in a list": b'{"x": [' + b"[]," * (size // 3) + b'1], "text": "fine"}\n',
            "objects in a list": b'{"x": [' + b'{"a":{}},' * (size // 9) + b'1], "text": "fine"}\n',
            "an array of lists": b"[" + b"[],\n" * (size // 4000) + b"1]",
            "an array in which a row is large": b"[" + good + b',{"text": "' + b"a" * size + b'"}]',
            "an array of an array": b'[{"text": [' + b"[]," * (size // 3),
            "a text without end": b'{"text": "' + b"word " * (size // 5),
            "a number without end": b'{"text": "fine", "label": ' + b"9" * (size // 10) + b"}\n",
            "a fraction without end": b'{"text": "fine", "label": 0.' + b"9" * (size // 10) + b"}\n",
            "a list of rows in an object": b'{"data": [' + good.strip() + (b"," + good.strip()) * (size // 34) + b"]}",
            "deep": b'{"text": ' + b"[" * 900 + b"]" * 900 + b', "label": ' + b"[" * 900 + b"]" * 900 + b"}\n",
        }.items():
            bombs.read(f"{kind}/{name}", _bytes(text, good))
    return bombs.end()


def compressed(setting: Setting) -> Outcome:
    """Try compressed files that expand without bound, of text without lines and of blank or equal lines."""
    bombs = _Bombs(setting, "compressed files")
    pieces = setting.number(300, 60)
    for kind, piece in {"zeros": b"\0" * MB, "blank lines": b"\n" * MB, "equal rows": ROW * (MB // len(ROW))}.items():
        for name, pack in _packers().items():
            for ending in ("csv", "jsonl", "tsv"):
                write = functools.partial(pack, piece, pieces)
                bombs.read(f"{kind}/b.{ending}.{name}", write, train=kind != "equal rows")
    bombs.read("many files.zip", _many_members)
    size = setting.number(30, 10) * MB
    bombs.read("name without end.csv.gz", _bytes(b"\x1f\x8b\x08\x08" + b"\0" * 4 + b"\0\xff", b"a" * size))
    bombs.read("empty members.csv.gz", _bytes(gzip.compress(HEAD + ROW), gzip.compress(b"") * 20_000))
    return bombs.end()


def _packers() -> dict[str, Callable[[bytes, int, Path], object]]:
    """Return functions that compress a piece again and again into a file."""

    def gz(piece: bytes, times: int, path: Path) -> None:
        with gzip.open(path, "wb", 6) as file:
            for _ in range(times):
                file.write(piece)

    def bz(piece: bytes, times: int, path: Path) -> None:
        with bz2.open(path, "wb", 1) as file:
            for _ in range(times // 4):
                file.write(piece)

    def xz(piece: bytes, times: int, path: Path) -> None:
        with lzma.open(path, "wb", preset=0) as file:
            for _ in range(times):
                file.write(piece)

    def zst(piece: bytes, times: int, path: Path) -> None:
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            for _ in range(times):
                file.write(piece)

    def zipped(piece: bytes, times: int, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("b.csv", "w") as file:
            for _ in range(times):
                file.write(piece)

    return {"gz": gz, "bz2": bz, "xz": xz, "zst": zst, "zip": zipped}


def _many_members(path: Path) -> None:
    """Write an archive that lists 300,000 files."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    listed = entry * 300_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(listed), 30, 0)
    path.write_bytes(b"PK\3\4" + b"\0" * 26 + listed + end)


def parquet(setting: Setting) -> Outcome:
    """Try Parquet files whose rows become far larger than they are, and columns of every type."""
    bombs = _Bombs(setting, "Parquet files")

    def table(columns: dict[str, Any], **options: Any) -> Callable[[Path], object]:
        return lambda path: pq.write_table(pa.table(columns), path, **options)

    def repeated(text: str, times: int) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), [text])

    low = repeated("low", 20_000)
    bombs.read("text of 1 MB in 20,000 rows.parquet", table({"text": repeated("x" * 10**6, 20_000), "label": low}))
    bombs.read("text of 10 KB in 20,000 rows.parquet", table({"text": repeated("x" * 10**4, 20_000), "label": low}))
    bombs.read("other column of 1 MB.parquet", table({"text": low, "label": low, "o": repeated("x" * 10**6, 20_000)}))
    nested = pa.array([["x" * 10**6]] * 200, pa.list_(pa.string()))
    bombs.read("lists of a text of 1 MB.parquet", table({"text": low[:200], "label": low[:200], "o": nested}))
    zeros = pa.ListArray.from_arrays(pa.array([0, 20_000_000], pa.int32()), pa.array(bytearray(20_000_000), pa.int8()))
    bombs.read("a list of 20 million numbers.parquet", table({"text": low[:1], "label": zeros}))
    cell = {"text": ["\0" * setting.number(300, 30) * 10**6]}
    bombs.read("one large cell.parquet", table(cell, compression="zstd", use_dictionary=False))
    for rows in (3_000_000, setting.number(20_000_000, 4_000_000)):
        empty = pa.nulls(rows, pa.string())
        bombs.read(f"{rows} empty rows.parquet", table({"text": empty, "label": empty}))
    count = setting.number(20_000, 4000)
    wide = {"text": ["a"] * 3, "label": ["low"] * 3, **{f"c{number}": [1] * 3 for number in range(count)}}
    bombs.read(f"{count} columns.parquet", table(wide))
    for name, column in _odd_columns().items():
        for role in ("other", "text", "label"):
            columns = {"text": ["a", "b", "c"], "label": ["low", "high", "low"], role: column}
            with contextlib.suppress(pa.ArrowException):  # some cannot be written
                bombs.read(f"{name} as {role}.parquet", table(columns))
    return bombs.end()


def _odd_columns() -> dict[str, Any]:
    """Return columns of types that Python has no value for, or an unusual one."""
    return {
        "ns": pa.array([1, 2**62, None], pa.timestamp("ns")),
        "s beyond year 9999": pa.array([2**60, 1, None], pa.timestamp("s")),
        "a zone that is none": pa.array([1, 2, None], pa.timestamp("us", "Mars/Olympus")),
        "date32 beyond year 9999": pa.array([2**31 - 1, 1, None], pa.int32()).cast(pa.date32()),
        "date64": pa.array([-(2**60), 1, None], pa.int64()).view(pa.date64()),
        "time64": pa.array([1, 10**18, None], pa.int64()).view(pa.time64("ns")),
        "duration ns": pa.array([2**62, 1, None], pa.duration("ns")),
        "duration s": pa.array([2**62, 1, None], pa.duration("s")),
        "decimal": pa.array([None, None, None], pa.decimal128(38, 37)),
        "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int32())),
        "a name twice": pa.StructArray.from_arrays([pa.array([1, 2, 3]), pa.array([1, 2, 3])], names=["a", "a"]),
        "binary": pa.array([b"\xff", None, b""]),
        "dictionary": pa.array(["a", None, "b"]).dictionary_encode(),
        "lists of lists": pa.array([[[1]], None, []]),
        "float16": pa.array([1.5, None, 2], pa.float16()),
        "large string": pa.array(["a", None, "b"], pa.large_string()),
        "null": pa.nulls(3),
        "invalid text": pa.Array.from_buffers(
            pa.string(), 3, [None, pa.py_buffer(struct.pack("<4i", 0, 1, 2, 3)), pa.py_buffer(b"a\xffb")]
        ),
    }


def no_files(setting: Setting) -> Outcome:
    """Try to read pipes, devices, sockets and folders under every ending."""
    bombs = _Bombs(setting, "what is no regular file")
    for ending in ("csv", "tsv", "jsonl", "json", "parquet", "txt", "csv.gz", "zip", "xyz"):
        train = ending not in ("txt", "xyz")
        bombs.read(f"pipe.{ending}", os.mkfifo, train=train)
        bombs.read(f"zero.{ending}", lambda path: path.symlink_to("/dev/zero"), train=train)
        bombs.read(f"random.{ending}", lambda path: path.symlink_to("/dev/urandom"), train=train)
        bombs.read(f"loop.{ending}", lambda path: path.symlink_to(path), train=train)
        bombs.read(f"socket.{ending}", _bind, train=train)
        folder = setting.folder / f"folder.{ending}"
        folder.mkdir()
        if train:
            bombs.call(f"{folder.name}, to train on", functools.partial(_train, folder))
        bombs.call(f"{folder.name}, to predict", functools.partial(_predict, folder))
    for name in ("zero", "urandom"):
        bombs.call(f"{name} as standard input", functools.partial(_predict_stdin, Path("/dev") / name))
    return bombs.end()


def _bind(path: Path) -> None:
    os.chdir(path.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def _predict_stdin(path: Path) -> None:
    os.dup2(os.open(path, os.O_RDONLY), 0)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)))
    for _ in read_inputs("-", _task("x.csv")):
        pass


def bad_rows(setting: Setting) -> Outcome:
    """Try files of bad rows only, of labels that are all different, and of long and odd labels."""
    bombs = _Bombs(setting, "bad rows and labels")
    number = setting.number(150_000, 50_000)
    good = HEAD + b"fine,high\n" * number
    others = b"".join(b"fine,hi%d\n" % row for row in range(number - 1))
    words = [f"label {chr(97 + first)}{chr(97 + second)}" for first in range(22) for second in range(22)]
    near = b"".join(
        b"fine,label %c%c%c\n" % (97 + n % 26, 97 + n // 26 % 26, 97 + n // 676 % 26) for n in range(number)
    )
    for name, bad, labels in (
        ("no label of the task.csv", HEAD + b"fine,other\n" * number, ()),
        ("different labels.csv", HEAD + others, ()),
        ("labels that are nearly known.csv", HEAD + near, words),
        ("cells.csv", HEAD + b"a,b,c,d\n" * number, ()),
        ("stray quotes.csv", HEAD + b'"a,high\n' * number, ()),
        ("no texts.csv", HEAD + b",high\n" * number, ()),
    ):
        bombs.compare(name, bad, good, functools.partial(_train, more_labels=labels), "to train on")
        everything = functools.partial(_train, max_bad=None, more_labels=labels)
        bombs.compare(name, bad + ROW, good, everything, "to train on what is good")
        bombs.compare(name, bad, good, _predict, "to predict")
    texts = b"a sentence\n" * number
    bombs.compare("blank lines after a text.txt", b"a\n" + b"\n" * (number - 1), texts, _predict, "to predict")
    bombs.compare("lists.jsonl", b"[1]\n" * number, b'{"text": "fine"}\n' * number, _predict, "to predict")
    bombs.read("long labels.csv", _bytes(HEAD, (b"fine," + b"x" * MB + b"\n") * 100))
    bombs.read("odd labels.csv", _bytes(HEAD, (b"fine,\x1b]0;x\x07" + b"\xc2\x9b" * 999 + b"\n") * 1000))

    def check(name: str, text: bytes, **options: Any) -> None:
        bombs.compare(
            name, HEAD + text, good, lambda path: declare(path, "text", ["label"], options=options), "its labels"
        )

    different = b"".join(b"fine,label %d\n" % row for row in range(number))
    good = HEAD + b"fine,high\nfine,low\n" * (number // 2)
    check("different.csv", different)
    check("different.csv", different, kind="classification")
    check("numbers.csv", different.replace(b"label ", b""))
    check("long.csv", (b"fine," + b"x" * MB + b"\n") * 50)
    check("digits.csv", (b"fine," + b"9" * MB + b"\n") * 9)
    return bombs.end()


TRIALS = {
    "quotes": quotes,
    "lines": lines,
    "columns": columns,
    "JSON": values,
    "compressed": compressed,
    "Parquet": parquet,
    "no files": no_files,
    "bad rows": bad_rows,
}
