"""What a checkpoint folder holds of an encoder: which tensors belong to it, and its parameters as numpy arrays. Does not import torch."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swissbert.encoder.config_file import read_config
from swissbert.encoder.names import hf_names, plain_name
from swissbert.encoder.shapes import parameter_shapes
from swissbert.errors import SwissbertError, clipped
from swissbert.family import MEMBERS
from swissbert.family.config import BertConfig
from swissbert.weight_files import Weights, need_finite, open_weights
from swissbert.wording import shortened

if TYPE_CHECKING:
    from torch import Tensor

NAMES_SHOWN, NAME_SHOWN, PROBLEM = 4, 100, 240
"""Tensors that a message lists, and characters of each name and of each list."""
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Stored by some versions of transformers; they hold no parameters."""
_ANCHOR = "embeddings.word_embeddings.weight"
"""Every encoder has it exactly once; what stands before it is the prefix of all names of the encoder."""

_NEVER_ZERO = ("embeddings.word.weight", "embeddings.projection.weight", "norm.weight", "qkv.weight")
"""Ends of our names of weights that are 0 everywhere in no encoder. Others may be: those of token types and positions, a pooler
that is not used, and what a layer adds where it was put in as one that changes nothing."""


class EncoderArrays(NamedTuple):
    """The parameters of an encoder as numpy arrays, fp32, by the names that `swissbert.encoder.Bert` gives them."""

    config: BertConfig
    parameters: dict[str, np.ndarray]


def read_arrays(folder: Path) -> EncoderArrays:
    """Read an encoder and its pooler without torch; see `swissbert.encoder.checkpoint.read_encoder`.

    Raises:
        SwissbertError: As `swissbert.encoder.checkpoint.read_encoder`.
    """
    config = checked_config(folder)
    names = hf_names(config)
    with open_weights(folder, framework="np") as weights:
        stored, _ = sort_names(weights, config, names, [])
        parameters = {}
        for ours, theirs in names.items():
            parts = [weights.array(stored[part]) for part in theirs]
            for part, values in zip(theirs, parts, strict=True):
                need_trained(values, ours, stored[part], weights.file)
            parameters[ours] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return EncoderArrays(config, parameters)


def checked_config(folder: Path) -> BertConfig:
    """Read ``config.json`` of a folder with weights, after refusing checkpoints of other frameworks."""
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


def sort_names(
    weights: Weights, config: BertConfig, names: Mapping[str, tuple[str, ...]], optional: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Tell the tensors of the encoder from others.

    Args:
        weights: The checkpoint.
        config: Sizes of the encoder.
        names: Hugging Face's names of each of its parameters.
        optional: Names of the pooler, which may be missing as a whole; empty where it may not.

    Returns:
        The stored name of each tensor by Hugging Face's name, and the stored names of tensors outside the encoder.

    Raises:
        SwissbertError: If tensors are missing, repeated or misshaped, or belong to the encoder but are unknown.
    """
    expected: dict[str, tuple[int, ...]] = {}
    for ours, (rows, *rest) in parameter_shapes(config).items():
        expected |= {name: (rows // len(names[ours]), *rest) for name in names[ours]}
    parts = tuple({f"{name.split('.')[0]}." for name in expected})  # "embeddings.", "encoder.", "pooler."
    tails = tuple(f".{name}" for name in expected)
    prefix = _prefix(weights.names, MEMBERS[config.member].prefix)
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


def need_trained(values: "Tensor | np.ndarray", ours: str, name: str, file: Path) -> None:
    """Refuse a tensor that no training leaves behind.

    Args:
        values: The tensor or array.
        ours: Name of the parameter that it is, or is a part of.
        name: Its name in the file.
        file: The file.

    Raises:
        SwissbertError: If it holds NaN or infinity, or is one of `_NEVER_ZERO` and 0 everywhere, as in a file of which a
            part was never written.
    """
    need_finite(values, name, file)
    if ours.endswith(_NEVER_ZERO) and not values.reshape(-1)[0] and not values.any():  # mostly the first number tells
        raise SwissbertError(
            f"{file}: all numbers of {name} are 0, as in a file that was not copied or downloaded completely; get it again"
        )


def _prefix(names: Iterable[str], usual: str) -> str:
    """Return what stands before the names of the encoder; the shortest prefix if there are several encoders."""
    prefixes = [name.removesuffix(_ANCHOR) for name in names if name == _ANCHOR or name.endswith(f".{_ANCHOR}")]
    return min(prefixes, key=len, default=usual if any(name.startswith(usual) for name in names) else "")


def names_text(names: Sequence[str]) -> str:
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
    return "; ".join(f"{kind} {clipped(names_text(names), PROBLEM)}" for kind, names in problems.items() if names)
