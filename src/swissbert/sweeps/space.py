"""The search space of a sweep: which settings vary and over which values, checked against the tree of settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from swissbert.config import RunConfig
from swissbert.errors import SwissbertError
from swissbert.settings import Settings, read_toml, shown, validated
from swissbert.sweeps.setting_values import with_values

Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]
Choice = Annotated[bool, Field(strict=True)] | Number | Annotated[str, Field(strict=True)]

FORMS = "{ low = 1e-5, high = 1e-3, log = true } or { choices = [16, 32] }"
"""Examples of the values of a setting, for messages."""
_ROWS = "changes which rows or scores are compared"
FIXED = {
    "name": "names the run, and each trial has a name of its own",
    "seed": "decides by chance; train the best recipe with several seeds instead",
    "tasks": "is a list",
    "stages": "is a list",
    "data.dir": _ROWS,
    "data.limit": _ROWS,
    "data.bad_rows": _ROWS,
    "data.max_bad": _ROWS,
    "train.best_by": _ROWS,
}
"""Settings that cannot vary, and why."""
DIGITS = 6
"""Significant digits of a number that is tried."""


class Values(Settings):
    """What a setting is varied over, as a space file has it: a range or a list.

    Attributes:
        low: Lowest value.
        high: Highest value.
        step: Distance of the values between them; any value if left out, or any whole number.
        log: Whether values are drawn evenly on a logarithmic scale.
        choices: The values of a list.
    """

    low: Number | None = None
    high: Number | None = None
    step: Number | None = None
    log: bool = Field(default=False, strict=True)
    choices: list[Choice] | None = None

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        if self.choices is not None:
            if self.model_fields_set != {"choices"}:
                raise ValueError("choices is a list of all values, so low, high, step and log do not go with it")
            if len(self.choices) < 2:
                raise ValueError(f"choices is {shown(self.choices)}, but at least two values are expected")
            if repeated := [one for i, one in enumerate(self.choices) if one in self.choices[:i]]:
                raise ValueError(f"choices has {shown(repeated[0])} twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError(f"low and high, or choices, are expected, such as {FORMS}")
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}, but low must be less than high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}, but with log = true it must be greater than 0")
        if self.step is not None:
            self._check_step(Decimal(str(self.low)), Decimal(str(self.high)), Decimal(str(self.step)))
        return self

    def _check_step(self, low: Decimal, high: Decimal, step: Decimal) -> None:
        """Raise ValueError if steps do not lead from the lowest value to the highest."""
        if self.log:
            raise ValueError("step and log = true exclude each other")
        if step <= 0:
            raise ValueError(f"step is {self.step}, but it must be greater than 0")
        if (high - low) % step:
            last = low + (high - low) // step * step
            raise ValueError(f"steps of {self.step} lead from low = {self.low} to {last}, not to high = {self.high}")


@dataclass(frozen=True)
class Dimension:
    """A setting that varies.

    Attributes:
        name: Its dotted name.
        values: Its values, both ends of a range as whole numbers only if the setting takes no others.
    """

    name: str
    values: Values

    @property
    def is_list(self) -> bool:
        """Whether it has a list of values."""
        return self.values.choices is not None

    @property
    def ends(self) -> list[Any]:
        """The values of a list, or both ends of a range."""
        values = self.values
        return list(values.choices) if values.choices is not None else [values.low, values.high]

    def covers(self, value: object) -> bool:
        """Return whether a value is one of a range."""
        low, high, step = self.values.low, self.values.high, self.values.step
        if low is None or high is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        places = (value - low) / step if step else 0.0
        return low <= value <= high and abs(places - round(places)) < 1e-8

    def rounded(self, value: Any) -> Any:
        """Return a value as it is written into settings: a number with few digits, inside the range."""
        if self.is_list or not isinstance(value, float):
            return value
        assert self.values.low is not None
        assert self.values.high is not None
        return min(max(float(f"{value:.{DIGITS}g}"), float(self.values.low)), float(self.values.high))

    def in_words(self) -> str:
        """Return its values in words: ``1e-05 to 0.001, logarithmic``."""
        values = self.values
        if values.choices is not None:
            return ", ".join(map(value_text, values.choices))
        extent = f"{value_text(values.low)} to {value_text(values.high)}"
        if values.step is not None:
            return f"{extent} in steps of {value_text(values.step)}"
        return f"{extent}, logarithmic" if values.log else extent


def value_text(value: object) -> str:
    """Format a value of a setting: as TOML has it, a text without quotes, ``none`` for no value."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def read_space(space: str | Path | Mapping[str, Any], config: RunConfig) -> list[Dimension]:
    """Read the search space of a sweep, and check each of its values against the tree of settings.

    Args:
        space: Path of a TOML file, or its contents: dotted names of settings, each with
            ``{ low = ..., high = ..., step = ..., log = ... }`` or ``{ choices = [...] }``.
        config: The recipe, whose other settings the values have to fit.

    Raises:
        SwissbertError: If a name, range or value is not valid; names the setting, the value and what is allowed.
    """
    where = "space" if isinstance(space, Mapping) else str(space)
    table = dict(space) if isinstance(space, Mapping) else read_toml(Path(space))
    named = _named(table, where)
    if not named:
        raise SwissbertError(f"{where}: names no setting; write a line such as train.lr = {FORMS.partition(' or')[0]}")
    dimensions = [_dimension(name, values, config, where) for name, values in named.items()]
    for dimension in dimensions:
        _check_values(dimension, dimensions, config, where)
    return dimensions


