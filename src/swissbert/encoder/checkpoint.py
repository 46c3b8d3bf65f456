"""Reading and writing checkpoints of Hugging Face: ``config.json`` and ``model.safetensors``, no pickles."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from swissbert.encoder.bert import Bert
from swissbert.encoder.config_file import config_json, read_config
from swissbert.encoder.names import hf_names, plain_name, to_hf
from swissbert.encoder.weights import Weights, need_finite, open_weights
from swissbert.errors import SwissbertError, clipped
from swissbert.family import MEMBERS
from swissbert.family.config import BertConfig
from swissbert.wording import shortened

NAMES_SHOWN, NAME_SHOWN, PROBLEM = 4, 100, 240
"""Tensors that a message lists, and characters of each name and of each list."""


class Pretrained(NamedTuple):
    """An encoder, lines about what of its checkpoint is new or was left behind, and whether the pooler is new."""

    encoder: Bert
    notes: list[str]
    has_new_pooler: bool = False


def read_encoder(folder: Path, dropout: float | None = None) -> Bert:
    """Read an encoder and its pooler from a folder; see `read_pretrained`.

    Args:
        folder: The folder.
        dropout: Both dropout rates; those of the checkpoint if None.

    Raises:
        SwissbertError: As `read_pretrained`, and if the checkpoint has no pooler.
    """
    return _read(folder, dropout, None).encoder


def read_pretrained(folder: Path, dropout: float | None = None, *, seed: int = 0) -> Pretrained:
    """Read ``config.json`` and ``model.safetensors``, or its shards, of a folder.

    Whatever wraps the encoder is recognised by the prefix of its names (``bert.``, ``module.``, ``model.encoder.``), and
    ``gamma``/``beta`` of old norms are renamed. Tensors outside the encoder, such as classifiers and the heads of
    pretraining, are left behind; a missing pooler is replaced by a new one. Shapes are checked before memory is
    allocated.

    Args:
        folder: The folder.
        dropout: Both dropout rates; those of the checkpoint if None.
        seed: Seed of a new pooler.

    Returns:
        The encoder in fp32 on the CPU, with trainable parameters, and notes.

    Raises:
        SwissbertError: Names the file, and missing, unknown or misshaped tensors.
    """
    return _read(folder, dropout, seed)


def write_encoder(encoder: Bert, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder, under Hugging Face names."""
    (folder / "config.json").write_text(config_json(encoder.config), encoding="utf-8")
    save_file(to_hf(encoder), folder / "model.safetensors", metadata={"format": "pt"})


def _read(folder: Path, dropout: float | None, seed: int | None) -> Pretrained:
    config = _config(folder).with_dropout(dropout)
    with torch.device("meta"):
        encoder = Bert(config, initialise=False)
    names = hf_names(config)
    notes = []
    with open_weights(folder) as weights:
        poolers = [name for ours, theirs in names.items() if ours.startswith("pooler.") for name in theirs]
        stored, left = _sort(weights, encoder, names, [] if seed is None else poolers)
        if left:
            notes.append(f"{weights.file}: {_joined(left)} left behind, because only the encoder is used")
        has_new_pooler = bool(poolers) and not any(name in stored for name in poolers)
        if has_new_pooler:
            notes.append(f"{weights.file}: no pooler, so it begins with new weights")
        state = {
            ours: torch.cat([weights.get(stored[part]).float() for part in theirs])
            for ours, theirs in names.items()
            if theirs[0] in stored
        }
    for name, tensor in state.items():
        need_finite(tensor, " and ".join(stored[part] for part in names[name]), weights.file)
    if seed is not None and has_new_pooler:
        state |= _new_pooler(config, seed)
    encoder.load_state_dict(state, assign=True)
    for parameter in encoder.parameters():
        parameter.requires_grad_(True)
    return Pretrained(encoder, notes, has_new_pooler)


