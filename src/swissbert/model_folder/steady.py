"""Read a folder while a training run may replace it: what is read is one of its versions, never a mixture of two.

`swissbert.files.write_folder` replaces folders whole, but their files are opened one after the other.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swissbert.errors import SwissbertError
from swissbert.model_folder.layout import ENCODER_FILES, MODEL_FILES, MORE_ENCODER_FILES

PATIENCE = 20.0
"""Seconds after which a folder that changes all the time is given up."""

T = TypeVar("T")

_PAUSES = random.Random()
"""Random numbers of their own, so that those of the caller stay as they are."""


def read_steadily(find: Callable[[], Path], read: Callable[[Path], T]) -> T:
    """Read a folder, again if it changed meanwhile.

    Args:
        find: Finds the folder.
        read: Reads it; an error counts only if the folder did not change.

    Raises:
        SwissbertError: As `find` and `read`, or if the folder does not stop changing.
    """
    end = time.monotonic() + PATIENCE
    while True:
        folder = find()
        before = _state(folder)
        try:
            result = read(folder)
        except Exception:  # a file that vanished ends in any kind of error
            if _state(folder) == before:
                raise
        else:
            if _state(folder) == before:
                return result
        if time.monotonic() > end:
            raise SwissbertError(
                f"{folder}: was replaced or changed each time that it was read, for {PATIENCE:g} seconds; try again when "
                "nothing writes there"
            )
        time.sleep(_PAUSES.uniform(0, 0.02))


def _state(folder: Path) -> object:
    """Return what differs after each change to the files of a model or encoder; None if the folder is not there."""
    try:
        status = os.stat(folder)
        files = [folder / name for name in (*MODEL_FILES, *ENCODER_FILES)]
        files += [file for pattern in MORE_ENCODER_FILES for file in folder.glob(pattern)]
        return status.st_dev, status.st_ino, [_file_state(file) for file in files]
    except OSError:
        return None


def _file_state(file: Path) -> object:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
