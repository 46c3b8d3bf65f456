"""One writer at a time: locks beside what is written and in folders, and removal of what killed processes have left.

While ``NAME`` is written, ``.NAME.writing`` beside it is locked and ``.NAME.TOKEN.new`` holds what is written, TOKEN being
random. A process that is killed leaves both, and the next one that writes ``NAME`` removes them.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.locks import HeldError, hold

LONGEST_NAME = 200
"""Bytes of a name beyond which a checksum stands for it in the names beside it, which may have 255 bytes."""
UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF, errno.ENOSYS, errno.EPERM)
"""Errors of folders that cannot be synced, because of their file system or because they cannot be read."""
TOKEN = r"[0-9a-f]{16}"
LEFT = re.compile(rf"\.(?P<stem>.+)\.(?:{TOKEN}\.new|writing)")
"""Names beside a file or folder that is written."""

_MINE: ContextVar[frozenset[Path]] = ContextVar("_MINE", default=frozenset())
"""Lock files of `only_writer` that this thread holds."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors while writing `path` into a `SwissbertError`. The block must leave what was there before untouched."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SwissbertError(
            f"{path}: cannot be written ({reason}); nothing was left half-written, and what was there before is untouched"
        ) from error


@contextlib.contextmanager
def only_writer(path: Path, *, creates_parents: bool = False, wait: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing a file or folder until the block ends; remove what a killed one left beside it.

    All writers below hold this lock while they write. A command that takes long takes it first, so that a second one on
    the same output is refused before it begins to work. Pipes and devices are not locked.

    Args:
        path: The file or folder, which need not exist.
        creates_parents: Whether the folders above it are created; those that stay empty are removed again.
        wait: Seconds to wait for another process.

    Raises:
        SwissbertError: If another process, or another thread, writes it, or its folder cannot be written.
    """
    target = real(path)
    lock = beside(target, "writing")
    if _is_stream(path) or lock in _MINE.get() or not target.name:
        yield
        return
    with contextlib.ExitStack() as stack:
        with writing(path):
            try:
                if _take(stack, lock, creates_parents, wait):
                    _remove_left(target.parent, _stem(target))
            except HeldError as error:
                raise SwissbertError(
                    f"{path}: another process is writing here; wait for it to finish or choose another name (lock: {lock})"
                ) from error
        _MINE.set(_MINE.get() | {lock})
        stack.callback(lambda: _MINE.set(_MINE.get() - {lock}))
        yield


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, creating it if necessary; remove what a killed process left in it.

    The lock is that of the file ``.lock`` in it, which is removed at the end. So are folders that were created here and
    in which nothing was written.

    Raises:
        SwissbertError: If the folder cannot be written, or is locked already, by this process or another one.
    """
    with contextlib.ExitStack() as stack:
        with writing(folder):
            try:
                if _take(stack, folder / ".lock", True, 0.0):
                    sweep(folder)
            except HeldError as error:
                raise SwissbertError(
                    f"{folder}: another process is writing here; wait for it to finish or choose another folder (lock: "
                    f"{folder / '.lock'})"
                ) from error
        yield


@contextlib.contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that only its owner can read and that is removed when the block ends.

    Folders of the same prefix that killed processes of this user have left are removed first.

    Args:
        parent: Where.
        prefix: Beginning of its name; a random part follows.

    Raises:
        OSError: If it cannot be made.
    """
    names = re.compile(rf"\.?(?P<name>{re.escape(prefix)}{TOKEN})(?:\.writing)?")
    with contextlib.suppress(OSError):
        for name in {
            match["name"] for path in parent.iterdir() if (match := names.fullmatch(path.name)) and is_own(path)
        }:
            with contextlib.suppress(OSError, HeldError, SwissbertError), hold(beside(parent / name, "writing")):
                discard(parent / name)
    path = parent / f"{prefix}{os.urandom(8).hex()}"
    with hold(beside(path, "writing")):
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            discard(path)


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and those above it, synced to disk; return those that were missing, the innermost first."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(folder.stat().st_mode):  # asked once, as another process may remove it meanwhile
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)
    return missing


def sweep(folder: Path) -> None:
    """Remove what killed processes left beside the files and folders that they wrote in a folder."""
    for stem in {match["stem"] for path in folder.iterdir() if (match := LEFT.fullmatch(path.name))}:
        with contextlib.suppress(HeldError, OSError, SwissbertError), hold(folder / f".{stem}.writing"):
            _remove_left(folder, stem)


def real(path: Path) -> Path:
    """Return a path without symbolic links; its last parts need not exist.

    Raises:
        SwissbertError: If it is relative and the current folder has been removed.
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        raise SwissbertError(f"{path}: the current folder does not exist any more; change to another one") from error


def _stem(path: Path) -> str:
    name = os.fsencode(path.name)
    return path.name if len(name) <= LONGEST_NAME else hashlib.sha256(name).hexdigest()


def beside(path: Path, ending: str) -> Path:
    """Return the path of ``.NAME.ending`` beside a path."""
    return path.parent / f".{_stem(path)}.{ending}"


def temporary(path: Path) -> Path:
    """Return a name that nothing has, beside a path."""
    return beside(path, f"{os.urandom(8).hex()}.new")


def discard(path: Path) -> None:
    """Remove a folder, a file or a link, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def discard_as(path: Path, gone: Path) -> None:
    """Rename a folder, so that no part of it is ever left under its name, and remove it as far as possible.

    Args:
        path: The folder.
        gone: A name that nothing has, which tells other processes that what is left can be removed.

    Raises:
        OSError: If it cannot be renamed; nothing is removed then.
    """
    path.rename(gone)
    discard(gone)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, where it can be read and its file system can do that."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


def sync(path: Path) -> None:
    """Sync a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take(stack: contextlib.ExitStack, lock: Path, creates_folder: bool, wait: float) -> bool:
    """Hold a lock until `stack` is left, and return whether a killed process has left it.

    Folders are created again if another process, which had made them too, removes them meanwhile.
    """
    made: list[Path] = []
    stack.callback(_remove_empty, made)
    for _ in range(999 if creates_folder else 0):
        # mkdir raises FileExistsError if the folder is removed between its attempt and its question whether it is one
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            made += make_folder(lock.parent)
            return stack.enter_context(hold(lock, wait))
    if creates_folder:  # such as a folder in /proc, or a link to nothing, which can never be created
        made += make_folder(lock.parent)
    return stack.enter_context(hold(lock, wait))


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):  # something was written there
        for folder in folders:
            folder.rmdir()


def _remove_left(folder: Path, stem: str) -> None:
    """Remove what a killed process wrote for a name; the caller holds its lock."""
    names = re.compile(rf"\.{re.escape(stem)}\.{TOKEN}\.new")
    for path in folder.iterdir():
        if names.fullmatch(path.name):
            discard(path)


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def is_own(path: Path) -> bool:
    """Return whether a file or folder belongs to the user of this process."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False
