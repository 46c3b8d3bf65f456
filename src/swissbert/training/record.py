"""The record of a run, ``run.json``: written with a checksum of its contents, so that a hand edit is noticed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swissbert.checksums import KEY, sealed
from swissbert.errors import SwissbertError
from swissbert.files import write_text
from swissbert.model_folder import layout
from swissbert.reading import read_object
from swissbert.training.state import read_run_record


def write_record(out: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``run.json`` into a run folder, with a checksum, and return its contents."""
    write_text(out / layout.RUN_RECORD, json.dumps(sealed(table, layout.RUN_RECORD), indent=2) + "\n")
    return dict(table)


def read_record(out: Path) -> dict[str, Any] | None:
    """Read ``run.json`` of a run folder; None if there is none.

    Raises:
        SwissbertError: If it cannot be read or its contents are not those that were written. Records of swissbert 0.1.0 have
            no checksum.
    """
    path = out / layout.RUN_RECORD
    if not path.exists():
        return None
    table = read_run_record(path)
    if "run" in table and KEY not in read_object(path):
        raise SwissbertError(
            f"{path}: was changed since it was written (its checksum is gone); put the earlier file back, or remove it to "
            "resume without comparing anything with how the run began"
        )
    return table


def run_of_checkpoint(out: Path, step: int) -> str:
    """Return the name of the run that wrote the checkpoint of a step; empty if it has none."""
    try:
        progress = read_object(out / layout.CHECKPOINTS / f"step-{step}" / layout.CHECKPOINT_PROGRESS)
    except SwissbertError:
        return ""
    run = progress.get("run")
    return run if isinstance(run, str) else ""
