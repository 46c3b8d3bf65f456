"""Folders beside a run folder that was moved or copied together with them."""

import os.path
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.model_folder.layout import RUN_RECORD
from swissbert.reading import read_object


def moved_folder(run: Path, path: str) -> Path | None:
    """Return the folder that lies from a run folder as `path` did when the run last trained.

    Args:
        run: The run folder, whose ``run.json`` has the place where it was.
        path: Absolute path of a folder that is no longer there.

    Returns:
        A folder that exists, or None.
    """
    try:
        before = read_object(run / RUN_RECORD).get("folder")
    except (OSError, SwissbertError):
        return None
    if not isinstance(before, str) or not os.path.isabs(path):
        return None
    now = os.path.normpath(run.resolve() / os.path.relpath(path, before))
    return Path(now) if os.path.isdir(now) else None
