"""Find and read a model folder."""

import json
import math
import os.path
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from swissbert.checksums import Digest, check_files, checksum, warn
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.config_file import read_config
from swissbert.encoder.pooling import POOLINGS, check_pooling
from swissbert.encoder.stored import EncoderArrays, mismatch, read_arrays
from swissbert.errors import SwissbertError
from swissbert.family.config import BertConfig
from swissbert.kinds import Kind
from swissbert.missing import need_torch
from swissbert.model.head_layout import head_name, stored_shapes
from swissbert.model_folder import compact, layout
from swissbert.model_folder.description import Description, read_description
from swissbert.model_folder.hub import is_hub_id, pull
from swissbert.model_folder.origin import base_folder
from swissbert.model_folder.steady import read_steadily
from swissbert.paths import check_path
from swissbert.task_words import WORDS
from swissbert.weight_files import need_finite, open_file

if TYPE_CHECKING:
    from swissbert.model.heads.base import Head
    from swissbert.model.multitask import MultitaskModel

Content = TypeVar("Content")


class Stored(NamedTuple):
    """The parts of a model as a folder holds them; the network is on the CPU, in fp32 and eval mode.

    Attributes:
        network: Encoder and heads.
        tokenizer: The encoder's tokenizer.
        description: Tasks, settings, scores and provenance.
        folder: The folder.
        fingerprint: A checksum of everything that answers depend on, as it was read.
    """

    network: "MultitaskModel"
    tokenizer: Tokenizer
    description: Description
    folder: Path
    fingerprint: str


class StoredArrays(NamedTuple):
    """The parts of a model as numpy arrays, for answers without torch; further attributes as of `Stored`.

    Attributes:
        encoder: The encoder.
        outside: Tensors of heads and hidden layers by their stored names, fp32.
    """

    encoder: EncoderArrays
    outside: dict[str, np.ndarray]
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
    heads: "Mapping[str, type[Head]] | None" = None,
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
    need_torch("a model in fp32")

    def network(base: Path, folder: Path, description: Description) -> "MultitaskModel":
        return _read_network(base, folder, description, heads or {})

    return Stored(*_read(name, kinds, network))


def read_array_model(name: str | Path, kinds: Mapping[str, Kind] | None = None) -> StoredArrays:
    """Read a model whose heads are all of the package without torch; arguments and errors as for `read_model`."""
    (encoder, outside), tokenizer, description, folder, fingerprint = _read(name, kinds, _read_arrays)
    return StoredArrays(encoder, outside, tokenizer, description, folder, fingerprint)


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


def _read(
    name: str | Path, kinds: Mapping[str, Kind] | None, read: Callable[[Path, Path, Description], Content]
) -> tuple[Content, Tokenizer, Description, Path, str]:
    """Read a model by name, and its weights by a function of base folder, folder and description.

    The base folder is that of the base encoder of a compact folder, else the folder itself; vocabulary and sizes are there.
    """
    check_path(name, "model")

    def from_folder(folder: Path) -> tuple[Content, Tokenizer, Description, Path, str]:
        description = read_description(folder, kinds)
        _check_files(folder, description)
        if description.compact is None:
            return from_base(folder, folder, description)
        return read_steadily(lambda: base_folder(folder), lambda base: from_base(base, folder, description))

    def from_base(
        base: Path, folder: Path, description: Description
    ) -> tuple[Content, Tokenizer, Description, Path, str]:
        if description.compact is not None:
            compact.check(description.compact, folder, base)
        content = read(base, folder, description)
        tokenizer = _tokenizer(base, folder, description)
        return content, tokenizer, description, folder, _fingerprint(folder, description)

    return read_steadily(lambda: resolve_folder(name), from_folder)


def _read_network(
    base: Path, folder: Path, description: Description, heads: "Mapping[str, type[Head]]"
) -> "MultitaskModel":
    """Read encoder and heads as a network."""
    from swissbert.encoder.checkpoint import read_encoder
    from swissbert.model_folder.network import build_network

    encoder = read_encoder(folder) if description.compact is None else compact.read_delta(folder, base)
    _check_all(description, heads, encoder.config, folder)
    network = build_network(
        encoder, description.tasks, description.model, freeze=description.encoder.freeze, heads=heads
    )
    _load_heads(network, folder / layout.HEADS)
    return network.eval()


