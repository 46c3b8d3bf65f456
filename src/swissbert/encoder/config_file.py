"""``config.json`` of a checkpoint: sizes and rates of a BERT, and refusal of everything that is not one."""

import json
import reprlib
from pathlib import Path
from typing import Any

from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.bert import BertConfig
from swissbert.encoder.weights import other_formats
from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped, nearest
from swissbert.reading import regular_bytes

NAMES = ("config.json", "bert_config.json")
"""Names of the file; the first releases had the second one."""
CONFIG_BYTES = 2**20
"""Largest file that is read."""

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
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
}


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
    if (kind := table.get("model_type", "bert")) != "bert":
        raise SwissbertError(
            f"{where}: model_type is {reprlib.repr(kind)}, but only encoders of the type 'bert' are read: BERT in any "
            "size and language, and models with its layers, such as MiniLM, SciBERT or FinBERT; not RoBERTa, DistilBERT, "
            "ALBERT, ELECTRA or DeBERTa"
        )
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
    values["activation"] = _activation(table, where)
    if values["hidden_size"] % values["heads"]:
        raise SwissbertError(
            f"{where}: hidden_size {values['hidden_size']} is not a multiple of num_attention_heads {values['heads']}"
        )
    return BertConfig(**values)


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


def _activation(table: dict[str, Any], where: str) -> str:
    name = table.get("hidden_act", "gelu")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        hint = nearest(name, ACTIVATIONS) if isinstance(name, str) else ""
        raise SwissbertError(
            f"{where}: hidden_act is {reprlib.repr(name)}, but it must be one of {', '.join(ACTIVATIONS)}{hint}"
        )
    return name


def config_json(config: BertConfig) -> str:
    """Return ``config.json`` as transformers' ``BertModel`` reads it."""
    table: dict[str, object] = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": config.activation}
    table |= {key: getattr(config, ours) for ours, key, *_ in _SIZES}
    table |= {key: getattr(config, ours) for ours, key, *_ in _RATES}
    return json.dumps(table | {"pad_token_id": 0}, indent=2) + "\n"
