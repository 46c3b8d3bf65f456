"""Compact model folders: the encoder is stored as its four-bit difference from the encoder it was fine-tuned from.

``delta.safetensors`` takes the place of ``model.safetensors``. Sizes and vocabulary come from the base encoder, which
``swissbert.json`` names, together with the checksums of its files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from swissbert.checksums import DamagedError, check_files, checksum
from swissbert.encoder.stored import EncoderArrays, read_arrays
from swissbert.errors import SwissbertError
from swissbert.model_folder.delta import pack, unpack
from swissbert.model_folder.layout import DELTA, DESCRIPTION, ENCODER_FILES, MORE_ENCODER_FILES
from swissbert.weight_files import need_finite, read_array_file

if TYPE_CHECKING:
    from swissbert.encoder import Bert

TYPES = frozenset({"F32", "I32", "I64", "U8"})
"""Types of the tensors of a difference, by their names in safetensors."""
BASE = "base/"
"""What names of files of the base encoder begin with among the checksums."""
TOKENIZER = "tokenizer"
"""Name of the tokenizer's fingerprint among the checksums. Folders of swissbert 0.1.0 have none."""


def write_delta(folder: Path, encoder: "Bert", base: Path) -> None:
    """Write ``delta.safetensors`` into a folder.

    Args:
        folder: The model folder.
        encoder: The fine-tuned encoder.
        base: Folder of the encoder that it was fine-tuned from.

    Raises:
        SwissbertError: If the two encoders differ in size, or the base has no pooler.
    """
    from swissbert.encoder.checkpoint import read_pretrained

    original, _, has_new_pooler = read_pretrained(base)
    if has_new_pooler:
        raise SwissbertError(
            f"{base}: has no pooler, so the model's is no small difference from it; keep the full folder"
        )
    if original.config.with_dropout(0) != encoder.config.with_dropout(0):
        raise SwissbertError(
            f"{base}: this encoder differs in size from the model's, which cannot have started from it"
        )
    save_file(pack(_arrays(original), _arrays(encoder)), folder / DELTA)


def read_delta(folder: Path, base: Path) -> "Bert":
    """Read an encoder that `write_delta` wrote, up to rounding.

    Raises:
        SwissbertError: Names file and reason.
    """
    import torch

    from swissbert.encoder.checkpoint import read_encoder

    encoder = read_encoder(base)
    tuned = _unpacked(folder, base, _arrays(encoder), in_place=False)
    encoder.load_state_dict({name: torch.from_numpy(values) for name, values in tuned.items()})
    return encoder


def read_delta_arrays(folder: Path, base: Path) -> EncoderArrays:
    """Read the parameters of an encoder that `write_delta` wrote without torch; errors as of `read_delta`."""
    config, parameters = read_arrays(base)
    return EncoderArrays(config, _unpacked(folder, base, parameters, in_place=True))


def _arrays(encoder: "Bert") -> dict[str, np.ndarray]:
    """Return the parameters of an encoder as arrays, fp32."""
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in encoder.state_dict().items()}


def _unpacked(
    folder: Path, base: Path, parameters: Mapping[str, np.ndarray], *, in_place: bool
) -> dict[str, np.ndarray]:
    """Add the difference in a folder to the parameters of the encoder in `base`."""
    try:
        tuned = unpack(parameters, read_array_file(folder / DELTA, TYPES), in_place=in_place)
    except ValueError as error:
        raise SwissbertError(f"{folder / DELTA}: does not fit the encoder in {base} ({error})") from error
    for name, values in tuned.items():
        need_finite(values, name, folder / DELTA)
    return tuned


def checksums(base: Path) -> dict[str, str]:
    """Return the checksum of every file of the base encoder that is read, by name: ``base/NAME``."""
    return {f"{BASE}{file.name}": checksum(file) for file in _files(base)}


def check(expected: Mapping[str, str], folder: Path, base: Path) -> None:
    """Compare checksums.

    Args:
        expected: Those of `checksums`. In folders of swissbert 0.1.0 they are SHA-256, with those of the folder itself.
        folder: The model folder.
        base: Folder of the base encoder.

    Raises:
        SwissbertError: Names the first file that differs.
    """
    own, theirs = {}, {}
    for name, value in expected.items():
        if name.startswith(BASE):
            theirs[name.removeprefix(BASE)] = value
        elif name != TOKENIZER:
            own[name] = value
    check_files(own, folder / DESCRIPTION)
    check_files(theirs, folder / DESCRIPTION, folder=base)
    names = {file.name for file in _files(base)}
    if TOKENIZER not in expected:
        names &= set(ENCODER_FILES)
    if more := sorted(names - theirs.keys()):
        raise DamagedError(f"{base / more[0]}: was not there when {folder} was written; use the same encoder")


def _files(base: Path) -> list[Path]:
    """Return the files of an encoder that are read."""
    files = [base / name for name in ENCODER_FILES if (base / name).is_file()]
    return files + sorted(file for pattern in MORE_ENCODER_FILES for file in base.glob(pattern))
