"""One process writes a path at a time, under names of its own that nobody else can use."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from swissbert.errors import SwissbertError
from swissbert.files import (
    locked,
    only_writer,
    recover,
    remove_folder,
    temporary_folder,
    whole_bytes,
    whole_file,
    write_folder,
    write_text,
)
from swissbert.locks import HeldError, hold

LEFT = ".there.0123456789abcdef.new"
"""A temporary name of ``there``."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill(folder: Path) -> None:
    (folder / "a").write_text("new")


def elsewhere(action: Callable[[], object]) -> str:
    """Return the error of an action in another thread, which is as strange to a lock as another process; "" if none."""
    found = [""]

    def run() -> None:
        try:
            action()
        except SwissbertError as error:
            found[0] = str(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_second_writer_is_refused_before_it_writes(tmp_path: Path, is_folder: bool) -> None:
    path = tmp_path / "there"
    begun: list[str] = []

    def second() -> None:
        if is_folder:
            write_folder(path, lambda new: begun.append("folder"))
        else:
            with whole_file(path):
                begun.append("file")

    with only_writer(path):
        refusal = f"{path}: another process is writing here; wait for it to finish or choose another name"
        assert elsewhere(second).startswith(refusal)
        write_folder(path, fill) if is_folder else write_text(path, "new")
    assert begun == []
    assert (path / "a" if is_folder else path).read_text() == "new"
    assert names(tmp_path) == {"there"}
    assert elsewhere(second) == ""


def test_two_names_of_one_file_are_one_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with whole_file(tmp_path / "real" / "file"):
        assert "another process" in elsewhere(lambda: whole_file(tmp_path / "link" / "file").__enter__())


def _write_often(path: Path) -> None:
    for _ in range(100):
        write_text(path, f"{os.getpid()} " * 500)


def test_short_texts_wait_for_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_often, args=(tmp_path / "table.md",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(set((tmp_path / "table.md").read_text().split())) == 1
    assert names(tmp_path) == {"table.md"}


@pytest.mark.parametrize("ending", ["new", "writing", "old", "lock"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_link_at_a_name_beside_an_output_is_not_followed(tmp_path: Path, ending: str, is_folder: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".there.{ending}").symlink_to(victim)
    try:
        write_folder(tmp_path / "there", fill) if is_folder else write_text(tmp_path / "there", "new")
    except SwissbertError as error:
        assert f".there.{ending}" in str(error)  # noqa: PT017
    assert victim.read_text() == "precious"
    assert (tmp_path / f".there.{ending}").is_symlink()


@pytest.mark.parametrize("before", [0o600, 0o640, 0o644, 0o666])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, before: int) -> None:
    path = tmp_path / "there"
    path.write_text("old")
    path.chmod(before)
    with whole_bytes(path) as file:
        (new,) = tmp_path.glob(".there.*.new")
        assert mode(new) == before  # from the beginning
        file.write(b"new")
    assert (path.read_text(), mode(path)) == ("new", before)


def test_a_folder_that_is_replaced_keeps_its_permissions_and_those_of_its_files(tmp_path: Path) -> None:
    path = tmp_path / "there"
    write_folder(path, fill)
    path.chmod(0o700)
    (path / "a").chmod(0o640)

    def fill_more(new: Path) -> None:
        assert mode(new) == 0o700
        fill(new)
        (new / "b").write_text("b")

    write_folder(path, fill_more)
    assert [mode(one) for one in (path, path / "a", path / "b")] == [0o700, 0o640, 0o600]


def test_a_link_to_a_folder_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    write_folder(tmp_path / "real", lambda new: (new / "old").touch())
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link", fill)
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == {"a"}
    assert names(tmp_path) == {"real", "link"}


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    with pytest.raises(SwissbertError, match="Not a directory"):
        write_folder(tmp_path / "there", fill)
    assert (tmp_path / "there").read_text() == "old"
    assert names(tmp_path) == {"there"}


def test_what_a_killed_writer_left_is_removed_by_the_next_one_and_nothing_else(tmp_path: Path) -> None:
    others = {".there.txt.0123456789abcdef.new", ".there.new", ".there.0123.new", ".here.0123456789abcdef.new"}
    for name in others:
        (tmp_path / name).touch()
    for is_folder in (False, True):
        (tmp_path / LEFT).mkdir()
        (tmp_path / LEFT / "half").touch()
        (tmp_path / ".there.writing").touch()
        path = tmp_path / "there"
        write_folder(path, fill) if is_folder else write_text(path, "new")
        assert names(tmp_path) == {"there", *others}
        remove_folder(path) if is_folder else path.unlink()


def test_what_killed_processes_left_in_a_folder_is_removed_unless_it_is_being_written(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    for name in (LEFT, ".there.writing", ".gone.writing", "kept"):
        (tmp_path / name).touch()
    with whole_file(tmp_path / "alive"):
        alive = {name for name in names(tmp_path) if name.startswith(".alive")}
        with locked(tmp_path):
            assert names(tmp_path) == {".lock", "kept", *alive}
    assert names(tmp_path) == {"kept", "alive"}


def test_a_folder_that_is_removed_loses_its_name_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "step-4", fill)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(tmp_path / "step-4")
    assert not (tmp_path / "step-4").exists()
    recover(tmp_path / "step-4")
    assert not (tmp_path / "step-4").exists()


def test_a_lock_is_not_held_on_a_file_that_was_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock = tmp_path / ".lock", fcntl.flock
    turns = []

    def slow(handle: int, flags: int) -> None:
        turns.append(handle)
        if len(turns) == 1:  # between opening and locking, the holder removes the file, and another process makes it
            path.unlink()
            path.touch()
        flock(handle, flags)

    monkeypatch.setattr(fcntl, "flock", slow)
    with hold(path):
        assert len(turns) == 2
        assert os.path.samestat(os.fstat(turns[1]), path.stat())
        with pytest.raises(HeldError), hold(path):
            pass
    assert names(tmp_path) == set()


def test_without_locks_the_file_is_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(handle: int, flags: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", missing)
    with (
        locked(tmp_path / "folder"),
        pytest.raises(SwissbertError, match="another process"),
        locked(tmp_path / "folder"),
    ):
        pass
    with locked(tmp_path / "folder"):
        pass


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127])
def test_names_as_long_as_they_may_be_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "new")
    assert names(tmp_path) == {name}


def test_a_temporary_folder_is_private_and_those_of_dead_processes_are_removed(tmp_path: Path) -> None:
    for name in ("swissbert-0123456789abcdef", "swissbert-mine", "else-0123456789abcdef"):
        (tmp_path / name).mkdir()
    (tmp_path / ".swissbert-fedcba9876543210.writing").touch()
    before = os.umask(0)
    try:
        with temporary_folder(tmp_path, "swissbert-") as one, temporary_folder(tmp_path, "swissbert-") as other:
            assert one.is_dir()  # that of a living process stays
            assert mode(one) == mode(other) == 0o700
            assert "swissbert-0123456789abcdef" not in names(tmp_path)
    finally:
        os.umask(before)
    assert names(tmp_path) == {"swissbert-mine", "else-0123456789abcdef"}
