"""The base of every settings table, and how validation errors are worded."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped, nearest
from swissbert.reading import DEEPEST, is_deep, regular_bytes

TOML_BYTES = 2**20
"""Largest TOML file that is read."""
TOML_PARTS = 200_000
"""Most keys, dots of keys, values and lists of a TOML file, each of which takes up to a kilobyte of memory."""
KEY_PARTS = 20
"""Most parts of a dotted key; the time that tomllib takes grows with their square."""
_LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{KEY_PARTS}}}""")


MOST_KEYS, MOST_ENTRIES = 1_000, 150_000
"""Most keys of a table of settings, known or not, and most entries of a table that is a value, such as scores."""
MOST_ERRORS = 20_000
"""Errors of one table that are looked at, each of which takes a kilobyte of memory."""


class Settings(BaseModel):
    """Base of every settings table: unknown keys are errors, and a validated table is immutable."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=False, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    @model_validator(mode="before")
    @classmethod
    def _few_keys(cls, table: object) -> object:
        """Refuse a table of very many keys at once, instead of with an error for each."""
        if not isinstance(table, dict):
            return table
        if len(table) > MOST_KEYS:
            raise ValueError(f"a table has {len(table):,} keys, but the keys here are {', '.join(cls.model_fields)}")
        for key, value in table.items():
            if isinstance(value, dict) and len(value) > MOST_ENTRIES:
                raise ValueError(f"{shown(key)} has {len(value):,} entries, but at most {MOST_ENTRIES:,} are read")
        return table


S = TypeVar("S", bound=Settings)


def validated(
    model: type[S],
    table: object,
    where: str,
    overrides: Mapping[str, str] | None = None,
    context: Mapping[str, object] | None = None,
) -> S:
    """Validate a table of settings.

    Args:
        model: The settings class.
        table: Nested dictionaries, as read from TOML or JSON.
        where: Name of the source in error messages, usually a path.
        overrides: Dotted keys that came from elsewhere, with the name of that source.
        context: Passed on to pydantic validators.

    Raises:
        SwissbertError: One sentence that names source, key, value and what is allowed.
    """
    try:
        return model.model_validate(table, context=dict(context) if context else None)
    except ValidationError as error:
        raise explain(error, model, where, overrides) from error
    except UnicodeEncodeError as error:  # a lone surrogate, which JSON and command lines can contain
        raise SwissbertError(f"{where}: there is a key that is not Unicode text") from error


USUAL_NAMES = {
    "train.lr": ("lr", "learning_rate"),
    "train.epochs": ("epochs", "num_epochs", "num_train_epochs", "n_epochs", "max_epochs"),
    "train.batch_size": ("batch_size", "batchsize", "per_device_train_batch_size", "train_batch_size"),
    "train.max_steps": ("max_steps",),
    "train.accumulation": ("gradient_accumulation_steps", "gradient_accumulation", "accumulate_grad_batches"),
    "train.warmup": ("warmup_ratio", "warmup_proportion"),
    "train.clip": ("max_grad_norm", "gradient_clip_val"),
    "train.schedule": ("lr_scheduler_type", "scheduler"),
    "train.patience": ("patience", "early_stopping_patience"),
    "train.best_by": ("metric_for_best_model",),
    "encoder.max_length": ("max_length", "max_seq_length", "max_len"),
    "encoder.name": ("model_name_or_path", "model_name", "pretrained_model_name_or_path"),
    "columns.text": ("text_column", "text_col"),
    "columns.label": ("label_column", "label_col", "target_column"),
    "range": ("scale_range", "label_range"),
    "labels": ("label_names", "class_names", "classes"),
}
"""Settings by the names that other programs have for them, and those that are often put into the wrong table."""


EXAMPLES = {
    "ExtraFile": '{ file = "more.tsv", share = 0.5 }',
    "Stage": '{ name = "first", share = 0.5 }',
    "Task": '{ base = "sst" }',
    "Columns": '{ text = "text", label = "label" }',
    "ExtraColumns": '{ text = "phrase" }',
    "HubData": '{ dataset = "OWNER/NAME" }',
}
"""Tables of settings by the names of their classes, for messages about values that are no tables."""


def _usual_name(model: type[BaseModel], path: Sequence[object]) -> str:
    """Return where a setting is that has another name in other programs, or stands in the wrong table; else nothing."""
    for name, others in USUAL_NAMES.items():
        if path[-1] in others and ".".join(map(str, path)) != name and _has(model, name):
            return f"; write {name}"
    return ""


def _has(model: type[BaseModel], name: str) -> bool:
    """Whether a settings class has a key, given by its dotted name."""
    first, _, rest = name.partition(".")
    if first not in model.model_fields:
        return False
    inner = model.model_fields[first].annotation
    return not rest or (isinstance(inner, type) and issubclass(inner, BaseModel) and _has(inner, rest))


def explain(
    error: ValidationError, model: type[BaseModel], where: str, overrides: Mapping[str, str] | None = None
) -> SwissbertError:
    """Word the most helpful of pydantic's errors in one sentence: source, key, value and what is allowed.

    An unknown key is reported before a missing one, because it is often the missing key misspelt. `overrides` maps
    dotted keys to the source they came from; the source of the offending key is named instead of `where`.
    """
    if (count := error.error_count()) > MOST_ERRORS:
        return SwissbertError(f"{where}: {count:,} keys and values are not valid")
    errors = error.errors(include_url=False)
    first = next((entry for entry in errors if entry["type"] == "extra_forbidden"), errors[0])
    path, known, description = _locate(model, first["loc"])
    key = ".".join(map(str, path))
    message = first["msg"].removeprefix("Value error, ") if first["type"] == "value_error" else ""
    keys = [key]
    if message:
        keys = [word for word in message.replace(":", " ").split() if "." in word or word in ("tasks", "stages")]
    for name, source in (overrides or {}).items():
        is_within = f"{key}.".startswith(f"{name}.")  # also where the message has no dotted key
        if is_within or any(f"{one}.".startswith(f"{name}.") or f"{name}.".startswith(f"{one}.") for one in keys):
            where = source
    if first["type"] == "extra_forbidden" or first["loc"][-1:] == ("[key]",):
        hint = nearest(str(path[-1]), known) or _usual_name(model, path) or f" (the keys here are {', '.join(known)})"
        return SwissbertError(f"{where}: unknown key {shown(key)}{hint}")
    if first["type"] == "missing":
        return SwissbertError(f"{where}: '{key}' is missing and has no default")
    if first["type"] == "too_short":
        return SwissbertError(f"{where}: {key} is missing: name at least one")
    if message:
        return SwissbertError(f"{where}: {message if message.startswith(key) else f'{key}: {message}'}")
    messages = [_in_words(entry) for entry in errors if _locate(model, entry["loc"])[0] == path]  # several for a union
    if first["type"] == "string_pattern_mismatch" and description:
        messages = [description]
    allowed = list(dict.fromkeys(text[0].lower() + text[1:] for text in messages))
    rest = [text.removeprefix("input should be ") for text in allowed[1:]]
    given = str(value).lower() if isinstance(value := first["input"], bool) else shown(value)  # as TOML has it
    return SwissbertError(f"{where}: '{key or 'the table'}' is {given}; {', or '.join([allowed[0], *rest])}")


def _in_words(entry: Any) -> str:
    """Return the message of an error of pydantic; where a table is expected with an example of it."""
    if entry["type"] not in ("model_type", "dataclass_type"):
        return str(entry["msg"])
    example = EXAMPLES.get(entry.get("ctx", {}).get("class_name", ""))
    return "a table is expected" + (f", such as {example}" if example else "")


def shown(value: object) -> str:
    """Format a value for a message: on one line, cut to 200 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to format integers of more than 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _locate(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[int | str], list[str], str | None]:
    """Translate pydantic's location of an error into the user's terms.

    Returns the path as written in the file, the keys allowed at its last level, and the field's description. Parts
    that pydantic adds (the branch of a union, ``[key]`` for the key of a table) are left out.
    """
    path: list[int | str] = []
    known: list[str] = []
    description: str | None = None
    annotation: Any = model
    for part in loc:
        branches = [branch for branch in get_args(annotation) if branch is not type(None)]
        if len(branches) == 1 and get_origin(annotation) is not list:  # X | None
            annotation = branches[0]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            known = list(annotation.model_fields)
            field = annotation.model_fields.get(str(part))
            annotation, description = (field.annotation, field.description) if field else (None, None)
        elif get_origin(annotation) is dict:
            keys, annotation = get_args(annotation)
            known = list(get_args(keys))
        elif isinstance(part, int):
            annotation = get_args(annotation)[0] if get_origin(annotation) is list else None
        else:
            continue
        path.append(part)
    return path, known, description


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        SwissbertError: If the file cannot be read as UTF-8 text or is not TOML, which names file and line; or if it is
            larger or nested deeper than any file of settings.
    """
    try:
        text = regular_bytes(path, TOML_BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SwissbertError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:
        name = str(path) if str(path).isprintable() else shown(str(path))
        raise SwissbertError(
            f"{name}: cannot be read as UTF-8 text ({getattr(error, 'strerror', None) or error})"
        ) from error
    return parse_toml(text, str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse TOML of bounded size.

    Args:
        text: The contents of the file.
        where: Name of the file in messages.

    Raises:
        SwissbertError: If it is not TOML, or is larger or nested deeper than any file of settings.
    """
    if sum(map(text.count, "[{=,.")) > TOML_PARTS or _LONG_KEY.search(text):
        raise SwissbertError(
            f"{where}: not read as TOML, because it has more than {TOML_PARTS:,} keys and values, or a key of more than "
            f"{KEY_PARTS} parts"
        )
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError covers integers of thousands of digits
        raise SwissbertError(f"{where}: not valid TOML: {clipped(str(error), LONGEST_QUOTE)}") from error
    if is_deep(table):
        raise SwissbertError(f"{where}: not read as TOML, because it is nested more than {DEEPEST} deep")
    return table
