"""What a task is. The paper's tasks are declarations in ``tasks/*.toml``; no code knows their names.

A declaration says what kind of answer is asked for, where the rows are and how their columns map to roles.
"""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from swissbert.errors import SwissbertError, nearest

Kind = Literal["classification", "binary", "regression"]
Split = Literal["train", "dev", "test"]
FileName = Annotated[str, Field(min_length=1)]
Metric = Literal["accuracy", "macro_f1", "pearson", "spearman"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
SHIPPED = Path(__file__).parent / "tasks"


class Settings(BaseModel):
    """Base of every settings table: unknown keys are errors, values are fixed once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


class Columns(Settings):
    """Which column plays which role. `text_pair` makes the task one of sentence pairs."""

    text: str = Field(min_length=1)
    text_pair: str | None = Field(default=None, min_length=1)
    label: str = Field(min_length=1)
    id: str | None = Field(default=None, min_length=1)


class HubData(Settings):
    """A data set on the Hugging Face hub, and what its splits are called there."""

    dataset: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)?$", description="NAME or OWNER/NAME is expected")
    config: str | None = None
    revision: str | None = None
    splits: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}


class Task(Settings):
    """One task: its kind, labels or range, loss, metric and files.

    Kinds (paper, Section 4.1): ``classification`` is a softmax over `labels` with cross-entropy, ``binary`` a sigmoid
    over two `labels` (negative first) with binary cross-entropy, ``regression`` a score in `range` with squared error
    (``mse``) or absolute error (``mae``). `output` of a regression is ``sigmoid`` (always inside the range) or
    ``linear`` (clipped to the range when predicting).

    `files` names the file of each split inside the data directory; a list means the first one that is there. Without
    a dev split the share `holdout` of the train rows is dev: rows are chosen by a hash of their text, so the same
    sentence never stands on both sides, and never learned from.
    """

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="up to 40 small letters, digits and '_' are expected, a letter first",
    )
    kind: Kind
    columns: Columns
    labels: list[str] = []
    range: tuple[float, float] | None = None
    loss: Literal["cross_entropy", "binary_cross_entropy", "mse", "mae"]
    metric: Metric
    output: Literal["sigmoid", "linear"] = "sigmoid"
    files: dict[Split, FileName | Annotated[list[FileName], Field(min_length=1)]] = {}
    format: Literal["auto", "cs224n", "tsv", "csv", "jsonl", "parquet"] = "auto"
    quotes: bool | None = None
    holdout: float = Field(default=0.1, gt=0, lt=1, strict=True)
    hub: HubData | None = None
    submit_column: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        losses = {
            "classification": ["cross_entropy"],
            "binary": ["binary_cross_entropy"],
            "regression": ["mse", "mae"],
        }[self.kind]
        metrics = ["pearson", "spearman"] if self.kind == "regression" else ["accuracy", "macro_f1"]
        if self.loss not in losses:
            raise ValueError(f"loss is '{self.loss}', but a {self.kind} task takes {' or '.join(losses)}")
        if self.metric not in metrics:
            raise ValueError(f"metric is '{self.metric}', but a {self.kind} task takes {' or '.join(metrics)}")
        if self.kind == "regression":
            if self.range is None or self.labels:
                raise ValueError("a regression task has a range = [low, high] and no labels")
            if not self.range[0] < self.range[1]:
                raise ValueError(f"range is {list(self.range)}, but low must be below high")
        else:
            if self.range is not None:
                raise ValueError(f"a {self.kind} task has labels and no range")
            if self.kind == "binary" and len(self.labels) != 2:
                raise ValueError(
                    f"labels has {len(self.labels)} names, but a binary task takes 2, the negative one first"
                )
            if len(self.labels) < 2:
                raise ValueError("labels needs at least 2 names")
            if len(set(self.labels)) != len(self.labels) or any(
                not name or name != name.strip() for name in self.labels
            ):
                raise ValueError("labels must be different, not empty and without space around them")
        if not self.files and self.hub is None:
            raise ValueError("files or hub must say where the rows are")
        if self.files and self.hub is not None:
            raise ValueError("files and hub exclude each other: the rows are in one place")
        return self

    @property
    def is_pair(self) -> bool:
        """Whether the task is about two sentences."""
        return self.columns.text_pair is not None

    @property
    def outputs(self) -> int:
        """Width of the head's last layer: the number of classes, or 1."""
        return len(self.labels) if self.kind == "classification" else 1

    @property
    def holds_out(self) -> bool:
        """Whether dev rows are a share of the train rows, because no dev split is declared."""
        return "dev" not in (self.hub.splits if self.hub else self.files)

    def source(self, split: Split) -> Split:
        """The split whose rows are read for `split`."""
        return "train" if split == "dev" and self.holds_out else split

    def candidates(self, split: Split) -> list[str]:
        """File names that `split` may have in a data directory, in the order they are tried."""
        names = self.files.get(self.source(split), [])
        return [names] if isinstance(names, str) else list(names)

    def parse_label(self, value: object) -> float:
        """Turn a cell into a label: a class number, 0/1, or a score.

        A class is given by its name, or by its number where no name looks like a number.
        Raises ValueError with a reason that names the value and what is allowed.
        """
        text = str(value).strip()
        if self.kind != "regression" and text in self.labels:
            return float(self.labels.index(text))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if self.kind == "regression":
            assert self.range is not None
            if not self.range[0] <= number <= self.range[1]:
                raise ValueError(f"label {text[:40]!r} is not a number from {self.range[0]:g} to {self.range[1]:g}")
            return number
        numbered = not any(_is_number(name) for name in self.labels)
        if not (numbered and number in range(len(self.labels))):
            allowed = ", ".join(self.labels[:12]) + (", ..." if len(self.labels) > 12 else "")
            also = f" or 0 to {len(self.labels) - 1}" if numbered else ""
            raise ValueError(f"label {text[:40]!r} is not one of {allowed}{also}")
        return number


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def validated(model: type[S], table: object, where: str, overrides: Mapping[str, str] | None = None) -> S:
    """Make settings of a table. Raises SwissbertError as `explain` words it."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise explain(error, model, where, overrides) from error
    except UnicodeEncodeError as error:  # half a character, as JSON and command lines may have it
        raise SwissbertError(f"{where}: there is a key that is not Unicode text") from error


def explain(
    error: ValidationError, model: type[BaseModel], where: str, overrides: Mapping[str, str] | None = None
) -> SwissbertError:
    """One sentence for the first thing wrong in a settings table: where, key, value, what is allowed.

    A key that is not known comes before one that is missing: it is often the same one, misspelt. `overrides` are the
    dotted keys that came from elsewhere and what to call each; one that is to blame is named instead of `where`.
    """
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    path, known, words = _locate(model, first["loc"])
    key = ".".join(map(str, path))
    said = first["msg"].removeprefix("Value error, ") if first["type"] == "value_error" else ""
    named = [word for word in said.replace(":", " ").split() if "." in word or word == "tasks"] if said else [key]
    for name, source in (overrides or {}).items():
        if any(f"{place}.".startswith(f"{name}.") or f"{name}.".startswith(f"{place}.") for place in named):
            where = source
    if first["type"] == "extra_forbidden" or first["loc"][-1:] == ("[key]",):
        near = nearest(str(path[-1]), known) or f" (the keys here are {', '.join(known)})"
        return SwissbertError(f"{where}: unknown key {shown(key)}{near}")
    if first["type"] == "missing":
        return SwissbertError(f"{where}: '{key}' is missing and has no default")
    if first["type"] == "too_short":
        return SwissbertError(f"{where}: {key} is missing: name at least one")
    if said:
        return SwissbertError(f"{where}: {said if said.startswith(key) else f'{key}: {said}'}")
    branches = [each["msg"] for each in errors if _locate(model, each["loc"])[0] == path]  # several for a union
    if first["type"] == "string_pattern_mismatch" and words:
        branches = [words]
    allowed = list(dict.fromkeys(message[0].lower() + message[1:] for message in branches))
    rest = [message.removeprefix("input should be ") for message in allowed[1:]]
    return SwissbertError(
        f"{where}: '{key or 'the table'}' is {shown(first['input'])}; {', or '.join([allowed[0], *rest])}"
    )


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and cut where it is very long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _locate(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[int | str], list[str], str | None]:
    """The part of an error's place that a person wrote, the names that its last key may have, and its value in words.

    Pydantic adds which branch of a union failed, or ``[key]`` for the key of a table; these are left out.
    """
    path: list[int | str] = []
    known: list[str] = []
    words: str | None = None
    here: Any = model
    for part in loc:
        some = [branch for branch in get_args(here) if branch is not type(None)]
        if len(some) == 1 and get_origin(here) is not list:  # X | None
            here = some[0]
        if isinstance(here, type) and issubclass(here, BaseModel):
            known = list(here.model_fields)
            field = here.model_fields.get(str(part))
            here, words = (field.annotation, field.description) if field else (None, None)
        elif get_origin(here) is dict:
            keys, here = get_args(here)
            known = list(get_args(keys))
        elif isinstance(part, int):
            here = get_args(here)[0] if get_origin(here) is list else None
        else:
            continue
        path.append(part)
    return path, known, words


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file. Raises SwissbertError with file and line where it is not to be had or not TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        name = str(path) if str(path).isprintable() else shown(str(path))
        raise SwissbertError(
            f"{name}: cannot be read as UTF-8 text ({getattr(error, 'strerror', None) or error})"
        ) from error
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError that is no TOMLDecodeError: thousands of digits
        raise SwissbertError(f"{path}: not valid TOML: {error}") from error


def make_task(table: dict[str, Any], where: str) -> Task:
    """Validate a declaration. Raises SwissbertError that names the key."""
    return validated(Task, table, where)


def find_task(name: str) -> Task:
    """A shipped task by name (``sst``), or a declaration file by path."""
    if name.endswith(".toml"):
        return make_task(read_toml(Path(name)), name)
    if name not in shipped_tasks():
        raise SwissbertError(
            f"tasks: no shipped task {shown(name)} (there are {', '.join(shipped_tasks())}), and a file ends in .toml"
        )
    path = SHIPPED / f"{name}.toml"
    return make_task(read_toml(path), str(path))


def shipped_tasks() -> list[str]:
    """Names of the declarations that ship, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))
