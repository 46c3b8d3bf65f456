"""Locks that belong to an open file, so that the operating system releases them however a process ends."""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from swissbert.errors import SwissbertError

HELD = (errno.EAGAIN, errno.EACCES)
"""Errors of a lock that is held elsewhere."""
UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""Errors of file systems without locks, where that the file exists is the lock."""
PAUSE = 0.002
"""Seconds between two attempts."""


class HeldError(Exception):
    """Another process, or another thread of this one, holds the lock."""


@contextlib.contextmanager
def hold(path: Path, wait: float = 0.0) -> Iterator[bool]:
    """Hold a lock on a file that is created for it, and removed again when the block ends.

    The file is removed while it is still locked, and whoever had opened it before looks, when the lock comes free,
    whether it is still the file of that name. So no two processes ever hold the lock of one name.

    Args:
        path: The file. A link at its name is not followed.
        wait: Seconds to wait for a lock that is held.

    Yields:
        Whether the file was there already and not locked, because the process that held it was killed.

    Raises:
        HeldError: If the lock is held for longer than `wait`.
        SwissbertError: If there is a link, a folder or a pipe at the name.
        OSError: If the file cannot be created.
    """
    process, end = os.getpid(), time.monotonic() + wait
    while (taken := _try(path)) is None:
        if time.monotonic() >= end:
            raise HeldError
        time.sleep(PAUSE)
    handle, was_left = taken
    try:
        yield was_left
    finally:
        if os.getpid() == process:  # a forked copy of the process must not remove it
            with contextlib.suppress(OSError):
                if _is_at(handle, path):
                    path.unlink()
        os.close(handle)


def _try(path: Path) -> tuple[int, bool] | None:
    """Return the locked file and whether it was there already; None if another process has the lock."""
    while True:
        handle, is_new = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNSUPPORTED and is_new:
                return handle, False
            os.close(handle)
            if error.errno in (*HELD, *UNSUPPORTED):
                return None
            raise
        if _is_at(handle, path):
            return handle, not is_new
        os.close(handle)  # another process has removed it meanwhile


def _open(path: Path) -> tuple[int, bool]:
    """Create a file, or open the regular one that is there; return it and whether it is new."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
            if not stat.S_ISREG(path.lstat().st_mode):
                raise SwissbertError(f"{path}: a link, a folder or a device is where a lock file belongs; remove it")
            try:
                return os.open(path, flags | os.O_RDWR), False
            except PermissionError:
                return os.open(path, flags | os.O_RDONLY), False  # of another user


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False
