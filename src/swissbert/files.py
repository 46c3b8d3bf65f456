"""Files and folders that appear whole or not at all, and a lock on a folder."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from swissbert.errors import SwissbertError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what can go wrong while writing `path` into one sentence. Nothing that was there before is harmed."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SwissbertError(
            f"{path}: cannot be written ({reason}); nothing was left half-written, and what was there before is untouched"
        ) from error


def need_name(out: Path, example: str) -> None:
    """Raise SwissbertError where `out` is a folder that cannot be made beside another, as ``.`` and ``..`` are."""
    if out.name in ("", ".."):
        raise SwissbertError(f"--out is '{out}', but it takes a folder to make, by name: {example} for instance")


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a new folder beside `path`, sync it and move it to `path`, replacing a folder there.

    A process killed at any moment leaves `path` as it was, as it will be, or (between two renames, while replacing)
    under the name ``.NAME.old``, from where `recover` brings it back.
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
                    file.chmod(new.stat().st_mode & 0o666)  # safetensors makes files that nobody else may read
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
    """Bring back what an interrupted `write_folder` had moved aside, or clear it away if it was replaced."""
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file to write into, which appears at `path` whole when the block ends well, and not at all otherwise.

    A link stays one: what it points to is replaced. A pipe or a device is written straight through.
    """
    with writing(path):
        straight = path.exists() and not path.is_file()
    if straight:
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
        except OSError as error:
            raise SwissbertError(f"{path}: cannot be written ({error.strerror or error})") from error
        return
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{target.name}.new")
    with writing(path):
        try:
            with new.open("w", encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
        finally:
            with contextlib.suppress(OSError):
                new.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole: beside, sync, rename."""
    with whole_file(path) as file:
        file.write(text)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises SwissbertError that names the file where there is none."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SwissbertError(f"{path}: cannot be read ({error})") from error
    if not isinstance(table, dict):
        raise SwissbertError(f"{path}: a JSON object is expected")
    return table


def sha256(path: Path) -> str:
    """The checksum of a file, as hexadecimal digits. Raises SwissbertError where it cannot be read."""
    try:
        with path.open("rb") as file:
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
    """Hold a folder for this process, making it if need be. The system frees it when the process ends, however it ends.

    A folder made here in which nothing was left is removed again.

    Raises SwissbertError where the folder cannot be written or another process holds it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SwissbertError(
                f"{folder}: another process is writing here; wait for it or choose another folder"
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a folder that has got something else in it stays
                if made and [path.name for path in folder.iterdir()] == [".lock"]:
                    (folder / ".lock").unlink()
                    for path in made:
                        path.rmdir()
