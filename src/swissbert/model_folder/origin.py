"""Where a model's encoder and data are on this machine.

A model folder names neither, so that it can be given away. The run folder around it does, in ``config.toml``; model
folders written by swissbert 0.1.0 have the paths in ``swissbert.json``.
"""

import os.path
from pathlib import Path
from typing import Any

from swissbert.config import data_path
from swissbert.errors import SwissbertError
from swissbert.model_folder.description import read_table
from swissbert.model_folder.encoders import encoder_folder, is_local
from swissbert.model_folder.layout import RUN_CONFIG, WEIGHTS, best_model, run_folder
from swissbert.model_folder.moved import moved_folder
from swissbert.reading import sha256
from swissbert.settings import read_toml, shown


def data_directory(folder: Path) -> Path | None:
    """Return the data directory that the model in a folder was trained on; None if it is not on this machine."""
    name = _setting(folder, "data", "dir") or _table(read_table(folder), "provenance").get("data")
    if not isinstance(name, str) or not (name == "starter" or os.path.isabs(name)):
        return None
    path, run = data_path(name), run_folder(folder)
    if path is not None and path.is_dir():
        return path
    return moved_folder(run, name) if run is not None else None


def base_folder(folder: Path) -> Path:
    """Find the encoder that the model in a folder was fine-tuned from.

    An encoder that is a folder is looked for where the run's settings say, beside the model folder, and in the current
    directory; any other one by its name.

    Raises:
        SwissbertError: If it cannot be found, or is not the one that the model was trained from.
    """
    table = read_table(folder)
    encoder = _table(table, "encoder")
    name, revision = encoder.get("name"), encoder.get("revision")
    if not isinstance(name, str):
        raise SwissbertError(f"{folder}: encoder.name is {shown(name)}, but it must be a text")
    if is_local(name):
        base = _local_base(folder, name)
    else:
        base = encoder_folder(name, revision if isinstance(revision, str) else None)
    checksum = _table(table, "provenance").get("encoder_sha256")
    if checksum is not None and sha256(base / WEIGHTS) != checksum:
        raise SwissbertError(
            f"{base}: not the encoder that the model in {folder} was trained from (its SHA-256 differs)"
        )
    return base


def _local_base(folder: Path, name: str) -> Path:
    beside = folder.absolute().parent / Path(name).name
    stored, run = _setting(folder, "encoder", "name"), run_folder(folder)
    moved = moved_folder(run, stored) if run is not None and stored is not None else None
    for candidate in (stored, moved, beside, name):
        if candidate and os.path.isdir(candidate):
            return best_model(Path(candidate))
    raise SwissbertError(
        f"{folder}: its base encoder is a folder named '{beside.name}', which cannot be found; copy or link that "
        f"encoder to {beside}"
    )


def _setting(folder: Path, section: str, key: str) -> str | None:
    """Return a setting of the run around a model folder; None if there is no run or no such text."""
    run = run_folder(folder)
    if run is None:
        return None
    try:
        value = _table(read_toml(run / RUN_CONFIG), section).get(key)
    except SwissbertError:
        return None  # the model can be used without
    return value if isinstance(value, str) else None


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    part = table.get(key)
    return part if isinstance(part, dict) else {}