_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Stored by some versions of transformers; they hold no parameters."""
_ANCHOR = "embeddings.word_embeddings.weight"
"""Every encoder has it exactly once; what stands before it is the prefix of all names of the encoder."""


def _config(folder: Path) -> BertConfig:
    tensorflow = sorted([*folder.glob("*.ckpt.index"), *folder.glob("tf_model.h5"), *folder.glob("flax_model.msgpack")])
    others = [*folder.glob("*.safetensors*"), *folder.glob("pytorch_model*.bin*")]
    if tensorflow and not others:
        kind = "Flax" if tensorflow[0].suffix == ".msgpack" else "TensorFlow"
        raise SwissbertError(
            f"{tensorflow[0]}: a {kind} checkpoint, but safetensors are expected; transformers before version 5 converts "
            f"it: BertForPreTraining.from_pretrained(THIS_FILE, from_{'flax' if kind == 'Flax' else 'tf'}=True, "
            "config=BertConfig.from_json_file(ITS_CONFIG)).save_pretrained(NEW_FOLDER)"
        )
    return read_config(folder)


def _new_pooler(config: BertConfig, seed: int) -> dict[str, Tensor]:
    """Return a pooler as BERT initialises it. The default generator is not used, so heads stay the same."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(config.hidden_size, config.hidden_size, generator=generator) * config.initializer_range
    return {"pooler.weight": weight, "pooler.bias": torch.zeros(config.hidden_size)}


def _sort(
    weights: Weights, encoder: Bert, names: Mapping[str, tuple[str, ...]], optional: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Tell the tensors of the encoder from others.

    Args:
        weights: The checkpoint.
        encoder: The encoder, which may be on the meta device.
        names: Hugging Face's names of each of its parameters.
        optional: Names of the pooler, which may be missing as a whole; empty where it may not.

    Returns:
        The stored name of each tensor by Hugging Face's name, and the stored names of tensors outside the encoder.

    Raises:
        SwissbertError: If tensors are missing, repeated or misshaped, or belong to the encoder but are unknown.
    """
    expected: dict[str, tuple[int, ...]] = {}
    for ours, tensor in encoder.state_dict().items():
        rows, *rest = tensor.shape
        expected |= {name: (rows // len(names[ours]), *rest) for name in names[ours]}
    parts = tuple({f"{name.split('.')[0]}." for name in expected})  # "embeddings.", "encoder.", "pooler."
    tails = tuple(f".{name}" for name in expected)
    prefix = _prefix(weights.names, MEMBERS[encoder.config.member].prefix)
    inside, left, repeated = [], [], []
    for name in weights.names:
        plain = plain_name(name.removeprefix(prefix)) if name.startswith(prefix) else ""
        if plain.startswith(parts):
            inside += [] if plain in _BUFFERS else [(plain, name)]
        elif f".{plain_name(name)}".endswith(tails) or "crossattention" in name:
            repeated.append(name)  # a second encoder, or a decoder
        elif not name.endswith(_BUFFERS):
            left.append(name)
    repeated += [name for name, count in Counter(plain for plain, _ in inside).items() if count > 1]
    stored = dict(inside)
    shapes = {plain: weights.shape(name) for plain, name in inside}
    if not any(name in stored for name in optional):
        expected = {name: shape for name, shape in expected.items() if name not in optional}
    if problems := mismatch(expected, shapes, repeated):
        raise SwissbertError(f"{weights.file}: the tensors do not fit its config.json: {problems}")
    return stored, sorted(left)


def _prefix(names: Iterable[str], usual: str) -> str:
    """Return what stands before the names of the encoder; the shortest prefix if there are several encoders."""
    prefixes = [name.removesuffix(_ANCHOR) for name in names if name == _ANCHOR or name.endswith(f".{_ANCHOR}")]
    return min(prefixes, key=len, default=usual if any(name.startswith(usual) for name in names) else "")


def _joined(names: Sequence[str]) -> str:
    """Join names from a file for a message: control characters escaped, long text cut."""
    return shortened([clipped(name if name.isprintable() else repr(name), NAME_SHOWN) for name in names], NAMES_SHOWN)


def mismatch(
    expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]], repeated: Sequence[str] = ()
) -> str:
    """Describe how stored tensors differ from the expected ones; an empty string if they do not.

    Args:
        expected: Expected shapes by name.
        shapes: Stored shapes by name.
        repeated: Names that are stored more than once.
    """
    problems = {
        "missing": sorted(expected.keys() - shapes.keys()),
        "unknown": sorted(shapes.keys() - expected.keys()),
        "repeated": sorted(repeated),
        "misshaped": sorted(
            f"{name} {list(shapes[name])} instead of {list(expected[name])}"
            for name in expected.keys() & shapes.keys()
            if shapes[name] != expected[name]
        ),
    }
    return "; ".join(f"{kind} {clipped(_joined(names), PROBLEM)}" for kind, names in problems.items() if names)
