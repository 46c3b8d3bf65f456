"""Disks of a chosen size, as file systems in memory that no other process sees, and processes without root's rights."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEW_MOUNTS = 0x20000
"""``CLONE_NEWNS`` of ``unshare``: mounts of this process and its children are their own, and end with them."""

CAPABILITIES_VERSION = 0x20080522
PAST_PERMISSIONS = 0b110
"""``CAP_DAC_OVERRIDE`` and ``CAP_DAC_READ_SEARCH``, in the first of the sets of capabilities, which counts."""


class NoMounts(Exception):  # noqa: N818 (no error of a trial)
    """File systems cannot be mounted here."""


def own_mounts() -> None:
    """Give this process mounts of its own. Raises NoMounts where that is not allowed."""
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is None or unshare(NEW_MOUNTS) != 0:
        raise NoMounts("own mounts need root on Linux")
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


def obey_permissions() -> None:
    """Let permissions of files count for this process, as they do for everybody but root."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header, sets = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()
        libc.capget(header, sets)
        sets[0] &= ~PAST_PERMISSIONS
        if libc.capset(header, sets) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
