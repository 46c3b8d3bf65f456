"""A disk that keeps what was synced, and loses, tears or reorders the rest when the power is cut.

The rules are those of POSIX, which promises less than any one file system keeps: ``fsync`` of a file keeps its content but
not its name; ``fsync`` of a folder keeps the names in it. Everything else may be on the disk or not, in any order: names
without content, content without names, a rename without the one before it, half a write. One rename within a folder is
all or nothing.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from campaign.recording import END, Change

WAYS = ("synced", "names", "torn", "contents", "mixed")
"""What is on the disk: what was synced and nothing else; all names besides; all names and torn contents; all contents
besides, but no names; any of it."""

State = dict[str, bytes | None]
"""The content of each file by its path; None for a folder."""


class _File:
    """A file: its content now, and on the disk."""

    def __init__(self, data: bytes = b"") -> None:
        self.synced, self.now = data, bytearray(data)
        self.waiting: list[Change] = []

    def change(self, change: Change) -> None:
        self.waiting.append(change)
        _apply(self.now, change)

    def sync(self) -> None:
        self.synced, self.waiting = bytes(self.now), []

    def content(self, way: str, random: Random) -> bytes:
        """Return what is left after the power is cut."""
        if way in ("synced", "names") or not self.waiting:
            return self.synced
        if way == "contents":
            return bytes(self.now)
        data, whole = bytearray(self.synced), random.randint(0, len(self.waiting))
        for change in self.waiting[:whole]:
            _apply(data, change)
        for change in self.waiting[whole : whole + 1]:
            _apply(data, change._replace(data=change.data[: random.randint(0, len(change.data))]))
        if random.random() < 0.5:  # the length is on the disk, and the blocks are not
            _apply(data, Change("resize", "", at=len(self.now)))
        return bytes(data)


class _Folder:
    """A folder: its names now, and on the disk."""

    def __init__(self) -> None:
        self.synced: dict[str, _File | _Folder] = {}
        self.now: dict[str, _File | _Folder] = {}
        self.waiting: list[dict[str, _File | _Folder | None]] = []

    def change(self, names: dict[str, "_File | _Folder | None"]) -> None:
        self.waiting.append(names)
        _rename(self.now, names)

    def sync(self) -> None:
        self.synced, self.waiting = dict(self.now), []

    def content(self, way: str, random: Random) -> dict[str, "_File | _Folder"]:
        """Return the names that are left after the power is cut."""
        names = dict(self.synced)
        share = {"synced": 0.0, "contents": 0.0, "mixed": random.choice((0.2, 0.5, 0.8))}.get(way, 1.0)
        for change in self.waiting:
            if random.random() < share:
                _rename(names, change)
        return names


class Disk:
    """A folder on a disk, in which all that is there was synced.

    Args:
        files: What is there.
    """

    def __init__(self, files: State) -> None:
        self._root = _Folder()
        for path in sorted(files):
            parent, name = self._parent(path)
            content = files[path]
            parent.now[name] = _Folder() if content is None else _File(content)
        self._sync(self._root)

    def apply(self, change: Change) -> None:
        """Make a change. A file that has no name any more is left out, as nobody can find it after a power cut."""
        if change.kind == "sync":
            if (node := self._find(change.path)) is not None:
                node.sync()
            return
        parent, name = self._parent(change.path)
        node = parent.now.get(name)
        if change.kind == "create":
            if node is None:
                parent.change({name: _File()})
        elif change.kind == "mkdir":
            parent.change({name: _Folder()})
        elif change.kind == "remove":
            parent.change({name: None})
        elif change.kind == "rename" and node is not None:
            target, new_name = self._parent(change.other)
            if target is parent:
                parent.change({name: None, new_name: node})
            else:
                target.change({new_name: node})
                parent.change({name: None})
        elif isinstance(node, _File) and not (change == Change("resize", change.path) and not node.now):
            node.change(change)

    def after(self, way: str, random: Random) -> State:
        """Return the files after a power cut now, `way` of `WAYS`."""
        return dict(_walk(self._root, "", way, random))

    def now(self) -> State:
        """Return the files that a program sees now."""
        return dict(_walk(self._root, "", None, Random(0)))

    def _find(self, path: str) -> "_File | _Folder | None":
        node: _File | _Folder | None = self._root
        for part in Path(path).parts:
            node = node.now.get(part) if isinstance(node, _Folder) else None
        return node

    def _parent(self, path: str) -> tuple[_Folder, str]:
        node = self._find(str(Path(path).parent))
        return (node if isinstance(node, _Folder) else _Folder()), Path(path).name

    def _sync(self, node: "_File | _Folder") -> None:
        node.sync()
        for child in node.now.values() if isinstance(node, _Folder) else ():
            self._sync(child)


class Cut(NamedTuple):
    """A power cut.

    Attributes:
        after: Number of changes that were made.
        way: What became of those that were not synced.
        files: What is on the disk.
    """

    after: int
    way: str
    files: State


def cuts(files: State, changes: Sequence[Change], seed: int) -> Iterator[Cut]:
    """Yield the states that cuts during and after changes leave, each of them once; those after the last one always."""
    disk, random, seen = Disk(files), Random(seed), set[bytes]()
    for number, change in enumerate(changes, 1):
        disk.apply(change)
        if number == len(changes):
            seen.clear()
        for way in WAYS:
            state = disk.after(way, random)
            digest = hashlib.blake2b(repr(sorted(state)).encode())
            for path in sorted(state):
                digest.update(state[path] or b"")
            if digest.digest() not in seen:
                seen.add(digest.digest())
                yield Cut(number, way, state)


def write_state(place: Path, state: State) -> None:
    """Make a folder hold these files and nothing else."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path in sorted(state):
        content = state[path]
        if content is None:
            (place / path).mkdir()
        else:
            (place / path).write_bytes(content)


def read_state(place: Path) -> State:
    """Return the files of a folder."""
    return {
        str(path.relative_to(place)): None if path.is_dir() else path.read_bytes() for path in sorted(place.rglob("*"))
    }


def _walk(folder: _Folder, prefix: str, way: str | None, random: Random) -> Iterator[tuple[str, bytes | None]]:
    names = folder.now if way is None else folder.content(way, random)
    for name, node in names.items():
        if isinstance(node, _Folder):
            yield f"{prefix}{name}", None
            yield from _walk(node, f"{prefix}{name}/", way, random)
        else:
            yield f"{prefix}{name}", bytes(node.now) if way is None else node.content(way, random)


def _rename(names: dict[str, "_File | _Folder"], change: dict[str, "_File | _Folder | None"]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _apply(data: bytearray, change: Change) -> None:
    """Change the content of a file."""
    if change.kind == "extend":
        data.extend(bytes(max(0, change.at - len(data))))
        return
    if change.kind == "resize":
        data[:] = data[: change.at].ljust(change.at, b"\0")
        return
    at = len(data) if change.at == END else change.at
    data.extend(bytes(max(0, at + len(change.data) - len(data))))
    data[at : at + len(change.data)] = change.data
