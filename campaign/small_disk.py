"""Disks of a chosen size, as file systems in memory that no other process sees."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEW_MOUNTS = 0x20000
"""``CLONE_NEWNS`` of ``unshare``: mounts of this process and its children are their own, and end with them."""


class NoMounts(Exception):  # noqa: N818 (no error of a trial)
    """File systems cannot be mounted here."""


def own_mounts() -> None:
    """Give this process mounts of its own. Raises NoMounts where that is not allowed."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS) != 0:
        raise NoMounts(f"own mounts need root: {os.strerror(ctypes.get_errno())}")
    mount("--make-rprivate", "/")


@contextlib.contextmanager
def disk(place: Path, kilobytes: int, inodes: int = 0) -> Iterator[Path]:
    """Mount a disk of so many kilobytes at a new folder; see `own_mounts`.

    Args:
        place: The folder.
        kilobytes: Its size, in steps of 4.
        inodes: The most files and folders; 0 for no limit.
    """
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes={inodes}", "tmpfs", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def make_room(place: Path) -> None:
    """Give a disk more room than anything needs."""
    mount("-o", "remount,size=500m,nr_inodes=0", place)


def mount(*arguments: object) -> None:
    """Run ``mount``. Raises NoMounts if it fails."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise NoMounts(done.stderr.strip())
