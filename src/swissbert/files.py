"""Atomic writing of files and folders, checksums, and a lock on a folder."""

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from swissbert.errors import SwissbertError, clipped

JSON_BYTES = 2**24
"""Largest JSON file that is read: three times the tokenizer.json with the most entries, half a million."""
JSON_VALUES, JSON_TABLES = 700_000, 250_000
"""Most values, and most tables and lists, of a JSON file: each takes about a hundred bytes of memory."""
DEEPEST = 100
"""How deep tables and lists of a settings file may be nested."""


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


def need_name(out: Path, example: str) -> None:
    """Check that the last part of a path is the name of a folder to create, not ``.``, ``..`` or empty.

    Args:
        out: The folder to create.
        example: A valid value, for the message.

    Raises:
        SwissbertError: If it has no name.
    """
    if out.name in ("", ".."):
        raise SwissbertError(
            f"out is '{out}', which is not the name of a folder to create; give one, for instance {example}",
            argument="out",
        )


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder atomically: into a new folder beside it, synced to disk, then renamed.

    A process that is killed leaves `path` as it was or complete, or, between the two renames of a replacement, as
    ``.NAME.old``, which `recover` renames back.

    Args:
        path: The folder; one that exists is replaced.
        fill: Writes the contents into the folder that it is given.

    Raises:
        SwissbertError: If the folder cannot be written; what was there before is untouched.
    """
    new, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    with writing(path):
        recover(path)
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir(parents=True)
            fill(new)
            for file in new.rglob("*"):
                if file.is_file():
                    file.chmod(new.stat().st_mode & 0o666)  # safetensors creates files without group permissions
                _sync(file)
            _sync(new)
            if path.exists():
                path.rename(old)
            new.rename(path)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            recover(path)
            raise
        shutil.rmtree(old, ignore_errors=True)


def recover(path: Path) -> None:
    """Undo an interrupted `write_folder`: restore the old folder, or remove it if the new one is in place."""
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that appears at `path` when the block ends without an error, and not at all otherwise.

    A symbolic link is kept and its target replaced. Pipes and devices are written directly.

    Raises:
        SwissbertError: If the file cannot be written.
    """
    with writing(path):
        is_stream = path.exists() and not path.is_file()
    if is_stream:
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
        except OSError as error:
            raise SwissbertError(f"{path}: cannot be written ({error.strerror or error})") from error
        return
    with whole_path(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that is renamed to `path` when the block ends without an error, else removed.

    A symbolic link is kept and its target replaced.

    Raises:
        SwissbertError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{target.name}.new")
    with writing(path):
        try:
            yield new
            _sync(new)
            new.replace(target)
        finally:
            with contextlib.suppress(OSError):
                new.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with whole_file(path) as file:
        file.write(text)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        SwissbertError: If the file cannot be read, holds anything else, or is larger or nested deeper than any file of
            this kind.
    """
    try:
        content = regular_bytes(path, JSON_BYTES)
    except (OSError, ValueError) as error:
        raise SwissbertError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    table = parse_json(content, path)
    if not isinstance(table, dict):
        raise SwissbertError(f"{path}: a JSON object is expected")
    return table


def parse_json(content: bytes, where: object, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Parse JSON of bounded size.

    Args:
        content: UTF-8 text.
        where: Name of the file in messages.
        object_pairs_hook: See `json.loads`.

    Raises:
        SwissbertError: If it is not JSON, has more values than `JSON_VALUES`, or is nested deeper than `DEEPEST`.
    """
    tables = content.count(b"{") + content.count(b"[")
    if content.count(b",") > JSON_VALUES or tables > JSON_TABLES:
        raise SwissbertError(
            f"{where}: cannot be read (more than {JSON_VALUES:,} values or {JSON_TABLES:,} tables and lists)"
        )
    try:
        table = json.loads(content.decode("utf-8"), object_pairs_hook=object_pairs_hook)
    except (ValueError, RecursionError) as error:
        raise SwissbertError(f"{where}: cannot be read ({clipped(str(error), 200)})") from error
    if is_deep(table):
        raise SwissbertError(f"{where}: cannot be read (tables and lists are nested more than {DEEPEST} deep)")
    return table


def is_deep(table: object) -> bool:
    """Whether dictionaries and lists are nested more than `DEEPEST` deep."""
    level = [table]
    for _ in range(DEEPEST + 1):
        inner: list[object] = []
        for node in level:
            children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            inner += [child for child in children if isinstance(child, dict | list)]
        if not inner:
            return False
        level = inner
    return True


def regular_bytes(path: Path, most: int) -> bytes:
    """Read a file of bounded size.

    Raises:
        OSError, ValueError: If it cannot be opened.
        SwissbertError: If it is no regular file, or has more than `most` bytes.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise SwissbertError(f"{path}: cannot be read (more than {most:,} bytes, the most that such a file may have)")
    return content


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading in binary mode. A pipe is not waited for, and a device is not read.

    Raises:
        OSError, ValueError: If it cannot be opened.
        SwissbertError: If it is neither a file nor a link to one.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SwissbertError(f"{path}: cannot be read (not a regular file)")
    return open(handle, "rb")


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file as hexadecimal digits.

    Raises:
        SwissbertError: If the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, creating it if necessary.

    The lock belongs to the open file ``.lock``, so the operating system releases it however the process ends. A folder
    that was created here and in which nothing else was written is removed again.

    Raises:
        SwissbertError: If the folder cannot be written, or is locked already, by this process or another one.
    """
    from filelock import FileLock, Timeout  # imports asyncio, which light modules do without

    created = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = FileLock(folder / ".lock")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise SwissbertError(
                f"{folder}: another process is writing here; wait for it to finish or choose another folder"
            ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # rmdir fails if something was written meanwhile
            if created and [path.name for path in folder.iterdir()] == [".lock"]:
                (folder / ".lock").unlink()
                for path in created:
                    path.rmdir()
        lock.release()
