"""Write a model folder atomically."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from swissbert.checksums import sealed
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import write_encoder
from swissbert.files import write_folder
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder import compact, layout
from swissbert.model_folder.card import card
from swissbert.model_folder.description import Description, without_paths
from swissbert.model_folder.network import outside_encoder
from swissbert.reading import sha256


def save_model(
    folder: Path,
    network: MultitaskModel,
    tokenizer: Tokenizer,
    description: Description,
    *,
    base: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a model folder atomically. Nothing in it names a path of this machine.

    Args:
        folder: Where; a model there is replaced.
        network: The encoder and heads.
        tokenizer: The encoder's tokenizer.
        description: Tasks, settings, scores and provenance.
        base: Folder of the encoder that the model was fine-tuned from, to write a compact folder with the difference
            from it; see `swissbert.model_folder.origin.base_folder`.
        extra: Further text files by name.

    Raises:
        SwissbertError: If the folder cannot be written, or `base` is an encoder of another size.
    """

    def fill(new: Path) -> None:
        state = outside_encoder(network).state_dict()
        heads = {name: tensor.detach().float().contiguous().cpu() for name, tensor in state.items()}
        save_file(heads, new / layout.HEADS)
        from_base = None
        if base is not None:
            compact.write_delta(new, network.encoder, base)
            from_base = compact.checksums(base) | {compact.TOKENIZER: tokenizer.fingerprint}
        else:
            write_encoder(network.encoder, new)
            tokenizer.save(new, description.encoder.max_length)
        for name, content in (extra or {}).items():
            (new / name).write_text(content, encoding="utf-8")
        written = description.model_copy(update={"compact": from_base, "checksums": None})
        files = [new / name for name in layout.ANSWER_FILES if (new / name).is_file()]
        text = json.dumps(sealed(_table(written), layout.DESCRIPTION, files), indent=2, ensure_ascii=False)
        (new / layout.DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        (new / layout.CARD).write_text(card(written, network.encoder.config.member), encoding="utf-8")

    write_folder(folder, fill)


def _table(description: Description) -> dict[str, Any]:
    """Return a description as JSON without local paths; an encoder that is a folder is identified by its checksum."""
    table = description.model_dump(mode="json", exclude_none=True)
    weights = layout.best_model(Path(description.encoder.name)) / layout.WEIGHTS
    if weights.is_absolute() and weights.is_file():
        status = weights.stat()
        table["provenance"]["encoder_sha256"] = _checksum(weights, status.st_size, status.st_mtime_ns)
    return without_paths(table)


@cache
def _checksum(path: Path, size: int, modified_ns: int) -> str:
    """Return the SHA-256 of a file; cached by size and time, because a run saves its model after every epoch."""
    return sha256(path)
