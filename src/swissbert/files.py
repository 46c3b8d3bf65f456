"""Atomic writing of files and folders, by one process at a time (see `swissbert.exclusive`), and checksums."""

import contextlib
import errno
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from swissbert.errors import SwissbertError
from swissbert.exclusive import (
    beside,
    discard_as,
    locked,
    make_folder,
    only_writer,
    real,
    sweep,
    sync,
    sync_folder,
    temporary,
    temporary_folder,
    writing,
)
from swissbert.paths import check_path

__all__ = [
    "locked",
    "make_folder",
    "need_free",
    "need_name",
    "only_writer",
    "recover",
    "remove_folder",
    "settle",
    "sweep",
    "sync_folder",
    "temporary_folder",
    "whole_bytes",
    "whole_file",
    "write_folder",
    "write_text",
    "writing",
]

PATIENCE = 10.0
"""Seconds that a short text waits for another process that writes the same file."""


def need_name(out: Path, example: str) -> None:
    """Check that the last part of a path is the name of a folder to create, not ``.``, ``..`` or empty.

    Args:
        out: The folder to create.
        example: A valid value, for the message.

    Raises:
        SwissbertError: If it has no name.
    """
    if out.name in ("", ".."):
        raise SwissbertError(
            f"out is '{out}', which is not the name of a folder to create; give one, for instance {example}",
            argument="out",
        )
    check_path(out, "out")


def need_free(out: Path, example: str) -> None:
    """Check that a folder can be created at `out`; an empty one may exist.

    Args:
        out: The folder to create.
        example: A valid value, for the message.

    Raises:
        SwissbertError: If `out` has no name of its own (as ``.``), or exists and is not an empty folder.
    """
    need_name(out, example)
    with writing(out):
        taken = out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir())))
    if taken:
        raise SwissbertError(f"{out}: already exists and is not an empty folder; choose another one")


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder atomically: into a new folder beside it, synced to disk, then renamed.

    A process that is killed leaves `path` as it was or complete, or, between the two renames of a replacement, as
    ``.NAME.old``, which `recover` renames back. A symbolic link is kept and its target replaced. The folder and the
    files in it keep the permissions of those that they replace.

    Args:
        path: The folder; one that exists is replaced.
        fill: Writes the contents into the folder that it is given.

    Raises:
        SwissbertError: If the folder cannot be written, or another process is writing it; what was there before is
            untouched.
    """
    target = real(path)
    with only_writer(path, creates_parents=True), writing(path):
        recover(target)
        new, old = temporary(target), beside(target, "old")
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        try:
            new.mkdir(mode=0o700 if target.exists() else 0o777)
            fill(new)
            settle(new, target)
            if target.exists():
                target.rename(old)
            new.rename(target)
            sync_folder(target.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            recover(target)
            raise
        recover(target)


def settle(folder: Path, before: Path) -> None:
    """Give a new folder and its files their permissions, and sync them to disk.

    Args:
        folder: The folder.
        before: The folder that it will replace, if there is one: its permissions and those of files of the same name are
            kept. Other files get those of the folder, without execution.
    """
    mode = stat.S_IMODE((before if before.is_dir() else folder).stat().st_mode) & 0o2777
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_file():
            earlier = before / path.relative_to(folder)
            kept = earlier.is_file() and not earlier.is_symlink()
            _set_mode(path, stat.S_IMODE(earlier.stat().st_mode) & 0o777 if kept else mode & 0o666)
            sync(path)
        else:
            sync_folder(path)
    _set_mode(folder, mode)
    sync_folder(folder)


def _set_mode(path: Path, mode: int) -> None:
    """Set permissions where they differ; file systems that have none of their own keep theirs."""
    if stat.S_IMODE(path.stat().st_mode) != mode:
        with contextlib.suppress(OSError):
            path.chmod(mode)


def recover(path: Path) -> None:
    """Undo an interrupted `write_folder`: restore the old folder, or remove it if the new one is in place."""
    target = real(path)
    old = beside(target, "old")
    if old.is_dir() and not old.is_symlink():
        with only_writer(path), writing(path):
            if target.exists():
                _remove(old, target)
            elif old.exists():  # another process may have done it meanwhile
                old.rename(target)


def remove_folder(path: Path) -> None:
    """Remove a folder, which is renamed first, so that no part of it is ever left under its name.

    Nothing is removed if that is not possible, or another process is writing there.
    """
    with contextlib.suppress(SwissbertError), only_writer(path):
        _remove(path, path)


def _remove(path: Path, written: Path) -> None:
    """Rename a folder to a temporary name of what is written, and remove it as far as possible."""
    with contextlib.suppress(OSError):
        discard_as(path, temporary(written))


@contextlib.contextmanager
def whole_file(path: Path, *, wait: float = 0.0) -> Iterator[TextIO]:
    """Open a text file that appears at `path` when the block ends without an error, and not at all otherwise.

    A symbolic link is kept and its target replaced. Pipes and devices are written directly.

    Args:
        path: The file.
        wait: Seconds to wait for another process that writes it.

    Raises:
        SwissbertError: If the file cannot be written, or another process is writing it.
    """
    with writing(path):
        is_other = path.exists() and not path.is_file()
    if is_other:
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
        except OSError as error:
            raise SwissbertError(f"{path}: cannot be written ({error.strerror or error})") from error
        return
    with whole_bytes(path, wait=wait) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            with contextlib.suppress(OSError, ValueError):
                text.detach()


@contextlib.contextmanager
def whole_bytes(path: Path, *, wait: float = 0.0) -> Iterator[BinaryIO]:
    """Open a binary file that is renamed to `path` when the block ends without an error, and removed otherwise.

    It has a name of its own until then, at which no link is followed. A symbolic link at `path` is kept and its target
    replaced; the new file has the permissions of the one that it replaces.

    Args:
        path: The file.
        wait: Seconds to wait for another process that writes it.

    Raises:
        SwissbertError: If the file cannot be written, or another process is writing it.
    """
    target = real(path)
    with only_writer(path, wait=wait), writing(path):
        new = temporary(target)
        try:
            with _create(new, target) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
            sync_folder(target.parent)
        finally:
            with contextlib.suppress(OSError):
                new.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a short text file atomically, after other processes that write it."""
    with whole_file(path, wait=PATIENCE) as file:
        file.write(text)


def _create(new: Path, target: Path) -> BinaryIO:
    """Create a file, with owner and permissions of the file at `target` if there is one."""
    before = target.stat() if target.is_file() else None

    def opened(name: str, flags: int) -> int:
        handle = os.open(name, flags | os.O_NOFOLLOW, 0o666 if before is None else 0o600)
        if before is not None:
            mode = stat.S_IMODE(before.st_mode) & 0o777
            try:
                os.fchown(handle, -1, before.st_gid)
            except OSError:
                mode &= 0o707  # the group is another one
            with contextlib.suppress(OSError):  # only root gives files away
                os.fchown(handle, before.st_uid, -1)
            with contextlib.suppress(OSError):
                os.fchmod(handle, mode)
        return handle

    return open(new, "xb", opener=opened)
