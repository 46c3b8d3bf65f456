"""Reading and writing BERT checkpoints of Hugging Face: ``config.json`` and ``model.safetensors``, no pickles."""

import json
import re
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from swissbert.encoder.bert import Bert, BertConfig
from swissbert.errors import SwissbertError

# field of BertConfig, Hugging Face's key, lowest and highest value
_SIZES: list[tuple[str, str, int, int]] = [
    ("vocab_size", "vocab_size", 1, 2_000_000),
    ("hidden_size", "hidden_size", 1, 16_384),
    ("layers", "num_hidden_layers", 1, 200),
    ("heads", "num_attention_heads", 1, 512),
    ("intermediate_size", "intermediate_size", 1, 131_072),
    ("max_positions", "max_position_embeddings", 1, 65_536),
    ("token_types", "type_vocab_size", 1, 1_024),
]
_RATES: list[tuple[str, str, float, float, float]] = [  # the same, and the default if the key is missing
    ("norm_eps", "layer_norm_eps", 1e-20, 1e-1, 1e-12),
    ("dropout", "hidden_dropout_prob", 0.0, 0.99, 0.1),
    ("attention_dropout", "attention_probs_dropout_prob", 0.0, 0.99, 0.1),
    ("initializer_range", "initializer_range", 0.0, 10.0, 0.02),
]
# Keys that would change the computation, and the values that are implemented; the first one is the default.
_FIXED: dict[str, tuple[object, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
}

# module of Bert, Hugging Face's module; those of a layer follow "layers.N." and "encoder.layer.N."
_OUTER = [
    ("embeddings.word", "embeddings.word_embeddings"),
    ("embeddings.position", "embeddings.position_embeddings"),
    ("embeddings.token_type", "embeddings.token_type_embeddings"),
    ("embeddings.norm", "embeddings.LayerNorm"),
    ("pooler", "pooler.dense"),
]
_INNER = [
    ("qkv", ("attention.self.query", "attention.self.key", "attention.self.value")),
    ("attention_out", ("attention.output.dense",)),
    ("attention_norm", ("attention.output.LayerNorm",)),
    ("up", ("intermediate.dense",)),
    ("down", ("output.dense",)),
    ("norm", ("output.LayerNorm",)),
]


def parse_config(text: str, where: str) -> BertConfig:
    """Parse ``config.json``. Only known keys are read, and their values checked; others are ignored.

    Args:
        text: The contents of the file.
        where: Name of the file in error messages.

    Raises:
        SwissbertError: Names the key, the value and what is allowed.
    """
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SwissbertError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(table, dict):
        raise SwissbertError(f"{where}: a JSON object with the sizes of a BERT is expected")
    for key, allowed in _FIXED.items():
        value = table.get(key, allowed[0])
        if value not in allowed:
            raise SwissbertError(f"{where}: {key} is {reprlib.repr(value)}, but only {allowed[0]!r} is supported")
    values: dict[str, Any] = {}
    for ours, key, low, high in _SIZES:
        value = table.get(key)
        if type(value) is not int or not low <= value <= high:
            raise SwissbertError(
                f"{where}: {key} is {reprlib.repr(value)}; a whole number from {low} to {high} is expected"
            )
        values[ours] = value
    for ours, key, lowest, highest, default in _RATES:
        value = table.get(key, default)
        if type(value) not in (int, float) or not lowest <= value <= highest:
            raise SwissbertError(
                f"{where}: {key} is {reprlib.repr(value)}; a number from {lowest:g} to {highest:g} is expected"
            )
        values[ours] = float(value)
    if values["hidden_size"] % values["heads"]:
        raise SwissbertError(
            f"{where}: hidden_size {values['hidden_size']} is not a multiple of num_attention_heads {values['heads']}"
        )
    return BertConfig(**values)


def config_json(config: BertConfig) -> str:
    """Return ``config.json`` as transformers' ``BertModel`` reads it."""
    table: dict[str, object] = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu"}
    table |= {key: getattr(config, ours) for ours, key, *_ in _SIZES}
    table |= {key: getattr(config, ours) for ours, key, *_ in _RATES}
    return json.dumps(table | {"pad_token_id": 0}, indent=2) + "\n"


def hf_names(config: BertConfig) -> dict[str, tuple[str, ...]]:
    """Return Hugging Face's names of each parameter of `Bert`.

    A fused parameter has three, which are stacked along the first axis in this order.
    """
    names: dict[str, tuple[str, ...]] = {}
    for ours, theirs in _OUTER:
        kinds = ("weight", "bias") if ours in ("embeddings.norm", "pooler") else ("weight",)
        names |= {f"{ours}.{kind}": (f"{theirs}.{kind}",) for kind in kinds}
    for i in range(config.layers):
        for ours, parts in _INNER:
            for kind in ("weight", "bias"):
                names[f"layers.{i}.{ours}.{kind}"] = tuple(f"encoder.layer.{i}.{part}.{kind}" for part in parts)
    return names


def to_hf(encoder: Bert) -> dict[str, Tensor]:
    """Return the parameters under Hugging Face names: fp32, contiguous, detached, on the CPU."""
    state = encoder.state_dict()
    tensors: dict[str, Tensor] = {}
    for ours, theirs in hf_names(encoder.config).items():
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True):
            tensors[name] = part.detach().float().contiguous().cpu()
    return tensors