def _read_arrays(base: Path, folder: Path, description: Description) -> tuple[EncoderArrays, dict[str, np.ndarray]]:
    """Read encoder and heads as arrays."""
    encoder = read_arrays(folder) if description.compact is None else compact.read_delta_arrays(folder, base)
    _check_all(description, {}, encoder.config, folder)
    settings, expected = description.model, dict[str, tuple[int, ...]]()
    assert settings.pooling is not None, "descriptions name the pooling"
    check_pooling(settings.pooling, encoder.config.has_pooler)
    width = encoder.config.hidden_size * POOLINGS[settings.pooling].parts
    for task in description.tasks:
        separate = task.is_pair and not settings.pair_encoding
        head = head_name(task, settings.pair_head, separate)
        expected |= stored_shapes(task, head, width, separate=separate, layer_sharing=settings.layer_sharing)
    path = folder / layout.HEADS
    with open_file(path, "np") as weights:
        _check_shapes(expected, {name: weights.shape(name) for name in weights.names}, path)
        outside = {name: weights.array(name) for name in weights.names}
    for name, values in outside.items():
        need_finite(values, name, path)
    return encoder, outside


def _tokenizer(base: Path, folder: Path, description: Description) -> Tokenizer:
    """Read the tokenizer of a model, which for a compact folder must give the tokens that it was trained on."""
    config = read_config(base)
    is_base = description.compact is not None and compact.TOKENIZER in description.compact
    tokenizer = Tokenizer(base, config.vocab_size, token_types=config.token_types, as_stored=not is_base)
    if (
        description.compact is not None
        and description.compact.get(compact.TOKENIZER, tokenizer.fingerprint) != tokenizer.fingerprint
    ):
        raise SwissbertError(
            f"{base}: gives other tokens than when {folder} was written; use the same version of tokenizers"
        )
    return tokenizer


def _check_all(description: Description, heads: "Mapping[str, type[Head]]", config: BertConfig, folder: Path) -> None:
    """Raise SwissbertError if length, heads or sizes do not fit the encoder or the files."""
    longest, limit = description.encoder.max_length, config.max_positions
    if longest > limit:
        where = folder / layout.DESCRIPTION
        raise SwissbertError(f"{where}: encoder.max_length is {longest}, but this encoder takes at most {limit} tokens")
    _check_heads(description, heads, folder)
    _check_sizes(description, heads, config.hidden_size, folder / layout.HEADS)


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


def _check_heads(description: Description, heads: "Mapping[str, type[Head]]", folder: Path) -> None:
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


def _check_sizes(description: Description, heads: "Mapping[str, type[Head]]", size: int, path: Path) -> None:
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
    with open_file(path, "np") as weights:
        held = sum(math.prod(weights.shape(name)) for name in weights.names)
    if needed > held:
        raise SwissbertError(
            f"{path}: the tensors do not fit {layout.DESCRIPTION}: they hold {held:,} numbers, but its tasks take at least "
            f"{needed:,}"
        )


def _load_heads(network: "MultitaskModel", path: Path) -> None:
    from swissbert.model_folder.network import outside_encoder

    modules = outside_encoder(network)
    state = modules.state_dict()
    with open_file(path) as weights:
        expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
        _check_shapes(expected, {name: weights.shape(name) for name in weights.names}, path)
        stored = {name: weights.get(name) for name in weights.names}
    for name, tensor in stored.items():
        need_finite(tensor, name, path)
    modules.load_state_dict(stored)


def _check_shapes(expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise SwissbertError if the tensors of heads and hidden layers have other names or shapes than the tasks need."""
    if problems := mismatch(expected, shapes):
        raise SwissbertError(f"{path}: the tensors do not fit {layout.DESCRIPTION}: {problems}")
