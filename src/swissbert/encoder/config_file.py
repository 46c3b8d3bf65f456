"""``config.json`` of a checkpoint: sizes and rates of an encoder, and refusal of what is not of its family."""

import json
import reprlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.config import BertConfig
from swissbert.encoder.family import MEMBERS
from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped, nearest
from swissbert.reading import regular_bytes
from swissbert.safetensors_files import other_formats

NAMES = ("config.json", "bert_config.json")
"""Names of the file; the first releases had the second one."""
CONFIG_BYTES = 2**20
"""Largest file that is read."""

_SIZES = {
    "vocab_size": (1, 2_000_000),
    "hidden_size": (1, 16_384),
    "layers": (1, 200),
    "heads": (1, 512),
    "intermediate_size": (1, 131_072),
    "max_positions": (1, 65_536),
    "token_types": (1, 1_024),
    "position_offset": (0, 1_000),
    "embedding_size": (1, 16_384),
    "layer_groups": (1, 200),
}
"""Lowest and highest value of the fields of BertConfig that are whole numbers."""
_RATES = {
    "norm_eps": (1e-20, 1e-1),
    "dropout": (0.0, 0.99),
    "attention_dropout": (0.0, 0.99),
    "initializer_range": (0.0, 10.0),
}
"""The same for other numbers; they have the default of BertConfig where the file lacks them."""


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
        raise SwissbertError(f"{where}: not valid JSON ({clipped(str(error), LONGEST_QUOTE)})") from error
    if not isinstance(table, dict):
        raise SwissbertError(f"{where}: a JSON object with the sizes of a BERT is expected")
    if (kind := table.get("model_type", "bert")) not in [*MEMBERS]:
        titles = ", ".join(member.title for member in MEMBERS.values())
        raise SwissbertError(
            f"{where}: model_type is {reprlib.repr(kind)}, but only encoders of the types {', '.join(map(repr, MEMBERS))} "
            f"are read: {titles}, and models with their layers, such as MiniLM, SciBERT or FinBERT"
        )
    member = MEMBERS[kind]
    for key, allowed in member.fixed.items():
        value = table.get(key, allowed[0])
        if value not in allowed:
            raise SwissbertError(f"{where}: {key} is {reprlib.repr(value)}, but only {allowed[0]!r} is supported")
    values: dict[str, Any] = {**member.defaults, "member": kind}
    for name, key in member.keys.items():
        stated = table.get(key, member.defaults.get(name, getattr(BertConfig, name) if name in _RATES else None))
        values[name] = (
            _activation(table, key, stated, where) if name == "activation" else _number(name, key, stated, where)
        )
    if member.settle is not None:
        member.settle(values)
    if values["max_positions"] < 1:
        raise SwissbertError(
            f"{where}: {member.keys['max_positions']} is {table.get(member.keys['max_positions'])}, which leaves no position "
            f"behind those of the padding token {table.get(member.keys['position_offset'])}"
        )
    if values["hidden_size"] % values["heads"]:
        size, heads = (f"{member.keys[name]} {values[name]}" for name in ("hidden_size", "heads"))
        raise SwissbertError(f"{where}: {size} is not a multiple of {heads}")
    if (values.get("layer_groups") or 1) > values["layers"]:
        raise SwissbertError(f"{where}: has more groups of layers ({values['layer_groups']}) than layers")
    return BertConfig(**values)


def _number(name: str, key: str, value: object, where: str) -> float:
    """Check a number of the file."""
    low, high = _SIZES[name] if name in _SIZES else _RATES[name]
    if name in _SIZES and (type(value) is not int or not low <= value <= high):
        raise SwissbertError(
            f"{where}: {key} is {reprlib.repr(value)}; a whole number from {low} to {high} is expected"
        )
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise SwissbertError(f"{where}: {key} is {reprlib.repr(value)}; a number from {low:g} to {high:g} is expected")
    return value if name in _SIZES else float(value)


def read_config(folder: Path) -> BertConfig:
    """Read ``config.json`` of a folder, or ``bert_config.json``, its name in the first releases.

    Raises:
        SwissbertError: As `parse_config`, or if there is no such file.
    """
    file = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if file is None:
        raise SwissbertError(f"{folder / NAMES[0]}: no such file{_elsewhere(folder)}")
    try:
        return parse_config(regular_bytes(file, CONFIG_BYTES).decode("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SwissbertError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _elsewhere(folder: Path) -> str:
    """Return where the encoder of a folder without ``config.json`` may be; an empty string if that is not known."""
    if (folder / "adapter_config.json").is_file():
        return "; the folder holds an adapter (PEFT), which must be merged into its model first (merge_and_unload)"
    inner = sorted(file.parent.name for name in NAMES for file in folder.glob(f"*/{name}"))
    return f"; its folder '{inner[0]}' has one, so name that" if inner else other_formats(folder)


def _activation(table: dict[str, Any], key: str, stated: object, where: str) -> str:
    name = "gelu" if key not in table and stated is None else stated
    if not isinstance(name, str) or name not in ACTIVATIONS:
        hint = nearest(name, ACTIVATIONS) if isinstance(name, str) else ""
        raise SwissbertError(
            f"{where}: {key} is {reprlib.repr(name)}, but it must be one of {', '.join(ACTIVATIONS)}{hint}"
        )
    return name


def config_json(config: BertConfig) -> str:
    """Return ``config.json`` as the classes of the member in transformers read it."""
    member, values = MEMBERS[config.member], asdict(config)
    if member.unsettle is not None:
        member.unsettle(values)
    table: dict[str, object] = {"architectures": [member.model], "model_type": config.member, "pad_token_id": 0}
    table |= {key: values[name] for name, key in member.keys.items()}
    return json.dumps(table, indent=2) + "\n"
