"""The journal of a sweep, an ordinary Optuna journal: how it is opened, and what Optuna logs."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Let Optuna log nothing but warnings in the block."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def open_journal(path: Path) -> JournalStorage:
    """Open a journal; the caller keeps other processes from opening it.

    The lock is a file that is created exclusively, under its real path: the default of Optuna is a symbolic link, which leads
    nowhere on a machine that sees the folder under another path, and then waits forever for a process that was killed.
    """
    name = os.path.realpath(path)
    lock = JournalFileOpenLock(name)
    try:
        if path.exists():
            _mend(path, lock)
        return JournalStorage(JournalFileBackend(name, lock_obj=lock))
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be used as the journal of a sweep ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise SwissbertError(
            f"{path}: is not a journal of Optuna, or damaged ({clipped(str(error), LONGEST_QUOTE)}); remove it to begin anew, or choose "
            "another folder",
            argument="out",
        ) from error


def _mend(path: Path, lock: JournalFileOpenLock) -> None:
    """Remove a last line that was written in part, because the machine stopped.

    Raises:
        ValueError: If the last whole line is no entry, which Optuna would notice only at the next one.
    """
    lock.acquire()
    try:
        with path.open("r+b") as file:
            content = file.read()
            if not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)
            if whole := content[: content.rfind(b"\n") + 1].splitlines():
                json.loads(whole[-1])
    finally:
        lock.release()
