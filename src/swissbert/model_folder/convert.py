"""Convert a checkpoint with pickled weights (``pytorch_model.bin``) to safetensors.

swissbert itself reads no pickle. The conversion is the one exception, asked for by name: it happens in a process of its own
(`swissbert.model_folder.unpickle`) with a time limit, and its result is read as any other encoder before it is kept.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from swissbert.encoder.checkpoint import read_pretrained
from swissbert.encoder.config_file import read_config
from swissbert.errors import SwissbertError
from swissbert.files import need_name, only_writer, settle, sync_folder, temporary_folder, write_folder, writing
from swissbert.model_folder import unpickle
from swissbert.model_folder.layout import POOLING, WEIGHTS, WEIGHTS_INDEX
from swissbert.weight_files import PICKLED, refuse_pointer, shards

COPIED = ("*.json", "*.txt", "*.md", "LICENSE*")
"""Files that a new folder takes over: settings, vocabulary and papers, neither weights nor code."""


def convert_weights(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    time_limit: float = 600,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Write ``model.safetensors`` from ``pytorch_model.bin``, or from its shards.

    Args:
        folder: Folder of a BERT checkpoint.
        out: Folder to create, with copies of the settings and the vocabulary; ``model.safetensors`` is written beside
            ``pytorch_model.bin`` if left out.
        time_limit: Longest time of the process that reads the pickle, in seconds.
        log: Receives a line about each thing that was done.

    Returns:
        The folder with ``model.safetensors``.

    Raises:
        SwissbertError: If there is nothing to convert, the file holds more than tensors, or it is no BERT.
    """
    folder = Path(folder)
    if not folder.is_dir():
        is_file = "a file; name the folder that it lies in" if folder.exists() else "there is no such folder"
        raise SwissbertError(f"{folder}: {is_file}")
    target = folder if out is None else Path(out)
    sources = _sources(folder)
    read_config(folder)  # a file that cannot be used afterwards is not opened
    lines: list[str] = []

    def fill(new: Path) -> None:
        for file in [file for pattern in COPIED for file in folder.glob(pattern) if file.name not in PICKLED]:
            shutil.copyfile(file, new / file.name)
        if (folder / POOLING).is_file():
            (new / POOLING).parent.mkdir()
            shutil.copyfile(folder / POOLING, new / POOLING)
        _run(sources, new / WEIGHTS, time_limit)
        try:
            encoder, notes, _ = read_pretrained(new)
        except SwissbertError as error:  # is about the temporary file, of which nothing is left
            given = sources[0] if len(sources) == 1 else folder / PICKLED[1]
            raise SwissbertError(str(error).replace(str(new / WEIGHTS), str(given)), argument=error.argument) from error
        count = sum(parameter.numel() for parameter in encoder.parameters())
        names = ", ".join(source.name for source in sources)
        lines.append(f"{target / WEIGHTS}: written from {names}; a BERT of {count:,} parameters")
        lines.extend(note.replace(str(new), str(target)) for note in notes)

    if out is not None:
        need_name(target, "converted")
        with only_writer(target, creates_parents=True):
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise SwissbertError(
                    f"{target}: already exists and is not an empty folder; choose another one", argument="out"
                )
            write_folder(target, fill)
    else:
        weights = folder / WEIGHTS
        with only_writer(weights):
            if any((folder / name).exists() for name in (WEIGHTS, WEIGHTS_INDEX)):
                raise SwissbertError(f"{folder}: has safetensors already, so there is nothing to convert")
            with writing(weights), temporary_folder(folder, ".convert.") as new:
                fill(new)
                settle(new, new)
                (new / WEIGHTS).chmod(sources[0].stat().st_mode & 0o666)
                (new / WEIGHTS).replace(weights)
                sync_folder(folder)
    for line in lines:
        (log or _silent)(line)
    return target


def _silent(line: str) -> None:
    """Show nothing."""


def _sources(folder: Path) -> list[Path]:
    """Return the pickled files of a folder."""
    single, index = (folder / name for name in PICKLED)
    if single.is_file():
        return [single]
    if index.is_file():
        return list(shards(index))
    raise SwissbertError(f"{folder}: neither {single.name} nor {index.name} is there, so there is nothing to convert")


def _run(sources: list[Path], target: Path, time_limit: float) -> None:
    """Run the program that reads pickles, without swissbert's modules, proxies or the hub.

    Raises:
        SwissbertError: If a file is no pickle but a pointer of Git LFS, or the program fails or takes too long.
    """
    for source in sources:
        refuse_pointer(source)
    program = [
        sys.executable,
        "-P",
        unpickle.__file__,
        str(target.absolute()),
        *(str(path.absolute()) for path in sources),
    ]
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower() and "TOKEN" not in key}
    try:
        done = subprocess.run(
            program,
            env=environment | {"HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SwissbertError(
            f"{sources[0]}: not converted within {time_limit:g} seconds; is the file on a slow disk?",
            argument="time_limit",
        ) from error
    if done.returncode != 0:
        raise SwissbertError(f"{sources[0]}: {_reason(done.stderr, done.returncode)}")


def _reason(stderr: str, status: int) -> str:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    if "UnpicklingError" in stderr or "may not be written" in stderr or "is not allowed" in stderr:
        detail = next(
            (line.strip() for line in lines if "Unsupported" in line or "GLOBAL" in line or "allowed" in line), ""
        )
        return (
            "holds more than tensors, which can run code, so it is not converted"
            + (f" ({detail[:200]})" if detail else "")
            + "; ask its author for safetensors"
        )
    return f"cannot be read as weights of torch ({lines[-1][:200] if lines else f'status {status}'})"
