"""The folder of the caches: entries that only their owner can read, created whole, and deleted once they are not used.

An entry is a folder named by a hash of everything that its content depends on. Entries are created atomically, so several
processes may build the same one. They can be deleted whenever no run is using them.
"""

import errno
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

from swissbert.exclusive import discard_as, is_own
from swissbert.files import make_folder, sync_folder

RECORD = "about.json"
"""File of an entry with everything but arrays; its modification time is when the entry was last used."""
KEPT = 60 * 24 * 3600
"""Seconds after its last use when an entry is deleted."""
NEW = ".new-"
"""Beginning of the names of folders that are not, or no longer, entries."""
ENTRY = re.compile(r"[0-9a-f]{64}|\.new-\w+|\.\.new-\w+\.writing")
"""Names in the folder of the cache."""
OTHERS = 0o077
"""Permissions of others than the owner."""


def cache_folder(beside: str = "") -> Path | None:
    """Return the folder of entries: ``SWISSBERT_CACHE``, else in the user's cache folder; None without a home folder.

    Args:
        beside: Name of another folder, in ``SWISSBERT_CACHE`` or beside that of entries, which is returned instead.
    """
    if chosen := os.environ.get("SWISSBERT_CACHE"):
        return Path(chosen) / beside
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swissbert" / (beside or "tokens")
    except RuntimeError:  # there is no home folder
        return None


def is_there(entry: Path) -> bool:
    """Return whether there is an entry.

    Raises:
        OSError: If it belongs to another user, whose tokens are not trusted, or the cache cannot be read.
    """
    try:
        entry.lstat()
    except FileNotFoundError:
        return False
    if not is_own(entry):
        raise PermissionError(errno.EPERM, "it has an entry of another user")
    return True


def prepare_folder(folder: Path) -> None:
    """Create the folder of the cache, for its owner alone, and delete entries that were not used for `KEPT` seconds.

    Raises:
        OSError: If the folder cannot be used.
    """
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    for entry in folder.iterdir():
        if ENTRY.fullmatch(entry.name):  # else it is not of this cache
            with suppress(OSError):
                record = entry / RECORD
                if time.time() - (record if record.exists() else entry).stat().st_mtime > KEPT:
                    delete_entry(entry)
    make_private(folder)


def make_private(folder: Path) -> None:
    """Take away what earlier versions let others read: entries, and the folder if nothing else is in it.

    A folder that users share, which has the sticky or the set-group-ID bit, stays as it is.
    """
    mode = folder.stat().st_mode
    if not mode & OTHERS:
        return
    found = list(folder.iterdir())
    entries = [path for path in found if ENTRY.fullmatch(path.name) and is_own(path) and not path.is_symlink()]
    with suppress(OSError):  # on a read-only file system, for instance
        for entry in entries:
            if entry.is_dir() and entry.stat().st_mode & OTHERS:
                for file in entry.iterdir():
                    file.chmod(0o600)
                entry.chmod(0o700)
        if len(entries) == len(found) and is_own(folder) and not mode & (stat.S_ISVTX | stat.S_ISGID):
            folder.chmod(0o700)


def place_entry(new: Path, entry: Path, *, replaces: bool) -> None:
    """Give a new, complete folder the name of its entry, unless another process has created the same one.

    Args:
        new: The folder, beside the entry.
        entry: The entry.
        replaces: Whether what is there under its name is damaged, and deleted first.
    """
    if replaces:
        delete_entry(entry)
    with suppress(OSError):
        new.rename(entry)
        sync_folder(entry.parent)


def delete_entry(entry: Path) -> None:
    """Delete an entry."""
    discard_as(entry, entry.with_name(f"{NEW}{os.urandom(8).hex()}"))
