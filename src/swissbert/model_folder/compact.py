"""Compact model folders: the encoder is stored as its four-bit difference from the encoder it was fine-tuned from.

``delta.safetensors`` takes the place of ``model.safetensors``. Sizes and vocabulary come from the base encoder, which
``swissbert.json`` names, together with SHA-256 checksums of all files that are read. The checksums detect corruption
and mix-ups; they do not authenticate the author.
"""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from swissbert.encoder import Bert
from swissbert.encoder.checkpoint import read_encoder, read_pretrained
from swissbert.encoder.weights import FLOATS, need_finite, read_tensors
from swissbert.errors import SwissbertError
from swissbert.files import sha256
from swissbert.model_folder.delta import pack, unpack
from swissbert.model_folder.layout import DELTA, DESCRIPTION, ENCODER_FILES, HEADS, MORE_ENCODER_FILES

TOKENIZER = "tokenizer"
"""Name of the tokenizer's fingerprint among the checksums. Folders of swissbert 0.1.0 have none."""


def write_delta(folder: Path, encoder: Bert, base: Path) -> None:
    """Write ``delta.safetensors`` into a folder.

    Args:
        folder: The model folder.
        encoder: The fine-tuned encoder.
        base: Folder of the encoder that it was fine-tuned from.

    Raises:
        SwissbertError: If the two encoders differ in size, or the base has no pooler.
    """
    original, _, has_new_pooler = read_pretrained(base)
    if has_new_pooler:
        raise SwissbertError(
            f"{base}: has no pooler, so the model's is no small difference from it; keep the full folder"
        )
    if original.config.with_dropout(0) != encoder.config.with_dropout(0):
        raise SwissbertError(
            f"{base}: this encoder differs in size from the model's, which cannot have started from it"
        )
    packed = pack(original.state_dict(), {name: t.detach().float().cpu() for name, t in encoder.state_dict().items()})
    save_file(packed, folder / DELTA)


def read_delta(folder: Path, base: Path) -> Bert:
    """Read an encoder that `write_delta` wrote, up to rounding.

    Raises:
        SwissbertError: Names file and reason.
    """
    encoder = read_encoder(base)
    try:
        tuned = unpack(encoder.state_dict(), read_tensors(folder / DELTA, FLOATS | {"I32", "I64", "U8"}))
    except ValueError as error:
        raise SwissbertError(f"{folder / DELTA}: does not fit the encoder in {base} ({error})") from error
    for name, tensor in tuned.items():
        need_finite(tensor, name, folder / DELTA)
    encoder.load_state_dict(tuned)
    return encoder


def checksums(folder: Path, base: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that is read, by name; files of the base encoder are named ``base/NAME``."""
    own = {name: sha256(folder / name) for name in (DELTA, HEADS)}
    files = [base / name for name in ENCODER_FILES if (base / name).is_file()]
    files += sorted(file for pattern in MORE_ENCODER_FILES for file in base.glob(pattern))
    return own | {f"base/{file.name}": sha256(file) for file in files}


def check(expected: Mapping[str, str], folder: Path, base: Path) -> None:
    """Compare checksums.

    Args:
        expected: Checksums from ``swissbert.json``.
        folder: The model folder.
        base: Folder of the base encoder.

    Raises:
        SwissbertError: Names the first file that differs.
    """
    actual = checksums(folder, base)
    if TOKENIZER in expected:
        expected = {name: sum for name, sum in expected.items() if name != TOKENIZER}
    else:
        actual = {
            name: sum for name, sum in actual.items() if name in expected or name.removeprefix("base/") in ENCODER_FILES
        }
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            file = base / name.removeprefix("base/") if name.startswith("base/") else folder / name
            raise SwissbertError(
                f"{file}: its SHA-256 differs from that in {folder / DESCRIPTION}; install or copy it again"
            )
