"""Answers of trained models to the rows of a split, kept on disk beside the token cache.

An entry of `swissbert.data.cache_entries` is named by the checksum of the model, that of the rows and the task. It holds
one array and no text.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from swissbert.checksums import DamagedError, check_all, recorded, sealed, warn
from swissbert.data.cache_entries import (
    NEW,
    RECORD,
    cache_folder,
    is_there,
    make_private,
    place_entry,
    prepare_folder,
)
from swissbert.errors import SwissbertError
from swissbert.files import settle, temporary_folder
from swissbert.kinds import Array
from swissbert.reading import read_object

VERSION = 1
"""Part of every key. Raise it with any change to what answers are or how they are stored."""
ARRAY = "answers.bin"
"""File of an entry with the answers, float32, row after row."""


def stored_answers(key: Mapping[str, object], shape: tuple[int, ...]) -> Array | None:
    """Return answers from the cache; None if it does not have them, or what it has is damaged, which is said.

    Args:
        key: All that the answers depend on, as JSON has it.
        shape: Their shape.

    Raises:
        OSError: If the cache cannot be used.
    """
    if (folder := cache_folder()) is None or not is_there(entry := _entry(folder, key)):
        return None
    make_private(folder)
    return _open(entry, shape)


def keep_answers(key: Mapping[str, object], answers: Array) -> None:
    """Put answers into the cache, in place of a damaged entry; arguments and errors as for `stored_answers`."""
    if (folder := cache_folder()) is None:
        return
    prepare_folder(folder)
    entry = _entry(folder, key)
    with temporary_folder(folder, NEW) as new:
        with (new / ARRAY).open("wb") as file:
            np.ascontiguousarray(answers, np.float32).tofile(file)
            file.flush()
            os.fsync(file.fileno())
        record = sealed({"shape": list(answers.shape)}, RECORD, [new / ARRAY])
        (new / RECORD).write_text(json.dumps(record), encoding="utf-8")
        settle(new, entry)
        place_entry(new, entry, replaces=is_there(entry))


def _entry(folder: Path, key: Mapping[str, object]) -> Path:
    parts = json.dumps({"answers": VERSION, **key}, sort_keys=True)
    return folder / hashlib.sha256(parts.encode()).hexdigest()


def _open(entry: Path, shape: tuple[int, ...]) -> Array | None:
    """Read the answers of an entry; None if it is missing or damaged."""
    record = entry / RECORD
    try:
        check_all(record)
        table = read_object(record)
        if recorded(table, record).keys() != {RECORD, ARRAY}:
            raise DamagedError(f"{record}: lacks checksums")
        answers = np.fromfile(entry / ARRAY, np.float32)
        if table.get("shape") != list(shape) or answers.size != int(np.prod(shape)) or not np.isfinite(answers).all():
            raise DamagedError(f"{entry / ARRAY}: holds other numbers than these rows take")
        with suppress(OSError):
            os.utime(record)
    except (SwissbertError, OSError, ValueError) as error:
        if entry.exists():
            warn(f"{str(error).partition(';')[0]}; these answers are computed again")
        return None
    return answers.reshape(shape)
