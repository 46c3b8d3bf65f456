"""Find an encoder by name: ``minilm``, a folder, or a hub id."""

import os.path
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swissbert.checksums import check_all
from swissbert.errors import SwissbertError
from swissbert.model_folder.hub import fetch, is_hub_id, named
from swissbert.model_folder.layout import (
    CONFIG,
    DELTA,
    DESCRIPTION,
    ENCODER_FILES,
    MINI,
    MORE_ENCODER_FILES,
    POOLING,
    RUN_CONFIG,
    WEIGHTS,
    WEIGHTS_INDEX,
    best_model,
    is_model_folder,
    replaced,
)
from swissbert.model_folder.minilm import minilm_folder
from swissbert.model_folder.steady import read_steadily
from swissbert.reading import read_object

T = TypeVar("T")


def encoder_folder(name: str, revision: str | None = None) -> Path:
    """Return the folder with the files of an encoder, downloading it if necessary.

    Args:
        name: ``minilm`` (see `swissbert.model_folder.minilm`), a folder, or a hub id (``owner/name``). A
            folder may also be a model folder or a run folder, whose best model is taken. The cache and offline mode of
            the hub client (``HF_HUB_OFFLINE=1``) apply.
        revision: Branch, tag or commit of a hub id; None for the main branch.

    Raises:
        SwissbertError: If there is no such encoder, or the hub cannot be reached.
    """
    if name == "minilm":
        return minilm_folder()
    for folder in (name, replaced(Path(name)) if Path(name).name else name):  # the second while it is replaced
        if os.path.isdir(folder):  # unlike Path.is_dir, False for names that no file system takes
            return _local(Path(folder))
    if name == "mini":
        raise _compact(MINI)
    if os.path.exists(name):
        raise SwissbertError(
            f"encoder.name is '{name}', which is a file; name the folder with {CONFIG} and {WEIGHTS} of a BERT"
        )
    if not is_hub_id(name):
        raise SwissbertError(
            f"encoder.name is '{name}', but there is no such folder; use 'minilm', a folder or a hub id (owner/name)"
        )
    return _hub(name, revision)


def read_encoder_folder(name: str, revision: str | None, read: Callable[[Path], T]) -> T:
    """Read the files of an encoder, whole and undamaged, also while a run replaces them.

    Args:
        name: See `encoder_folder`.
        revision: See `encoder_folder`.
        read: Reads what is needed of the folder.

    Raises:
        SwissbertError: As `encoder_folder` and `read`, or if a file of a model folder was damaged.
    """

    def checked(folder: Path) -> T:
        if (folder / DESCRIPTION).is_file():
            check_all(folder / DESCRIPTION)
        return read(folder)

    return read_steadily(lambda: encoder_folder(name, revision), checked)


def is_local(name: str) -> bool:
    """Whether an encoder's name is that of a folder, and neither ``minilm`` nor of the form of a hub id."""
    return name != "minilm" and not is_hub_id(name)


def left_behind(folder: Path) -> str | None:
    """Return a line about what an encoder folder has beside its encoder; None for an encoder alone."""
    if not is_model_folder(folder):
        return None
    tasks = read_object(folder / DESCRIPTION).get("tasks")
    names = [str(task.get("name")) for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    return (
        f"{folder}: a trained model; its encoder is taken, and the heads of its tasks ({', '.join(names)}) left behind"
    )


def _local(path: Path) -> Path:
    folder = best_model(path)
    if (folder / DELTA).is_file() and not (folder / WEIGHTS).is_file():
        raise _compact(folder)
    if folder == path and (path / RUN_CONFIG).is_file() and not (path / CONFIG).is_file():
        raise SwissbertError(
            f"{path}: a run folder without a model yet, so it cannot be an encoder; finish the run first"
        )
    return folder


def _compact(folder: Path) -> SwissbertError:
    return SwissbertError(
        f"{folder}: a compact model folder, which holds the difference from its encoder only; export the model as 'hf' and "
        "name the folder of one of its tasks"
    )


def _hub(name: str, revision: str | None) -> Path:
    files = (*ENCODER_FILES, *MORE_ENCODER_FILES, POOLING)
    folder = fetch(name, revision, files, "encoder", "or use the encoder 'minilm'")
    if not any((folder / file).is_file() for file in (WEIGHTS, WEIGHTS_INDEX)):
        raise SwissbertError(
            f"{named('encoder', name, revision)}: the repository contains no {WEIGHTS}, and pickle files are not read; "
            "download it into a folder, and `swissbert convert FOLDER` writes safetensors from pytorch_model.bin"
        )
    return folder