def read_encoder(folder: Path, dropout: float | None = None) -> Bert:
    """Read ``config.json`` and ``model.safetensors`` of a folder.

    Old checkpoints are supported: ``gamma``/``beta`` names of norms, a ``bert.`` prefix, the ``position_ids`` buffer
    and the heads of pretraining (``cls.``), which are ignored. Shapes are checked before memory is allocated.

    Args:
        folder: The folder.
        dropout: Both dropout rates; those of the checkpoint if None.

    Returns:
        The encoder in fp32 on the CPU, with trainable parameters.

    Raises:
        SwissbertError: Names the file, and missing, unknown or misshaped tensors.
    """
    config_file, weights = folder / "config.json", folder / "model.safetensors"
    try:
        config = parse_config(config_file.read_text(encoding="utf-8"), str(config_file))
    except (OSError, UnicodeDecodeError) as error:
        raise SwissbertError(f"{config_file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not weights.is_file():
        pickled = (folder / "pytorch_model.bin").exists()
        other = "; pytorch_model.bin exists, but pickles are never read" if pickled else ""
        raise SwissbertError(f"{weights}: no such file{other}")
    with torch.device("meta"):
        encoder = Bert(config.with_dropout(dropout), initialise=False)
    try:
        with safe_open(weights, framework="pt") as file:
            names = [name for name in file.keys() if not _ignored(name)]  # noqa: SIM118 (not a dict)
            stored = {_plain(name): name for name in names}
            shapes = {plain: tuple(file.get_slice(name).get_shape()) for plain, name in stored.items()}
            _check(encoder, shapes, names, weights)
            state = {
                ours: torch.cat([file.get_tensor(stored[part]).float() for part in theirs])
                for ours, theirs in hf_names(config).items()
            }
    except (SafetensorError, OSError) as error:
        raise SwissbertError(f"{weights}: not a readable safetensors file ({error})") from error
    encoder.load_state_dict(state, assign=True)
    for parameter in encoder.parameters():
        parameter.requires_grad_(True)
    return encoder


def write_encoder(encoder: Bert, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder, under Hugging Face names."""
    (folder / "config.json").write_text(config_json(encoder.config), encoding="utf-8")
    save_file(to_hf(encoder), folder / "model.safetensors", metadata={"format": "pt"})


def _plain(name: str) -> str:
    """Return the name of a stored tensor without the prefix and the old names of norms."""
    name = name.removeprefix("bert.")
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _shown(text: str) -> str:
    """Format text from a file for a message: control characters escaped, long text cut."""
    return text if text.isprintable() and len(text) <= 200 else reprlib.repr(text)


def _ignored(name: str) -> bool:
    return name.endswith("embeddings.position_ids") or name.startswith("cls.")


def _check(encoder: Bert, shapes: dict[str, tuple[int, ...]], names: list[str], where: Path) -> None:
    """Check the tensors of a file against the encoder.

    Args:
        encoder: The encoder, which may be on the meta device.
        shapes: Stored shapes by plain name (see `_plain`).
        names: All names in the file; the same tensor may be stored under an old and a new name.
        where: The file.

    Raises:
        SwissbertError: If they do not fit.
    """
    expected: dict[str, tuple[int, ...]] = {}
    state = encoder.state_dict()
    for ours, theirs in hf_names(encoder.config).items():
        rows, *rest = state[ours].shape
        expected |= {name: (rows // len(theirs), *rest) for name in theirs}
    repeated = [name for name, count in Counter(map(_plain, names)).items() if count > 1]
    if problems := mismatch(expected, shapes, repeated):
        raise SwissbertError(f"{where}: the tensors do not fit its config.json: {problems}")


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
    return "; ".join(
        f"{kind} {', '.join(map(_shown, names[:4]))}{f' and {len(names) - 4} more' if len(names) > 4 else ''}"
        for kind, names in problems.items()
        if names
    )
