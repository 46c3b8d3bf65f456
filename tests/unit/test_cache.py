"""The token cache: the same data as without it, never stale or incomplete, safe among processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swissbert.checksums import sealed
from swissbert.config import load_config
from swissbert.data import cache, cache_entries
from swissbert.data.cache import cached_split
from swissbert.data.cache_entries import cache_folder
from swissbert.data.dataset import TaskData, load_split
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.kinds import Label
from swissbert.kinds.binary import Binary
from swissbert.tasks import Task, make_task
from swissbert.training.preparation import prepare

ROWS = ["the film was good\t1", "\t0", "a very dull plot\t0", "the man plays guitar\t9", "no\t1", "a fine film\t0"]
READ: dict[str, Any] = {"separate": False, "max_length": 32}


def declare(**changes: Any) -> Task:
    return make_task(
        {
            "name": "mine",
            "kind": "classification",
            "labels": ["0", "1"],
            "loss": "cross_entropy",
            "metric": "accuracy",
            "columns": {"text": "text", "label": "label"},
            "files": {"train": "rows.tsv", "dev": "dev.tsv"},
            **changes,
        },
        "test",
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.tsv").write_text("text\tlabel\n" + "\n".join(ROWS) + "\n")
    return tmp_path / "data"


@pytest.fixture
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(tiny)


def same(a: TaskData, b: TaskData) -> bool:
    arrays = [(a.table.ids, b.table.ids), (a.table.first, b.table.first), (a.table.offsets, b.table.offsets)]
    arrays.append((a.labels, b.labels))
    return (
        all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") and x.dtype == y.dtype for x, y in arrays)
        and (a.task, a.source, a.bad, a.table.per_row) == (b.task, b.source, b.bad, b.table.per_row)
        and a.fingerprint() == b.fingerprint()
    )


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("separate", [False, True])
def test_cached_data_equal_loaded_data_every_time(data: Path, tokenizer: Tokenizer, separate: bool) -> None:
    pairs = declare(columns={"text": "text", "text_pair": "other", "label": "label"})
    rows = [f"{row.split(chr(9))[0]}\tthe dog runs\t{row.split(chr(9))[1]}" for row in ROWS]
    (data / "rows.tsv").write_text("text\tother\tlabel\n" + "\n".join(rows) + "\n")
    options: dict[str, Any] = {"separate": separate, "max_length": 8}
    plain = load_split(pairs, "train", data, tokenizer, **options)
    for _ in range(3):
        assert same(cached_split(pairs, "train", data, tokenizer, **options), plain)
    assert len(plain) == 4
    assert len(plain.bad) == 2


def test_several_chunks_make_one_table(data: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_split(declare(), "train", data, tokenizer, **READ)
    monkeypatch.setattr("swissbert.data.dataset.CHUNK", 3)
    assert same(load_split(declare(), "train", data, tokenizer, **READ), whole)
    assert same(cached_split(declare(), "train", data, tokenizer, **READ), whole)


def test_cached_data_are_mapped_and_no_text_is_read(
    data: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_split(declare(), "train", data, tokenizer, **READ)
    monkeypatch.setattr(cache, "tokenizing", None)
    monkeypatch.setattr(Tokenizer, "encode", None)
    result = cached_split(declare(), "train", data, tokenizer, **READ)
    for array in (result.table.ids, result.table.first, result.table.offsets, result.labels):
        assert isinstance(array.base, np.memmap)


def test_everything_that_decides_the_data_makes_another_entry(
    data: Path, tokenizer: Tokenizer, tiny: Path, folder: Path
) -> None:
    def check(task: Task, by: Tokenizer, **options: Any) -> None:
        before = len(entries(folder)) if folder.exists() else 0
        result = cached_split(task, "train", data, by, **options)
        assert same(result, load_split(task, "train", data, by, **options)), "stale"
        assert len(entries(folder)) == before + 1

    check(declare(), tokenizer, **READ)
    check(declare(), tokenizer, separate=False, max_length=8)
    check(declare(), tokenizer, separate=True, max_length=32)
    check(declare(), tokenizer, **READ, limit=2)
    check(declare(labels=["1", "0"]), tokenizer, **READ)
    check(declare(holdout=0.5, files={"train": "rows.tsv"}), tokenizer, **READ)
    other = Path(shutil.copytree(tiny, data / "other"))
    words = (other / "vocab.txt").read_text().split("\n")
    at, to = words.index("film"), words.index("dog")
    words[at], words[to] = words[to], words[at]
    (other / "vocab.txt").write_text("\n".join(words))
    (other / "tokenizer.json").unlink(missing_ok=True)
    check(declare(), Tokenizer(other), **READ)
    text = (data / "rows.tsv").read_text()
    stamp = (data / "rows.tsv").stat()
    (data / "rows.tsv").write_text(text.replace("good", "dull"))
    os.utime(data / "rows.tsv", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # same size, same time
    check(declare(), tokenizer, **READ)


def test_bad_rows_are_refused_whether_read_or_cached(data: Path, tokenizer: Tokenizer, folder: Path) -> None:
    with pytest.raises(SwissbertError, match=r"^rows\.tsv:3: column 'text' is empty \(data\.bad_rows is 'refuse'"):
        cached_split(declare(), "train", data, tokenizer, **READ, refuse=True)
    assert entries(folder) == []
    cached_split(declare(), "train", data, tokenizer, **READ)
    with pytest.raises(SwissbertError, match=r"^rows\.tsv:3: column 'text' is empty \(data\.bad_rows is 'refuse'"):
        cached_split(declare(), "train", data, tokenizer, **READ, refuse=True)


@pytest.mark.parametrize("damage", ["short", "gone", "json", "about", "bad", "labels", "ids", "offsets", "digest"])
def test_a_damaged_entry_is_rebuilt(data: Path, tokenizer: Tokenizer, folder: Path, damage: str) -> None:
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    cached_split(declare(), "train", data, tokenizer, **READ)
    (entry,) = entries(folder)
    if damage == "short":
        (entry / "ids.bin").write_bytes((entry / "ids.bin").read_bytes()[:-4])
    elif damage == "gone":
        (entry / "labels.bin").unlink()
    elif damage in ("labels", "ids", "offsets"):  # of the same size
        array = np.fromfile(entry / f"{damage}.bin", cache.ARRAYS[damage])
        array[::-1].tofile(entry / f"{damage}.bin")
    elif damage == "digest":
        about = json.loads((entry / "about.json").read_text())
        (entry / "about.json").write_text(json.dumps({**about, "rows_digest": "0" * 64}))
    elif damage == "json":
        (entry / "about.json").write_text("{")
    elif damage == "about":
        (entry / "about.json").unlink()
    else:
        about = json.loads((entry / "about.json").read_text())
        (entry / "about.json").write_text(json.dumps({**about, "bad": [{"line": 3}]}))
    assert same(cached_split(declare(), "train", data, tokenizer, **READ), plain)
    (again,) = entries(folder)
    assert again == entry
    assert sorted(path.name for path in again.iterdir()) == sorted(["about.json", *(f"{n}.bin" for n in cache.ARRAYS)])


def test_a_file_that_changes_while_it_is_read_is_not_cached(
    data: Path, tokenizer: Tokenizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cache._write

    def change(entry: Path, parts: Any) -> None:
        write(entry, parts)
        (data / "rows.tsv").write_text("text\tlabel\nthe dog sleeps\t1\n")

    monkeypatch.setattr(cache, "_write", change)
    result = cached_split(declare(), "train", data, tokenizer, **READ)
    assert len(result) == 1
    assert entries(folder) == []


def test_without_a_writable_folder_data_are_loaded(
    data: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "file" / "cache"))
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    assert same(cached_split(declare(), "train", data, tokenizer, **READ), plain)


def test_the_default_folder_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SWISSBERT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "swissbert/tokens"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert cache_folder() == tmp_path / "me/.cache/swissbert/tokens"


def test_entries_that_were_not_used_for_long_are_deleted(data: Path, tokenizer: Tokenizer, folder: Path) -> None:
    cached_split(declare(), "train", data, tokenizer, **READ)
    (old,) = entries(folder)
    cached_split(declare(), "train", data, tokenizer, separate=False, max_length=8)
    long_ago = time.time() - cache_entries.KEPT - 60
    for entry in entries(folder):
        os.utime(entry / "about.json", (long_ago, long_ago))
    cached_split(declare(), "train", data, tokenizer, **READ)  # used again
    (folder / "unrelated").mkdir()
    os.utime(folder / "unrelated", (long_ago, long_ago))
    (folder / ".new-killed").mkdir()
    os.utime(folder / ".new-killed", (long_ago, long_ago))
    cached_split(declare(), "train", data, tokenizer, separate=False, max_length=9)
    assert len(entries(folder)) == 3
    assert old in entries(folder)
    assert folder / "unrelated" in entries(folder)


def test_the_cache_can_be_switched_off(folder: Path, tiny: Path) -> None:
    def start(cache: bool) -> dict[str, str]:
        words = [f"encoder.name={tiny}", "encoder.max_length=32", f"data.cache={str(cache).lower()}"]
        return prepare(load_config("minilm", words, "starter"), Display(quiet=True)).fingerprints()

    without = start(False)
    assert not folder.exists()
    assert start(True) == without
    assert len(entries(folder)) == 6


def test_the_key_depends_on_versions_and_not_on_source_files(
    data: Path, tokenizer: Tokenizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key() -> str:
        return cache._key(data, declare(), "train", tokenizer, {"separate": False, "max_length": 32})

    first = key()
    monkeypatch.setattr("pathlib.Path.read_bytes", None)  # nothing but the data file is read, in a stream
    assert key() == first
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert key() != first
    monkeypatch.undo()
    for library in ("tokenizers", "pyarrow"):
        monkeypatch.setattr(cache, "version", lambda name, library=library: "0" if name == library else version(name))
        assert key() != first
        monkeypatch.undo()


def test_data_of_a_kind_from_outside_are_not_cached(data: Path, tokenizer: Tokenizer, folder: Path) -> None:
    class Reversed(Binary):
        def parse(self, task: Task, cell: object) -> Label:
            label = super().parse(task, cell)
            return label if isinstance(label, tuple) else 1.0 - label

    task = declare(kind=Reversed(), loss="binary_cross_entropy")
    plain = declare(kind="binary", loss="binary_cross_entropy")
    labels = cached_split(plain, "train", data, tokenizer, **READ).labels
    assert len(entries(folder)) == 1
    assert cached_split(task, "train", data, tokenizer, **READ).labels.tolist() == (1 - labels).tolist()
    assert len(entries(folder)) == 1


PROGRAM = """
import sys, time
from pathlib import Path
from swissbert.data import cache
from swissbert.data.tokens import Tokenizer
from swissbert.tasks import make_task
task = make_task({"name": "mine", "kind": "classification", "labels": ["0", "1"], "loss": "cross_entropy",
                  "metric": "accuracy", "columns": {"text": "text", "label": "label"},
                  "files": {"train": "rows.tsv", "dev": "dev.tsv"}}, "test")
