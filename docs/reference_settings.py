"""The page of all settings, from the tree of settings and its docstrings."""

import inspect
import json
import re
import types
from collections.abc import Container
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tomli_w
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from swissbert.config import RunConfig, Stage
from swissbert.data.formats import FORMATS
from swissbert.encoder.pooling import POOLINGS
from swissbert.kinds import KINDS
from swissbert.model.heads import HEADS
from swissbert.mtl.methods import method_names
from swissbert.settings import Settings
from swissbert.task_extra import ExtraColumns, ExtraFile
from swissbert.task_files import Columns
from swissbert.tasks import HubData, Task
from swissbert.tracking import TRACKERS

LISTS: list[tuple[str, type[Settings], str]] = [
    ("stages", Stage, "Tables `[[stages]]`"),
    ("tasks", Task, "Tables `[[tasks]]`"),
    ("tasks.columns", Columns, "`columns` of a task"),
    ("tasks.extra", ExtraFile, "`extra` of a task"),
    ("tasks.extra.columns", ExtraColumns, "`columns` of an extra file"),
    ("tasks.hub", HubData, "`hub` of a task"),
]
"""Tables of settings that are values of others: their keys, classes and titles."""

NAMES = {
    "loss.weighting": method_names("own loss", "all losses"),
    "loss.surgery": ["true", "false", *method_names("gram")],
    "model.pooling": list(POOLINGS),
    "model.pair_head": list(HEADS),
    "train.trackers": list(TRACKERS),
    "tasks.kind": list(KINDS),
    "tasks.format": ["auto", *FORMATS],
    "tasks.extra.format": ["auto", *FORMATS],
}
"""What is allowed for settings that are looked up in a table of names."""

ENTRY = re.compile(r"^    (\w+): (.*(?:\n(?:        .*|[ \t]*$))*)", re.MULTILINE)
CHOSEN = re.compile(r"What is left out of (.*?) is chosen", re.DOTALL)
"""The sentence of a docstring that names settings which have no fixed default."""
NUMBERS = {int: "whole number", float: "number"}


def setting_reference() -> str:
    """Return the reference of all settings, as Markdown."""
    tables = [
        (key, field.annotation, f"`[{key}]`")
        for key, field in RunConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
    ]
    parts = [_table("", RunConfig, "Settings of the run", without={key for key, *_ in tables})]
    parts += [_table(key, settings, title) for key, settings, title in [*tables, *LISTS]]
    return "\n\n".join(parts)


def _table(prefix: str, settings: type[Settings], title: str, without: Container[str] = ()) -> str:
    """Return the section of one table of settings."""
    summary, _, attributes = (inspect.getdoc(settings) or "").partition("Attributes:\n")
    texts = {name: " ".join(text.split()) for name, text in ENTRY.findall(attributes.split("\nExample")[0])}
    chosen = CHOSEN.search(summary)
    chosen_names = re.findall(r"`(\w+)`", chosen[1]) if chosen else []
    entries = []
    for name, field in settings.model_fields.items():
        if name in without:
            continue
        key = f"{prefix}.{name}" if prefix else name
        default = "chosen when training starts if left out" if name in chosen_names else _default(field)
        facts = " · ".join(filter(None, [_allowed(key, field), default]))
        shown = name if prefix in {table for table, *_ in LISTS} else key
        entries.append(f"({key})=\n`{shown}`\n: {facts}\n\n  {texts[name]}\n")
    intro = re.sub(r"\n{3,}", "\n\n", summary.strip())
    return f"## {title}\n\n{intro}\n\n" + "\n".join(entries)


def _default(field: FieldInfo) -> str:
    """Name the default of a setting, as TOML writes it; nothing where there is none."""
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "may be left out"
    if field.default == "":
        return "may be left out"
    if field.default in ([], {}):
        return "empty if left out"
    if isinstance(field.default, list) and all(isinstance(value, str) for value in field.default):
        return f"default `{json.dumps(field.default)}`"
    if not isinstance(field.default, bool | int | float | str):
        return ""
    return f"default `{tomli_w.dumps({'key': field.default}).strip().removeprefix('key = ')}`"


def _allowed(key: str, field: FieldInfo) -> str:
    """Say which values a setting takes."""
    if key in NAMES:
        names = ", ".join(f"`{name}`" for name in NAMES[key])
        return f"list of: {names}" if get_origin(field.annotation) is list else names
    return _type(field.annotation, field.metadata)


def _type(annotation: Any, metadata: Any = ()) -> str:
    """Say in words which values a type takes."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [part for data in arguments[1:] for part in (data.metadata if isinstance(data, FieldInfo) else [data])]
        return _type(arguments[0], inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(part) for part in arguments if part is not types.NoneType))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of: {_type(arguments[0])}"
    if origin is dict:
        return f"table of: {_type(arguments[1])}"
    if origin is tuple:
        return f"list of {len(arguments)} numbers"
    if annotation is bool:
        return "`true` or `false`"
    if annotation in NUMBERS:
        return " ".join([NUMBERS[annotation], *_bounds(metadata)])
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "table"
    return "text"


def _bounds(metadata: Any) -> list[str]:
    """Say what the bounds of a number are."""
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    return [
        f"{word} {getattr(part, sign):,}"
        for sign, word in words.items()
        for part in metadata
        if getattr(part, sign, None) is not None
    ]
