"""A compact model folder: in place of the encoder its four-bit difference from the one it was fine-tuned from.

``delta.safetensors`` takes the place of ``model.safetensors``; the base encoder, which ``swissbert.json`` names, brings sizes
and vocabulary. Checksums of what lies there and of all that is read of the base stand in ``swissbert.json`` and are checked
first: they tell a file that is not the one that was meant, not an author whom nobody should trust.
"""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from swissbert.encoder import Bert
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.files import sha256
from swissbert.model_folder.delta import pack, unpack
from swissbert.model_folder.layout import DELTA, DESCRIPTION, ENCODER_FILES, HEADS


def write_delta(folder: Path, encoder: Bert, base: Path) -> None:
    """Write ``delta.safetensors``: the encoder's difference from the one in the folder `base`.

    Raises SwissbertError where the two are not of one size.
    """
    started = read_encoder(base)
    if started.config.with_dropout(0) != encoder.config.with_dropout(0):
        raise SwissbertError(f"{base}: this encoder has other sizes than the model, so it did not start from it")
    packed = pack(started.state_dict(), {name: t.detach().float().cpu() for name, t in encoder.state_dict().items()})
    save_file(packed, folder / DELTA)


def read_delta(folder: Path, base: Path) -> Bert:
    """The encoder that `write_delta` wrote, nearly. Raises SwissbertError that names file and reason."""
    encoder = read_encoder(base)
    try:
        encoder.load_state_dict(unpack(encoder.state_dict(), load_file(folder / DELTA)))
    except (OSError, SafetensorError, ValueError) as error:
        raise SwissbertError(f"{folder / DELTA}: does not fit the encoder in {base} ({error})") from error
    return encoder


def checksums(folder: Path, base: Path) -> dict[str, str]:
    """SHA-256 of the files that make the model, by name; those of the base encoder as ``base/NAME``."""
    ours = {name: sha256(folder / name) for name in (DELTA, HEADS)}
    return ours | {f"base/{name}": sha256(base / name) for name in ENCODER_FILES if (base / name).is_file()}


def check(expected: Mapping[str, str], folder: Path, base: Path) -> None:
    """Raise SwissbertError where a file is not the one that a checksum was taken of."""
    found = checksums(folder, base)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            file = base / name.removeprefix("base/") if name.startswith("base/") else folder / name
            raise SwissbertError(
                f"{file}: not the file that {folder / DESCRIPTION} has the SHA-256 of; install or copy it again"
            )
