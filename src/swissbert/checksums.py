"""Checksums that detect damage and mix-ups of files. They do not authenticate: whoever can write a file can write both.

The checksums of files stand in a JSON file beside them, in its table ``checksums``, by the name of the file. The JSON file
itself has an entry too: the checksum of everything in it but that table. A file without an entry is not checked: to edit
a file by hand, remove its entry. XXH3 is read about as fast as the files themselves; SHA-256, in folders
of swissbert 0.1.0, is still compared.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from swissbert.errors import SwissbertError
from swissbert.reading import open_regular, read_object, sha256

KEY = "checksums"
PREFIX = "xxh3:"
"""What checksums of this module begin with; those without are SHA-256."""


class DamagedError(SwissbertError):
    """A file is not what was written."""


class Digest:
    """The checksum of bytes that come one after the other."""

    def __init__(self) -> None:
        self._hash = xxh3_128()
        self.size = 0  # of the bytes so far

    def update(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._hash.update(data)
        self.size += len(data)

    @property
    def checksum(self) -> str:
        """The checksum of the bytes so far."""
        return PREFIX + self._hash.hexdigest()


def checksum(path: Path, size: int | None = None) -> str:
    """Return the checksum of a file, ``xxh3:`` and 32 hexadecimal digits.

    Args:
        path: The file.
        size: Number of bytes from its beginning; None for all.

    Raises:
        DamagedError: If the file is missing.
        SwissbertError: If it cannot be read.
    """
    return digest_of(path, size).checksum


def digest_of(path: Path, size: int | None = None) -> Digest:
    """Return the digest of a file, to which more bytes can be appended; arguments and errors as for `checksum`."""
    digest, buffer = Digest(), memoryview(bytearray(2**18))
    try:
        with open_regular(path) as file:
            while count := file.raw.readinto(buffer if size is None else buffer[: size - digest.size]):
                digest.update(buffer[:count])
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: is missing") from error
    except (OSError, ValueError) as error:
        raise SwissbertError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return digest


def sealed(table: Mapping[str, Any], name: str, files: Iterable[Path] = ()) -> dict[str, Any]:
    """Return a JSON object with checksums: its own, and those of files.

    Args:
        table: The object; a table of checksums in it is replaced.
        name: Name of the file that it is written to.
        files: Files beside it.
    """
    own = {key: value for key, value in table.items() if key != KEY}
    return own | {KEY: {name: _own(own), **{file.name: checksum(file) for file in files}}}


def unsealed(path: Path) -> dict[str, Any]:
    """Read a JSON file that `sealed` made, without its checksums, and compare its own.

    Raises:
        DamagedError: If its content is not what was written.
        SwissbertError: If it cannot be read.
    """
    return without_own(read_object(path), path)


def without_own(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Compare a JSON object that `sealed` made with its own checksum, and return it without its checksums.

    Args:
        table: The contents of a file.
        path: The file.

    Raises:
        DamagedError: If its content is not what was written.
    """
    if path.name not in recorded(table, path) and KEY in table:
        check_files(recorded(table, path), path)  # a name that was damaged is that of no file
    check_own(table, path)
    return {key: value for key, value in table.items() if key != KEY}


def check_own(table: Mapping[str, Any], path: Path) -> None:
    """Compare a JSON object with its own checksum, if it has one.

    Raises:
        DamagedError: If it differs.
    """
    sums = recorded(table, path)
    if path.name in sums and sums[path.name] != _own({key: value for key, value in table.items() if key != KEY}):
        raise _differs(path, path, is_listed=True)


def check_files(sums: Mapping[str, str], record: Path, *, folder: Path | None = None) -> None:
    """Compare files with their checksums.

    Args:
        sums: Checksums by name; that of the record itself is passed over.
        record: The file that holds them.
        folder: Where the files are, if they do not belong to the record; beside it if left out.

    Raises:
        DamagedError: Names the first file that is missing or differs.
        SwissbertError: If a file cannot be read.
    """
    for name, expected in sums.items():
        if name == record.name:
            continue
        path = (folder or record.parent) / name
        if Path(name).name != name:
            raise DamagedError(f"{record}: has a checksum of {name!r}, which is no name of a file beside it")
        if not os.path.exists(path):  # unlike Path.exists, False for names that no file system takes
            raise DamagedError(
                f"{path}: is missing, but {record.name} has its checksum; copy it again, or make it again"
            )
        if expected != (checksum(path) if expected.startswith(PREFIX) else sha256(path)):
            raise _differs(path, record, is_listed=folder is None)


def check_all(record: Path) -> None:
    """Compare a JSON file and the files that it lists with their checksums, if it has any.

    Raises:
        SwissbertError: If one is missing, damaged or cannot be read.
    """
    table = read_object(record)
    check_own(table, record)
    check_files(recorded(table, record), record)


def recorded(table: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Return the checksums in a JSON object; empty if it has none.

    Raises:
        DamagedError: If they are not a table of texts.
    """
    sums = table.get(KEY)
    if sums is None:
        if any(isinstance(value, dict) and str(value.get(path.name)).startswith(PREFIX) for value in table.values()):
            raise DamagedError(f"{path}: has its checksum, but not in a table '{KEY}'; install or copy it again")
        return {}
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise DamagedError(f"{path}: {KEY} is not a table of file names and checksums; copy the file again")
    return sums


@cache
def warn(line: str) -> None:
    """Log a line about damage, once in a process. Without settings of ``logging`` it appears on standard error."""
    logging.getLogger("swissbert").warning(line)


def _own(table: Mapping[str, Any]) -> str:
    """Return the checksum of a JSON object, whatever its order and layout."""
    digest = Digest()
    try:
        digest.update(json.dumps(table, sort_keys=True).encode())
    except RecursionError:
        return ""  # nothing that this program writes is so deep
    return digest.checksum


def _differs(path: Path, record: Path, *, is_listed: bool) -> DamagedError:
    """Word what to do about a file, which may be listed in a table that a person edits."""
    edited = f"; if you edited it on purpose, remove its line from '{KEY}' in {record.name}" if is_listed else ""
    what = (
        f"its checksum differs from that in {record}" if path != record else "its content does not fit its own checksum"
    )
    return DamagedError(f"{path}: {what}; install or copy it again{edited}")
