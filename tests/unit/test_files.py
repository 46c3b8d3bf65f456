"""Atomic files and folders, tested by killing the process that writes them."""

import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from swissbert.errors import SwissbertError
from swissbert.files import locked, make_folder, recover, whole_file, write_folder, write_text

SENTENCE = "nothing was left half-written, and what was there before is untouched"

# Replaces a path with a folder of two files, or with one file, of `size` words; may kill itself or hit a size limit.
WRITER = """
import os, re, resource, signal, sys
from pathlib import Path
from swissbert.errors import SwissbertError
from swissbert.files import whole_file, write_folder, write_text

kind, path, event, pattern, size, limit = sys.argv[1:]
def hook(name, arguments):
    if name == event and re.search(pattern, " ".join(map(str, arguments))):
        os.kill(os.getpid(), signal.SIGKILL)
def fill(folder):
    for name in "ab":
        (folder / name).write_text("new" * int(size))
        if event == name:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    if kind == "folder":
        write_folder(Path(path), fill)
    elif kind == "text":
        write_text(Path(path), "new" * int(size))
    else:
        with whole_file(Path(path)) as file:
            for _ in range(int(size)):
                file.write("new")
except SwissbertError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


def writer(
    kind: str, path: Path, *, event: str = "none", pattern: str = "", size: int = 1, limit: int = 0
) -> "subprocess.CompletedProcess[str]":
    arguments = [kind, str(path), event, pattern, str(size), str(limit)]
    return subprocess.run([sys.executable, "-c", WRITER, *arguments], capture_output=True, text=True, check=False)


def fill_with(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for name in "ab":
            (folder / name).write_text(text)

    return fill


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


OLD, NEW = {"a": "old", "b": "old"}, {"a": "new", "b": "new"}


@pytest.mark.parametrize(
    ("event", "pattern", "expected"),
    [
        pytest.param("a", "", OLD, id="after the first of two files"),
        pytest.param("b", "", OLD, id="before anything is synced"),
        pytest.param("open", r"\.there\.\w+\.new/b", OLD, id="while it is synced"),
        pytest.param("os.rename", r"\.there\.old", OLD, id="before the old one is moved aside"),
        pytest.param("os.rename", r"\.there\.\w+\.new \S+/there ", OLD, id="between the two renames"),
        pytest.param("os.rename", r"\.there\.old \S+\.new", NEW, id="before the old one is removed"),
        pytest.param("os.rmdir", r"\.there\.\w+\.new", NEW, id="while the old one is removed"),
    ],
)
def test_killing_a_process_that_replaces_a_folder_leaves_the_old_or_the_new_one(
    tmp_path: Path, event: str, pattern: str, expected: dict[str, str]
) -> None:
    path = tmp_path / "there"
    write_folder(path, fill_with("old"))
    dead = writer("folder", path, event=event, pattern=pattern)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    recover(path)
    assert content(path) == expected
    assert ".there.old" not in names(tmp_path)
    write_folder(path, fill_with("newest"))  # leftovers do not get in the way
    assert content(path) == {"a": "newest", "b": "newest"}
    assert names(tmp_path) == {"there"}


def test_killing_a_process_that_writes_a_new_folder_leaves_none(tmp_path: Path) -> None:
    assert writer("folder", tmp_path / "there", event="b").returncode == -signal.SIGKILL
    new, lock = sorted(names(tmp_path))
    assert re.fullmatch(r"\.there\.[0-9a-f]{16}\.new", new)
    assert lock == ".there.writing"
    recover(tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("kind", ["text", "whole"])
def test_killing_a_process_that_replaces_a_file_leaves_the_old_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there.txt"
    write_text(path, "old")
    dead = writer(kind, path, event="os.rename", pattern=r"\.new")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert path.read_text() == "old"
    write_text(path, "newest")
    assert path.read_text() == "newest"
    assert names(tmp_path) == {"there.txt"}


@pytest.mark.parametrize("kind", ["folder", "text", "whole"])
def test_a_file_size_limit_is_reported_and_changes_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there"
    if kind == "folder":
        write_folder(path, fill_with("old"))
    else:
        write_text(path, "old")
    failed = writer(kind, path, size=100_000, limit=50_000)
    assert failed.returncode == 2, failed.stderr
    assert failed.stderr == f"{path}: cannot be written (File too large); {SENTENCE}\n"
    assert (content(path) if kind == "folder" else path.read_text()) == (OLD if kind == "folder" else "old")
    assert names(tmp_path) == {"there"}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB; skips the test if none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root and mount")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted ({made.stderr.decode().strip()})")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_reported_and_changes_nothing(full_disk: Path) -> None:
    folder, file = full_disk / "folder", full_disk / "file"
    write_folder(folder, fill_with("old"))
    write_text(file, "old")

    def write_lines(path: Path) -> None:
        with whole_file(path) as out:
            for _ in range(100_000):
                out.write("new")

    def fill(new: Path) -> None:
        save_file({"large": torch.zeros(100_000)}, new / "large.safetensors")

    with pytest.raises(SwissbertError, match=rf"folder: cannot be written \(.*No space left on device.*\); {SENTENCE}"):
        write_folder(folder, fill)
    with pytest.raises(SwissbertError, match=rf"file: cannot be written \(No space left on device\); {SENTENCE}"):
        write_text(file, "new" * 100_000)
    with pytest.raises(SwissbertError, match=r"file: cannot be written \(No space left on device\)"):
        write_lines(file)
    assert content(folder) == OLD
    assert file.read_text() == "old"
    assert names(full_disk) == {"folder", "file"}


def test_an_unwritable_place_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "below"
    sentence = rf"^{path}: cannot be written \(Not a directory\); {SENTENCE}$"
    with pytest.raises(SwissbertError, match=sentence):
        write_folder(path, fill_with("new"))
    with pytest.raises(SwissbertError, match=sentence):
        write_text(path, "new")
    with pytest.raises(SwissbertError, match=sentence), locked(path):
        pass
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_that_can_never_be_created_is_not_said_to_be_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # as Linux says of a folder in /proc

    monkeypatch.setattr(Path, "mkdir", refused)
    with (
        pytest.raises(SwissbertError, match=r"^/nowhere/x: cannot be written \(No such file or directory\); "),
        locked(Path("/nowhere/x")),
    ):
        pass


@pytest.mark.parametrize("question", ["exists", "stat"])
def test_a_folder_that_another_process_removes_meanwhile_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    ask = getattr(Path, question)

    def removed_after(path: Path, *arguments: object, **options: object) -> object:
        answer = ask(path, *arguments, **options)
        if path == folder:
            monkeypatch.undo()
            folder.rmdir()
        return answer

    monkeypatch.setattr(Path, question, removed_after)
    make_folder(folder)
    assert folder.is_dir()


def test_a_folder_that_another_process_removes_while_it_is_created_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    ask = Path.is_dir

    def removed_before(path: Path) -> bool:
        if path == folder:
            monkeypatch.undo()
            folder.rmdir()
        return ask(path)

    monkeypatch.setattr(Path, "is_dir", removed_before)
    with locked(folder):
        assert (folder / ".lock").is_file()
    assert not folder.exists()


def test_an_error_while_filling_reaches_the_caller_and_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "there"
    write_folder(path, fill_with("old"))

    def fill(folder: Path) -> None:
        (folder / "a").write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(path, fill)
    assert content(path) == OLD
    assert names(tmp_path) == {"there"}


def test_an_error_while_writing_a_file_reaches_the_caller_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "there"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(f"{1 // len(file.name[:0])}")
    assert path.read_text() == "old"
    assert names(tmp_path) == {"there"}


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    with whole_file(tmp_path / "there") as file:
        file.write("é\n\r\n")
        file.flush()
        assert not (tmp_path / "there").exists()
    assert (tmp_path / "there").read_bytes() == "é\n\r\n".encode()


def test_file_permissions_follow_the_umask(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "inner").mkdir()
        save_file({"x": torch.zeros(1)}, folder / "inner" / "x.safetensors")
        (folder / "text").write_text("x")

    for mask in (0o022, 0o077):
        there = tmp_path / f"there-{mask:o}"
        before = os.umask(mask)
        try:
            write_folder(there, fill)
            write_text(there / "more", "x")
        finally:
            os.umask(before)
        for path in there.rglob("*"):
            expected = (0o777 if path.is_dir() else 0o666) & ~mask
            assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_recover_changes_nothing_without_an_interruption(tmp_path: Path) -> None:
    write_folder(tmp_path / "there", fill_with("old"))
    recover(tmp_path / "there")
    recover(tmp_path / "elsewhere")
    assert content(tmp_path / "there") == OLD
    assert names(tmp_path) == {"there"}


def test_a_lock_is_exclusive_and_ends_with_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    code = f"""
import time
from pathlib import Path
from swissbert.files import locked
with locked(Path({str(folder)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(SwissbertError, match="folder: another process is writing here; wait for it to finish or"),
            locked(folder),
        ):
            pass
        process.kill()
    with locked(folder), pytest.raises(SwissbertError, match="another process"), locked(folder):
        pass
    with locked(folder):
        assert names(folder) == {".lock"}
    with locked(folder):
        (folder / "kept").touch()
    assert "kept" in names(folder)


def test_a_symbolic_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    real, link, dangling = tmp_path / "real", tmp_path / "link", tmp_path / "dangling"
    real.write_text("old")
    link.symlink_to("real")
    dangling.symlink_to("made")
    with whole_file(link) as file:
        file.write("new")
        assert real.read_text() == "old"
    for path in (link, dangling):
        write_text(path, "new")
        assert path.is_symlink()
    assert real.read_text() == (tmp_path / "made").read_text() == "new"
    assert names(tmp_path) == {"real", "link", "dangling", "made"}


def test_pipes_and_devices_are_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    write_text(pipe, "new")
    assert reader.communicate(timeout=30)[0] == "new"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    write_text(null, "new")
    assert null.is_symlink()
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(SwissbertError, match=rf"^{full}: cannot be written \(No space left on device\)$"):
        write_text(full, "new")
    assert names(tmp_path) == {"pipe", "null", "full"}


@pytest.mark.parametrize("name", [".", "..", "/", "folder"])
def test_a_folder_cannot_be_written_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SwissbertError, match=r"cannot be written \(Is a directory\)$"), whole_file(Path(name)):
        raise AssertionError("the block must not begin")
    assert names(tmp_path) == {"folder"}
