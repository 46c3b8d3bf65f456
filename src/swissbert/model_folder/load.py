"""Find and read a model folder."""

import json
import math
import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swissbert.checksums import Digest, check_files, checksum, warn
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import mismatch, read_encoder
from swissbert.encoder.weights import need_finite, open_file
from swissbert.errors import SwissbertError
from swissbert.kinds import Kind
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder import compact, layout
from swissbert.model_folder.description import Description, read_description
from swissbert.model_folder.hub import is_hub_id, pull
from swissbert.model_folder.network import build_network, outside_encoder
from swissbert.model_folder.origin import base_folder
from swissbert.model_folder.steady import read_steadily
from swissbert.paths import check_path
from swissbert.task_words import WORDS


class Stored(NamedTuple):
    """The parts of a model as a folder holds them; the network is on the CPU, in fp32 and eval mode.

    Attributes:
        network: Encoder and heads.
        tokenizer: The encoder's tokenizer.
        description: Tasks, settings, scores and provenance.
        folder: The folder.
        fingerprint: A checksum of everything that answers depend on, as it was read.
    """

    network: MultitaskModel
    tokenizer: Tokenizer
    description: Description
    folder: Path
    fingerprint: str


def resolve_folder(name: str | Path) -> Path:
    """Find a model folder by name.

    Args:
        name: ``mini``, a model folder, a run folder, or a hub id (``owner/name`` or ``owner/name@revision``). A local
            folder takes precedence over the hub.

    Raises:
        SwissbertError: If there is no such model.
    """
    path = layout.MINI if str(name) == "mini" else Path(name)
    places = [
        path,
        path / layout.BEST_MODEL,
        path / layout.REPLACED_MODEL,
        *([layout.replaced(path)] if path.name else []),
    ]
    for candidate in places * 2:  # once more, as the folder may be renamed in between
        if os.path.isfile(candidate / layout.DESCRIPTION):  # unlike Path.is_file, False for impossible names
            return candidate
    if os.path.isdir(path):
        raise SwissbertError(
            f"{path}: neither a model folder (no {layout.DESCRIPTION}) nor a run folder with a model "
            f"(no {layout.BEST_MODEL}/; training writes it after the first epoch)"
        )
    repo_id, _, revision = str(name).partition("@")
    if is_hub_id(repo_id) and not os.path.lexists(path):
        return pull(repo_id, revision or None)
    if os.path.exists(path):
        raise SwissbertError(f"{path}: a file, but a model is a folder; name the model folder or run folder")
    raise SwissbertError(f"{path}: there is no such model folder or run folder")