def _named(table: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, Any]:
    """Return the tables of values by dotted name: ``"train.lr" = {}``, ``train.lr = {}`` and ``[train]`` mean the same."""
    named: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if not isinstance(value, Mapping):
            raise SwissbertError(f"{where}: {name} is {shown(value)}, but a table of values is expected: {FORMS}")
        is_path = bool(value) and all(isinstance(part, Mapping) for part in value.values())
        found = _named(value, where, f"{name}.") if is_path else {name: value}
        if twice := named.keys() & found.keys():
            raise SwissbertError(f"{where}: {min(twice)} stands there twice")
        named |= found
    return named


def _dimension(name: str, table: object, config: RunConfig, where: str) -> Dimension:
    """Return a setting with its values, of which the form is checked and whether the setting exists and may vary."""
    for fixed, reason in FIXED.items():
        if name == fixed or name.startswith(f"{fixed}."):
            raise SwissbertError(f"{where}: {name} cannot vary, because it {reason}")
    if config.train.best_by == "loss" and name.startswith("loss.scale"):
        raise SwissbertError(f"{where}: {name} cannot vary, because train.best_by = 'loss' is multiplied by it")
    values = validated(Values, table, f"{where}: {name}")
    is_whole = all(type(number) is int for number in (values.low, values.high, values.step or 1))
    if values.choices is None and is_whole:
        assert values.low is not None
        assert values.high is not None
        refusal = _refusal(config, {name: values.low + 0.5}, where)
        if refusal is None or refusal.is_conflict:  # the setting takes fractions
            ends = {"low": float(values.low), "high": float(values.high)}
            step = {} if values.step is None else {"step": float(values.step)}
            values = Values(**{**ends, **step, "log": values.log})  # type: ignore[arg-type]
    return Dimension(name, values)


@dataclass(frozen=True)
class _Refusal:
    """Why settings are refused.

    Attributes:
        error: The message.
        is_conflict: Whether the value itself is valid, and only its combination with other settings is not.
    """

    error: SwissbertError
    is_conflict: bool


def _refusal(config: RunConfig, values: Mapping[str, Any], where: str) -> _Refusal | None:
    """Return why settings with other values are refused; None if they are valid."""
    try:
        with_values(config, values, where)
    except SwissbertError as error:
        errors = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else []
        parts = min(len(name.split(".")) for name in values)
        are_conflicts = [one["type"] == "value_error" and len(one["loc"]) < parts for one in errors]
        return _Refusal(error, bool(errors) and all(are_conflicts))
    return None


def _check_values(dimension: Dimension, dimensions: Sequence[Dimension], config: RunConfig, where: str) -> None:
    """Raise SwissbertError for a value that a setting refuses, or that fits no value of the other settings."""
    for value in dimension.ends:
        refusal = _refusal(config, {dimension.name: value}, where)
        if refusal is None:
            continue
        others = [(other.name, one) for other in dimensions if other is not dimension for one in other.ends]
        pairs = product([(dimension.name, value)], others)
        if refusal.is_conflict and any(_refusal(config, dict(pair), where) is None for pair in pairs):
            continue
        raise refusal.error