write = cache._write
def slowly(entry, parts):
    write(entry, parts)
    print("written", flush=True)
    time.sleep(float(sys.argv[3]))
cache._write = slowly
result = cache.cached_split(task, "train", Path(sys.argv[1]), Tokenizer(Path(sys.argv[2])), separate=False, max_length=32)
print(result.fingerprint(), len(result), flush=True)
"""


def start(data: Path, tiny: Path, seconds: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(data), str(tiny), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_may_build_the_same_entry(data: Path, tiny: Path, tokenizer: Tokenizer, folder: Path) -> None:
    processes = [start(data, tiny, 0.5) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    assert outputs == [f"{plain.fingerprint()} 4"] * 2
    assert len(entries(folder)) == 1


def test_a_killed_process_leaves_no_entry(data: Path, tiny: Path, tokenizer: Tokenizer, folder: Path) -> None:
    with start(data, tiny, 60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert {path.name.lstrip(".")[:4] for path in entries(folder)} == {"new-"}
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    assert same(cached_split(declare(), "train", data, tokenizer, **READ), plain)
    (entry,) = entries(folder)  # what the killed process left is gone
    assert len(entry.name) == 64


@pytest.mark.parametrize("case", ["long", "file", "link to itself", "not there and closed", "another user's"])
def test_a_cache_that_cannot_be_used_is_done_without_and_said(
    data: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    place = tmp_path / ("x" * 300 if case == "long" else "place")
    if case == "file":
        place.write_text("")
    elif case == "link to itself":
        place.symlink_to("place")
    elif case == "not there and closed":
        place = Path("/proc/nowhere/tokens")
    monkeypatch.setenv("SWISSBERT_CACHE", str(place))
    if case == "another user's":
        cached_split(declare(), "train", data, tokenizer, **READ)
        monkeypatch.setattr(cache_entries, "is_own", lambda path: False)
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    result = cached_split(declare(), "train", data, tokenizer, **READ)
    assert same(result, plain)
    (note,) = [note for note in result.source_notes if note not in plain.source_notes]
    assert note.startswith(f"tokens are not kept: the cache {place} cannot be used (")


def test_only_its_owner_can_read_the_cache(data: Path, tokenizer: Tokenizer, folder: Path) -> None:
    def readable() -> list[Path]:
        return [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]

    before = os.umask(0o022)
    try:
        cached_split(declare(), "train", data, tokenizer, **READ)
        assert readable() == []
        for path in (folder, *folder.rglob("*")):  # as earlier versions left it
            path.chmod(0o755 if path.is_dir() else 0o644)
        cached_split(declare(), "train", data, tokenizer, **READ)
        assert readable() == []
        folder.chmod(0o755)
        (folder / "of others").touch()
        cached_split(declare(), "train", data, tokenizer, separate=False, max_length=8)
        assert {path.name for path in readable()} == {folder.name, "of others"}
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("offsets", lambda array: array[::-1]),
        ("offsets", lambda array: array + 2**40),
        ("offsets", lambda array: array[:-2]),
        ("ids", lambda array: array - 10**6),
        ("ids", lambda array: array + 10**6),
        ("first", lambda array: array[:-1]),
        ("keys", lambda array: array[:-1]),
        ("labels", lambda array: array[:-1]),
        ("weights", lambda array: np.ones(1)),
    ],
)
def test_an_entry_with_correct_checksums_and_impossible_numbers_is_rebuilt(
    data: Path, tokenizer: Tokenizer, folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    plain = load_split(declare(), "train", data, tokenizer, **READ)
    cached_split(declare(), "train", data, tokenizer, **READ)
    (entry,) = entries(folder)
    array = np.fromfile(entry / f"{name}.bin", cache.ARRAYS[name])
    np.ascontiguousarray(change(array)).astype(cache.ARRAYS[name]).tofile(entry / f"{name}.bin")
    about = json.loads((entry / "about.json").read_text())
    about["bytes"] = {name: (entry / f"{name}.bin").stat().st_size for name in cache.ARRAYS}
    (entry / "about.json").write_text(json.dumps(sealed(about, "about.json", entry.glob("*.bin"))))
    assert same(cached_split(declare(), "train", data, tokenizer, **READ), plain)
