"""What a command does to the files of a folder, call by call, as ``strace`` sees it."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from campaign.commands import Command

STRACE = shutil.which("strace")
CALLS = (
    "open,openat,creat,close,lseek,dup,dup2,dup3,fcntl,write,pwrite64,writev,pwritev,sendfile,copy_file_range,ftruncate,"
    "truncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,"
    "mkdir,mkdirat"
)
LINE = re.compile(r"(?:(\d+) +)?(\w+)\((.*)\)\s+= (\d+)(?:<([\\x0-9a-f]*)>)?")
"""A call that succeeded; ``-xx`` writes every text as ``\\x61\\x62``, so that commas only separate arguments."""
FILE = re.compile(r"(\d+|AT_FDCWD)<([\\x0-9a-f]*)>(\(deleted\))?")
END = -1
"""The place of a write to a file that was opened for appending."""


class Change(NamedTuple):
    """One change to a file or folder.

    Attributes:
        kind: ``create``, ``mkdir``, ``write``, ``resize``, ``extend`` (to at least a length), ``sync``, ``rename`` or
            ``remove``.
        path: Path in the recorded folder.
        other: New path of a rename.
        at: Where a write begins, or `END`; a length.
        data: What is written.
    """

    kind: str
    path: str
    other: str = ""
    at: int = 0
    data: bytes = b""


class NotRecorded(Exception):  # noqa: N818 (no error of a trial)
    """Calls cannot be recorded on this machine."""


def record(folder: Path, place: Path, arguments: Sequence[object], *, children: bool = False) -> list[Change]:
    """Run a command to its end and return what it changes below a folder.

    Only calls of its main thread are seen, which does all writing; swissbert's other threads compute.

    Args:
        folder: Where its output is put.
        place: The folder that is watched.
        arguments: The command line after ``swissbert``.
        children: Whether its threads and child processes are watched as well, which takes longer.

    Raises:
        NotRecorded: If strace is missing or not allowed.
        RuntimeError: If the command fails, or makes a call that is not understood.
    """
    if STRACE is None:
        raise NotRecorded("strace is not installed")
    trace = folder / f"trace-{time.time_ns()}"
    waiting, go = os.pipe()
    command = Command(folder, arguments, first=partial(_wait, waiting))
    os.close(waiting)
    options = ["-y", "-xx", "-s", str(1 << 28), "-e", f"trace={CALLS}", "-o", str(trace), *(["-f"] if children else [])]
    tracer = subprocess.Popen([STRACE, *options, "-p", str(command.pid)], stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{command.pid}/status")
    while re.search(r"TracerPid:\s+0\b", status.read_text()):
        if tracer.poll() is not None:
            command.kill()
            raise NotRecorded("strace may not watch other processes here")
        time.sleep(0.005)
    os.write(go, b"x")
    code = command.wait(300)
    os.close(go)
    tracer.wait()
    if code != 0:
        raise RuntimeError(f"{arguments}: ended with {code}: {command.text[-500:]}")
    reader = _Reader(place.resolve(), folder)
    with trace.open() as lines:
        for line in lines:
            reader.read(line)
    trace.unlink()
    return reader.changes


class _Reader:
    """Turns lines of strace into changes.

    Args:
        place: The folder that is watched.
        current: The current folder of the command.
    """

    def __init__(self, place: Path, current: Path) -> None:
        self.changes: list[Change] = []
        self._place, self._current = place, current
        self._positions: dict[object, list[int]] = {}  # by process and descriptor; one list for copies of a descriptor

    def read(self, line: str) -> None:
        """Read one line."""
        if (match := LINE.match(line)) is None:
            return
        process, call, inside, result, opened = match.groups()
        arguments, texts = inside.split(", "), re.findall(r'"([\\x0-9a-f]*)"', inside)
        file = FILE.match(arguments[0])
        descriptor = (process, file[1]) if file else None
        name = self._inside(_text(file[2])) if file and not file[3] else None
        if call in ("open", "openat", "creat"):
            self._positions[process, result] = [END if "O_APPEND" in inside else 0]
            self._open(self._inside(_text(opened or "")), inside)
        elif call in ("dup", "dup2", "dup3") or (call == "fcntl" and "F_DUPFD" in inside):
            self._positions[process, result] = self._positions.get(descriptor, [0])
        elif call == "close":
            self._positions.pop(descriptor, None)
        elif call == "lseek" and self._positions.get(descriptor, [END]) != [END]:
            self._positions[descriptor][0] = int(result)
        elif call.startswith(("rename", "unlink", "rmdir", "mkdir", "link", "symlink", "truncate")):
            self._name(call, arguments, texts)
        elif name is None:
            return
        elif call in ("fsync", "fdatasync"):
            self._add(Change("sync", name))
        elif call == "ftruncate":
            self._add(Change("resize", name, at=int(arguments[1])))
        elif call == "fallocate" and "KEEP_SIZE" not in inside:
            self._add(Change("extend", name, at=sum(map(int, arguments[2:]))))
        elif call in ("write", "writev", "pwrite64", "pwritev", "sendfile", "copy_file_range"):
            data = b"".join(map(_bytes, texts)) if texts else _copied(inside, int(result))
            if call.startswith("pwrite"):
                self._add(Change("write", name, at=int(arguments[-1]), data=data[: int(result)]))
                return
            position = self._positions.setdefault(descriptor, [0])
            self._add(Change("write", name, at=position[0], data=data[: int(result)]))
            position[0] += int(result) if position[0] != END else 0

    def _open(self, name: str | None, inside: str) -> None:
        if name is not None and "O_CREAT" in inside:
            self._add(Change("create", name))
        if name is not None and "O_TRUNC" in inside:
            self._add(Change("resize", name))

    def _name(self, call: str, arguments: list[str], texts: list[str]) -> None:
        """Read a call with one or two paths, each of which may come after the folder that it is relative to."""
        bases = [_text(match[2]) for match in map(FILE.match, arguments) if match] or [str(self._current)] * 2
        paths = [
            self._inside(os.path.normpath(Path(self._current, base, _text(text))))
            for base, text in zip(bases, texts, strict=False)
        ]
        if all(path is None for path in paths):
            return
        if call.startswith("rename") and None not in paths:
            self._add(Change("rename", str(paths[0]), str(paths[1])))
        elif call.startswith(("unlink", "rmdir", "mkdir")):
            self._add(Change("mkdir" if call.startswith("mkdir") else "remove", str(paths[0])))
        elif call == "truncate":
            self._add(Change("resize", str(paths[0]), at=int(arguments[-1])))
        else:
            raise RuntimeError(f"{call} of {paths} is not understood")

    def _inside(self, path: str) -> str | None:
        """Return a path relative to the watched folder; None outside it."""
        return os.path.relpath(path, self._place) if Path(path).is_relative_to(self._place) else None

    def _add(self, change: Change) -> None:
        if change.data or change.kind != "write":
            self.changes.append(change)


def _wait(pipe: int) -> None:
    os.read(pipe, 1)


def _copied(inside: str, size: int) -> bytes:
    """Return what a call copies from another file, which must be there still."""
    source = Path(_text(FILE.findall(inside)[1][1]))
    data = source.read_bytes() if size else b""
    if len(data) != size:
        raise RuntimeError(f"{source} is copied in parts, which is not understood")
    return data


def _bytes(text: str) -> bytes:
    """Return what ``\\x61\\x62`` stands for."""
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return os.fsdecode(_bytes(text))
