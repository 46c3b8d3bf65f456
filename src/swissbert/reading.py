"""Reading of files that may come from anybody: regular ones of bounded size, and JSON of bounded size and depth."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped, nearest_file

JSON_BYTES = 2**24
"""Largest JSON file that is read: three times the tokenizer.json with the most entries, half a million."""
JSON_VALUES, JSON_TABLES = 700_000, 250_000
"""Most values, and most tables and lists, of a JSON file: each takes about a hundred bytes of memory."""
DEEPEST = 100
"""How deep tables and lists of a settings file may be nested."""


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


def parse_json(
    content: bytes,
    where: object,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
    *,
    most_tables: int = JSON_TABLES,
) -> Any:
    """Parse JSON of bounded size.

    Args:
        content: UTF-8 text.
        where: Name of the file in messages.
        object_pairs_hook: See `json.loads`.
        most_tables: Most tables and lists.

    Raises:
        SwissbertError: If it is not JSON, has more values than `JSON_VALUES` or more tables than allowed, or is nested
            deeper than `DEEPEST`.
    """
    tables = content.count(b"{") + content.count(b"[")
    if content.count(b",") > JSON_VALUES or tables > most_tables:
        raise SwissbertError(
            f"{where}: cannot be read (more than {JSON_VALUES:,} values or {most_tables:,} tables and lists)"
        )
    try:
        table = json.loads(content.decode("utf-8"), object_pairs_hook=object_pairs_hook)
    except (ValueError, RecursionError) as error:
        raise SwissbertError(f"{where}: cannot be read ({clipped(str(error), LONGEST_QUOTE)})") from error
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


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading in binary mode. A pipe is not waited for, and a device is not read.

    Raises:
        OSError, ValueError: If it cannot be opened.
        SwissbertError: If it is neither a file nor a link to one.
    """
    file = open(  # noqa: SIM115 (for the caller)
        path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    )
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise SwissbertError(f"{path}: cannot be read (not a regular file)")
    return file


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file as hexadecimal digits.

    Raises:
        SwissbertError: If the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise SwissbertError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def refuse_web(name: str) -> None:
    """Raise SwissbertError if the name of a file is an address of the web, which is not read."""
    if name.lower().startswith(("http://", "https://")):
        raise SwissbertError(f"{name} is an address; download the file and name it")


def file_near(path: Path) -> str:
    """Name a file beside one that is not there whose name may be meant, as the end of a sentence; empty if there is none."""
    try:
        names = sorted(one.name for one in path.parent.iterdir() if one.is_file())
    except OSError:
        return ""
    return nearest_file(path.name, names)
