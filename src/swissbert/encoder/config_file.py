"""``config.json`` of a checkpoint: sizes and rates of an encoder, and refusal of what is not of its family."""

import json
import reprlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from swissbert.encoder.activation_names import ACTIVATION_NAMES
from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped, nearest
from swissbert.family import MEMBERS
from swissbert.family.config import BertConfig
from swissbert.reading import regular_bytes
from swissbert.weight_files import other_formats

NAMES = ("config.json", "bert_config.json")
"""Names of the file; the first releases had the second one."""
CONFIG_BYTES = 2**20
"""Largest file that is read."""

_BOUNDS: dict[str, tuple[float, float]] = {
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
    "norm_eps": (1e-20, 1e-1),
    "dropout": (0.0, 0.99),
    "attention_dropout": (0.0, 0.99),
    "initializer_range": (0.0, 10.0),
}
"""Lowest and highest value of the fields of BertConfig that are numbers, whole ones where these are."""
_OPTIONAL = ("norm_eps", "dropout", "attention_dropout", "initializer_range", "activation")
"""Fields that have the default of BertConfig where the file states none."""


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
        usual = member.defaults.get(name, getattr(BertConfig, name) if name in _OPTIONAL else None)
        check = _activation if name == "activation" else _number
        is_null = key in table and table[key] is None and None in member.fixed.get(key, ())
        values[name] = check(name, f"{where}: {key}", usual if is_null else table.get(key, usual))
    if member.settle is not None:
        member.settle(values)
    if values["max_positions"] < 1:
        key = member.keys["max_positions"]
        raise SwissbertError(f"{where}: {key} is {table.get(key)}, which leaves none behind that of the padding token")
    if values["hidden_size"] % values["heads"]:
        size, heads = (f"{member.keys[name]} {values[name]}" for name in ("hidden_size", "heads"))
        raise SwissbertError(f"{where}: {size} is not a multiple of {heads}")
    if values.get("layer_groups", 1) > values["layers"]:
        raise SwissbertError(
            f"{where}: has {values['layers']} layers in {values['layer_groups']} groups, which are too many"
        )
    return BertConfig(**values)


def _number(name: str, where: str, value: Any) -> float:
    low, high = _BOUNDS[name]
    is_whole = isinstance(low, int)
    if type(value) not in ((int,) if is_whole else (int, float)) or not low <= value <= high:
        kind, bounds = ("whole number", f"{low} to {high}") if is_whole else ("number", f"{low:g} to {high:g}")
        raise SwissbertError(f"{where} is {reprlib.repr(value)}; a {kind} from {bounds} is expected")
    return value if is_whole else float(value)


def _activation(_: str, where: str, value: object) -> str:
    if not isinstance(value, str) or value not in ACTIVATION_NAMES:
        hint = nearest(value, ACTIVATION_NAMES) if isinstance(value, str) else ""
        raise SwissbertError(
            f"{where} is {reprlib.repr(value)}, but it must be one of {', '.join(ACTIVATION_NAMES)}{hint}"
        )
    return value


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


def config_json(config: BertConfig) -> str:
    """Return ``config.json`` as the classes of the member in transformers read it."""
    member, values = MEMBERS[config.member], asdict(config)
    if member.unsettle is not None:
        member.unsettle(values)
    table: dict[str, object] = {"architectures": [member.model], "model_type": config.member, "pad_token_id": 0}
    table |= {key: values[name] for name, key in member.keys.items()}
    return json.dumps(table, indent=2) + "\n"
