"""Values of settings by dotted name, such as ``train.lr``."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swissbert.config import RunConfig, make_config
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.sweeps.space import Dimension


def with_values(config: RunConfig, values: Mapping[str, Any], where: str) -> RunConfig:
    """Return settings with other values.

    Args:
        config: The settings.
        values: Values by dotted name.
        where: Name of their source in messages.

    Raises:
        SwissbertError: If a name or value is not valid, or the settings exclude each other.
    """
    table = config.model_dump(mode="json", exclude_none=True)
    for name, value in values.items():
        *path, last = name.split(".")
        part: Any = table
        for key in path:
            part = part.setdefault(key, {})
            if not isinstance(part, dict):
                raise SwissbertError(f"{where}: {name} cannot vary, because '{key}' is not a table of settings")
        part[last] = value
    return make_config(table, where, dict.fromkeys(values, where), like=config)


def value_of(config: RunConfig, name: str) -> Any:
    """Return the value of a setting by dotted name; None if it has none."""
    part: Any = config.model_dump(mode="json")
    for key in name.split("."):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def own_value(config: RunConfig, dimension: "Dimension") -> Any:
    """Return the value that settings have themselves, as the search space writes it; None if the space does not have it."""
    value = value_of(config, dimension.name)
    for choice in dimension.values.choices or []:
        with suppress(SwissbertError):  # the choice may exclude other settings
            if value_of(with_values(config, {dimension.name: choice}, "choice"), dimension.name) == value:
                return choice
    return value if dimension.covers(value) else None
