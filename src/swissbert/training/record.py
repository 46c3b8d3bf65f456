"""The record of a run, ``run.json``: written with a checksum of its contents, so that a hand edit is noticed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swissbert.checksums import KEY, DamagedError, sealed, without_own
from swissbert.errors import SwissbertError
from swissbert.files import write_text
from swissbert.model_folder import layout
from swissbert.reading import read_object
from swissbert.settings import shown

RUN_FORMAT = 3
"""Version of what ``run.json`` means. Runs of version 1, which have no ``format``, leave out the last batches of an epoch
that are fewer than ``train.accumulation`` rounds. Runs of versions 1 and 2 read the pooler where they name no
``model.pooling``."""


def write_record(out: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``run.json`` into a run folder, with a checksum, and return its contents."""
    write_text(out / layout.RUN_RECORD, json.dumps(sealed(table, layout.RUN_RECORD), indent=2) + "\n")
    return dict(table)


def read_record(out: Path) -> dict[str, Any] | None:
    """Read ``run.json`` of a run folder; None if there is none.

    Raises:
        SwissbertError: If it cannot be read, has no table of rows, is of a later version, or its contents are not those that
            were written. Records of swissbert 0.1.0 have no checksum.
    """
    path = out / layout.RUN_RECORD
    if not path.exists():
        return None
    advice = "remove it to resume without checking that the rows are unchanged"
    try:
        stored = read_object(path)
        table = without_own(stored, path)
    except DamagedError as error:
        raise _changed(path, "its checksum is not that of its contents") from error
    except SwissbertError as error:
        raise SwissbertError(f"{str(error).partition(';')[0]}; {advice}") from error
    if not isinstance(table.get("rows"), dict):
        raise SwissbertError(f"{path}: cannot be read (it has no table of rows); {advice}")
    version = table.get("format", 1)
    if type(version) is not int or version not in range(1, RUN_FORMAT + 1):
        raise SwissbertError(
            f"{path}: its format is {shown(version)}, and this version of swissbert reads formats up to {RUN_FORMAT}; "
            f"resume the run with the version that wrote it (swissbert {table.get('swissbert', 'unknown')}), or start a "
            "new run in another folder"
        )
    if "run" in table and KEY not in stored:
        raise _changed(path, "its checksum is gone")
    return table


def _changed(path: Path, how: str) -> SwissbertError:
    return SwissbertError(
        f"{path}: was changed since it was written ({how}); put the earlier file back, or remove it to resume without "
        "comparing anything with how the run began"
    )


def recorded_rows(out: Path) -> dict[str, str]:
    """Return the checksums of the rows that the run in a folder began with; empty if it has no record of them.

    Raises:
        SwissbertError: As `read_record`.
    """
    return {str(name): str(value) for name, value in (read_record(out) or {}).get("rows", {}).items()}


def run_of_checkpoint(out: Path, step: int) -> str:
    """Return the name of the run that wrote the checkpoint of a step; empty if it has none."""
    try:
        progress = read_object(out / layout.CHECKPOINTS / f"step-{step}" / layout.CHECKPOINT_PROGRESS)
    except SwissbertError:
        return ""
    run = progress.get("run")
    return run if isinstance(run, str) else ""
