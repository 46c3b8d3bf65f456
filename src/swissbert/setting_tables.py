"""Plain tables of settings, before they are validated: overrides, relative paths and differences."""

import os.path
from pathlib import Path
from typing import Any

from swissbert.errors import SwissbertError
from swissbert.settings import Settings, parse_toml


def apply_overrides(table: dict[str, Any], overrides: list[str]) -> dict[str, str]:
    """Write ``key.path=value`` overrides into a table, in place.

    Args:
        table: Nested dictionaries, as read from TOML.
        overrides: Values are TOML (``3``, ``true``, ``[1, 2]``); anything else is taken as text.

    Returns:
        The name of the override in messages, by dotted key.

    Raises:
        SwissbertError: If an override is not of this form, or leads through a value that is not a table.
    """
    sources: dict[str, str] = {}
    for override in overrides:
        source = f"override {' '.join(override.split())}"[:200]
        sources[_override(table, override, source)] = source
    return sources


def _override(table: dict[str, Any], override: str, source: str) -> str:
    """Write one override, named `source` in messages, into a table; return its dotted key."""
    path, sign, text = override.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise SwissbertError(f"{source}: write it as key=value, for instance train.lr=1e-4")
    try:
        parsed = parse_toml(f"value = {text}", source)
    except SwissbertError:  # no TOML, so it is text
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text.strip()
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise SwissbertError(f"{source}: '{key}' is not a table of settings")
    table[keys[-1]] = value
    return ".".join(keys)


def anchor(table: dict[str, Any], base: Path) -> None:
    """Make the relative paths of a recipe absolute, in place.

    An encoder's name is a path if there is such a folder; otherwise it is ``minilm`` or a hub id and stays.

    Args:
        table: The recipe.
        base: Absolute path of the recipe's folder.
    """
    data, encoder, tasks = table.get("data"), table.get("encoder"), table.get("tasks")
    distillation = table.get("distillation")
    if isinstance(data, dict) and isinstance(data.get("dir"), str) and data["dir"] != "starter":
        data["dir"] = str(base / data["dir"])
    if isinstance(encoder, dict) and isinstance(encoder.get("name"), str):
        encoder["name"] = absolute_encoder(encoder["name"], base)
    if isinstance(distillation, dict) and isinstance(names := distillation.get("teachers"), list):
        distillation["teachers"] = [absolute_model(n, base) if isinstance(n, str) else n for n in names]
    if isinstance(tasks, list):
        table["tasks"] = [_anchored_task(task, base) for task in tasks]


def _anchored_task(task: object, base: Path) -> object:
    """Return an entry of ``tasks`` in which the path of a declaration is absolute."""
    if isinstance(task, str) and task.endswith(".toml"):
        return str(base / task)
    if isinstance(task, dict) and isinstance(name := task.get("base"), str) and name.endswith(".toml"):
        return {**task, "base": str(base / name)}
    return task


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a table with other values for some keys. Where both values are tables, the keys of the new one are replaced."""
    both = {key: {**table[key], **value} for key, value in changes.items() if _are_tables(table.get(key), value)}
    return {**table, **changes, **both}


def _are_tables(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def absolute_encoder(name: str, base: Path) -> str:
    """Return the absolute path of an encoder that is a folder, relative to `base`; any other name as it is."""
    return name if name in ("", "minilm") else _absolute(name, base)


def absolute_model(name: str, base: Path) -> str:
    """Return the absolute path of a trained model that is a folder, relative to `base`; any other name as it is."""
    return name if name in ("", "mini") else _absolute(name, base)


def _absolute(name: str, base: Path) -> str:
    """Return the absolute path of a folder, relative to `base`; the name of anything else as it is."""
    path = base / name
    return str(path.absolute()) if os.path.isdir(path) else name  # unlike Path.is_dir, False for impossible names


def differences(old: Settings, new: Settings) -> list[str]:
    """List the settings in which two runs differ, sorted: dotted name and both values."""
    return [shown_change(key, *values) for key, values in changed_settings(old, new).items()]


def changed_settings(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    """Return old and new values of the settings in which two runs differ, by dotted name, sorted."""
    flat_old, flat_new = flat(old.model_dump(mode="json")), flat(new.model_dump(mode="json"))
    keys = sorted(flat_old.keys() | flat_new.keys())
    return {key: (flat_old.get(key), flat_new.get(key)) for key in keys if flat_old.get(key) != flat_new.get(key)}


def shown_change(key: str, old: object, new: object) -> str:
    """Return a changed setting in words."""
    return f"{key} ({old!r} became {new!r})"


def flat(node: object, prefix: str = "") -> dict[str, object]:
    """Return all leaves by dotted name; items of a list of tables go by their ``name``, or else by their numbers from 1.

    The order of the items is a leaf.
    """
    leaves: dict[str, object] = {}
    if isinstance(node, dict):
        children = {f"{prefix}.{key}" if prefix else str(key): value for key, value in node.items()}
    elif isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        names = [item.get("name", number) for number, item in enumerate(node, 1)]
        leaves[prefix] = names
        children = {f"{prefix}[{name}]": item for name, item in zip(names, node, strict=True)}
    else:
        return {prefix: node}
    for name, value in children.items():
        leaves |= flat(value, name)
    return leaves