def read_model(
    name: str | Path,
    *,
    heads: Mapping[str, type[Head]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Stored:
    """Read a model, whole and undamaged, also while a run replaces it.

    Args:
        name: See `resolve_folder`.
        heads: Head classes from outside the package, by task name, for models that were trained with them.
        kinds: Kinds from outside the package, by name.

    Raises:
        SwissbertError: Names file and reason.
    """
    check_path(name, "model")
    return read_steadily(lambda: resolve_folder(name), lambda folder: _read(folder, heads, kinds))


def read_identity(name: str | Path, kinds: Mapping[str, Kind] | None = None) -> tuple[Description, str]:
    """Return the description and the fingerprint of a model without reading its weights; arguments as for `read_model`.

    Raises:
        SwissbertError: If there is no such model, or its description cannot be read.
    """
    check_path(name, "model")

    def read(folder: Path) -> tuple[Description, str]:
        description = read_description(folder, kinds)
        return description, _fingerprint(folder, description)

    return read_steadily(lambda: resolve_folder(name), read)


def _read(folder: Path, heads: Mapping[str, type[Head]] | None, kinds: Mapping[str, Kind] | None) -> Stored:
    description = read_description(folder, kinds)
    _check_files(folder, description)
    if description.compact is None:
        return _read_with(folder, folder, description, heads)
    return read_steadily(lambda: base_folder(folder), lambda base: _read_with(base, folder, description, heads))


def _read_with(base: Path, folder: Path, description: Description, heads: Mapping[str, type[Head]] | None) -> Stored:
    """Read a model; `base` is the folder with the vocabulary, that of the base encoder for a compact folder."""
    if description.compact is None:
        encoder = read_encoder(folder)
    else:
        compact.check(description.compact, folder, base)
        encoder = compact.read_delta(folder, base)
    longest, limit = description.encoder.max_length, encoder.config.max_positions
    if longest > limit:
        where = folder / layout.DESCRIPTION
        raise SwissbertError(f"{where}: encoder.max_length is {longest}, but this encoder takes at most {limit} tokens")
    _check_heads(description, heads or {}, folder)
    _check_sizes(description, heads or {}, encoder.config.hidden_size, folder / layout.HEADS)
    network = build_network(
        encoder, description.tasks, description.model, freeze=description.encoder.freeze, heads=heads
    )
    _load_heads(network, folder / layout.HEADS)
    is_base = description.compact is not None and compact.TOKENIZER in description.compact
    tokenizer = Tokenizer(
        base, encoder.config.vocab_size, token_types=encoder.config.token_types, as_stored=not is_base
    )
    if (
        description.compact is not None
        and description.compact.get(compact.TOKENIZER, tokenizer.fingerprint) != tokenizer.fingerprint
    ):
        raise SwissbertError(
            f"{base}: gives other tokens than when {folder} was written; use the same version of tokenizers"
        )
    return Stored(network.eval(), tokenizer, description, folder, _fingerprint(folder, description))


def _check_files(folder: Path, description: Description) -> None:
    """Compare the files of a folder with their checksums; log a line if it has none."""
    if description.checksums:
        check_files(description.checksums, folder / layout.DESCRIPTION)
    elif description.compact is None:
        warn(
            f"{folder}: was written without checksums, so damage to its files would not be noticed; save the model again to "
            "add them"
        )


def _fingerprint(folder: Path, description: Description) -> str:
    """Return a checksum of a description and of the files that it has checksums of, or of those that are there."""
    sums = {**(description.compact or {}), **(description.checksums or {})}
    sums.pop(layout.DESCRIPTION, None)
    for name in layout.ANSWER_FILES:
        if name not in sums and (folder / name).is_file():
            sums[name] = checksum(folder / name)
    digest = Digest()
    unread: Any = {"checksums": True, "tasks": {"__all__": set(WORDS)}}
    digest.update(json.dumps([description.model_dump(mode="json", exclude=unread), sorted(sums.items())]).encode())
    return digest.checksum


def _check_heads(description: Description, heads: Mapping[str, type[Head]], folder: Path) -> None:
    """Raise SwissbertError if heads from outside the package are missing, are others, or belong to no task."""
    tasks = [task.name for task in description.tasks]
    for name in heads:
        if name not in tasks:
            raise SwissbertError(f"heads has an entry for '{name}', but the tasks are {', '.join(tasks)}")
    recorded = description.provenance.get("heads", {})
    for name, path in recorded.items() if isinstance(recorded, dict) else ():
        expected = str(path).rpartition(".")[2]
        if name not in heads or heads[name].__name__ != expected:
            raise SwissbertError(
                f"{folder}: task '{name}' was trained with the head {path}, which is not part of swissbert; pass "
                f"heads={{'{name}': {expected}}}"
            )


def _check_sizes(description: Description, heads: Mapping[str, type[Head]], size: int, path: Path) -> None:
    """Raise SwissbertError if the heads that a description asks for are larger than those in the file, before any is made.

    Args:
        description: The description.
        heads: Head classes from outside the package, which may have any size.
        size: Hidden size of the encoder.
        path: The file of the heads.
    """
    own = [task for task in description.tasks if task.name not in heads]
    needed = sum((task.outputs - 1) * size for task in own)  # a cosine has one output and no weights
    if description.model.layer_sharing:
        layers = sum(not task.is_pair for task in own) + any(task.is_pair for task in own)
        needed += layers * size**2
    with open_file(path) as weights:
        held = sum(math.prod(weights.shape(name)) for name in weights.names)
    if needed > held:
        raise SwissbertError(
            f"{path}: the tensors do not fit {layout.DESCRIPTION}: they hold {held:,} numbers, but its tasks take at least "
            f"{needed:,}"
        )


def _load_heads(network: MultitaskModel, path: Path) -> None:
    modules = outside_encoder(network)
    state = modules.state_dict()
    with open_file(path) as weights:
        problems = mismatch(
            {name: tuple(tensor.shape) for name, tensor in state.items()},
            {name: weights.shape(name) for name in weights.names},
        )
        if problems:
            raise SwissbertError(f"{path}: the tensors do not fit {layout.DESCRIPTION}: {problems}")
        stored = {name: weights.get(name) for name in weights.names}
    for name, tensor in stored.items():
        need_finite(tensor, name, path)
    modules.load_state_dict(stored)
