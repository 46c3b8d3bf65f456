"""The journal of a sweep, an ordinary Optuna journal: how it is opened and written, and what Optuna logs."""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped
from swissbert.files import writing


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Let Optuna log nothing but warnings in the block."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class _Journal(JournalFileBackend):
    """A file of entries, of which each is written whole or not at all, also on a full disk.

    Args:
        path: The file.
        lock: Its lock.
    """

    def __init__(self, path: Path, lock: JournalFileOpenLock) -> None:
        super().__init__(os.path.realpath(path), lock_obj=lock)
        self._path, self._file_lock = path, lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries. What a process wrote in part before it was killed is removed first: it would damage them.

        Raises:
            SwissbertError: If the file cannot be written; it is then as before.
        """
        entries = memoryview("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode())
        with writing(self._path), _held(self._file_lock), self._path.open("r+b", buffering=0) as file:
            size = _remove_partial_line(file)
            try:
                while entries:
                    entries = entries[file.write(entries) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from a number on.

        Raises:
            SwissbertError: If the file cannot be read.
        """
        try:
            yield from super().read_logs(log_number_from)
        except OSError as error:
            raise SwissbertError(f"{self._path}: cannot be read ({error.strerror or error})") from error


def open_journal(path: Path) -> JournalStorage:
    """Open a journal; the caller keeps other processes from opening it.

    The lock is a file that is created exclusively, under its real path: the default of Optuna is a symbolic link, which leads
    nowhere on a machine that sees the folder under another path, and then waits forever for a process that was killed.
    """
    lock = JournalFileOpenLock(os.path.realpath(path))
    try:
        if path.exists():
            _mend(path, lock)
        return JournalStorage(_Journal(path, lock))
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be used as the journal of a sweep ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise SwissbertError(
            f"{path}: is not a journal of Optuna, or damaged ({clipped(str(error), LONGEST_QUOTE)}); remove it to begin anew, or choose "
            "another folder",
            argument="out",
        ) from error


@contextmanager
def _held(lock: JournalFileOpenLock) -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _mend(path: Path, lock: JournalFileOpenLock) -> None:
    """Remove a last line that was written in part, because the machine stopped.

    Raises:
        ValueError: If the last whole line is no entry, which Optuna would notice only at the next one.
    """
    with _held(lock), path.open("r+b") as file:
        _remove_partial_line(file)
        file.seek(0)
        if lines := file.read().splitlines():
            json.loads(lines[-1])


def _remove_partial_line(file: BinaryIO) -> int:
    """Remove a last line without an end, and return the size of the file, where its position is then."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            size = file.read().rfind(b"\n") + 1
            file.truncate(size)
    return file.seek(size)
