"""Declarations of tasks: kind, labels or range, loss, metric, files and columns.

The paper's tasks are declarations in ``tasks/*.toml``, like a user's own; no code depends on their names.
"""

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    FailFast,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from swissbert.data.formats import FORMATS, Format, MissingFormat, ReadOptions, codec_of, one_character, unknown_format
from swissbert.errors import SwissbertError
from swissbert.kinds import KINDS, Kind, Label
from swissbert.kinds.cells import cell_text
from swissbert.settings import Settings, read_toml, shown, validated
from swissbert.task_extra import ExtraFile, TaskGuard, check_extra
from swissbert.task_files import Columns, Files, FirstOf
from swissbert.task_words import MOST_EXAMPLES, End, Example, Help, Title, check_words

Split = Literal["train", "dev", "test"]
Weight = Annotated[float, Field(ge=0, strict=True)]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
SHIPPED = Path(__file__).parent / "tasks"
TEXT_LIKE = (bool, int, float, Decimal, datetime.date, np.generic)
"""Types of label names that are taken by their text."""
MAX_LABEL = 1000
"""Characters of a label name."""


class HubData(Settings):
    """A data set on the Hugging Face hub.

    Attributes:
        dataset: ``NAME`` or ``OWNER/NAME``.
        config: Its configuration, if it has several.
        revision: Branch, tag or commit.
        splits: Names that the splits have there.
    """

    dataset: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)?$", description="NAME or OWNER/NAME is expected")
    config: str | None = None
    revision: str | None = None
    splits: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}


class Task(Settings):
    """One task: its kind, labels or range, loss, metric and files.

    Attributes:
        name: Up to 40 small letters, digits and ``_``, a letter first.
        title: What the task is called for people, up to 80 characters, such as ``Sentiment of a film review``; its name if
            left out. No answer depends on it, nor on `help`, `ends` and `examples`: they are for the page of
            ``swissbert serve`` and the model card.
        help: One sentence or two about what is asked and for which texts.
        ends: Of a regression: words for the lowest and the highest score, such as ``["unrelated", "same meaning"]``.
        examples: Up to 20 tables ``{ text = "...", text_pair = "...", label = "..." }``, which the page offers. They are
            stored in the model folder, for anyone who gets it.
        kind: A kind by name (see `swissbert.kinds`), or in Python a `Kind` object.
        columns: Which column holds the text, the second text of a pair, the label and an id.
        labels: Label names of up to 1,000 characters, or numbers, which become text; of a binary task the negative one
            first. Left out, they are those of the train rows.
        range: Lowest and highest score of a regression. Left out, it is that of the train rows.
        loss: One of the losses of the kind; its first one if left out.
        metric: The metric that counts for the overall score, one of those of the kind; its first one if left out.
        missing: Cells that hold no value, for instance ``["-", "n/a"]``, in the columns of text and label. Empty
            cells, None and NaN always count as missing, and so do words such as "NA" and the number -1 in the label
            column, where they are no label.
        output: Of a regression: ``sigmoid`` (always inside the range) or ``linear`` (clipped when predicting).
        scale: Of a regression: ``unit`` measures errors in training as shares of the range, ``labels`` on the scale of
            the labels.
        separator: What separates several labels in a text cell; if not given ``|``, ``;`` and ``,`` are tried.
        files: Files of each split inside the data directory: a name, a pattern such as ``part-*.csv``, a list of which
            all are read in order, or ``{first_of = [...]}`` for the first that exists.
        extra: Further files with train rows, some of which are drawn for each epoch: see `swissbert.task_extra`.
        guard: Train rows that are left out because their texts are dev or test texts of a task of the run: ``sentences`` or
            ``rows``, as for an extra file; ``off`` leaves out none.
        symmetric: Whether the order of the two texts of a pair has no meaning. With ``data.swap_pairs`` the texts of its train
            pairs change places in half of the cases.
        label_files: Files with the labels of a split whose `files` have only texts: row n of the one belongs to row n
            of the other.
        format: Format of the files: a name (see `swissbert.data.formats`), ``auto`` for the one that a file's ending
            stands for, or in Python a `Format` object.
        quotes: Whether quotes in delimited files are syntax; left out, the format's own default.
        delimiter: What separates the cells of delimited files: one character, or ``tab``; left out, that of the format,
            or another one by which alone the header has the columns.
        encoding: Encoding of text files, such as ``windows-1252``; left out, UTF-8, or what a byte order mark says.
        header: Whether delimited files have a header. Without one, and in JSON lists, columns are numbers from 1.
        holdout: Share of train rows that serves as dev split where none is declared. Rows are chosen by a hash of
            their text, so equal texts are never on both sides, and held-out rows are never trained on.
        stratify: Whether the held-out share is taken from each label, with at least one text of a label that has two. Left
            out, it is where rows have one label each and no other task of the run holds rows out of the same files,
            because a text must not be a train row of one task and a dev row of another.
        class_weights: ``balanced``, a table of labels and weights (1 for others), or a list in the order of `labels`: how
            much the rows of a label count in the loss. Of a multilabel task, how much a label counts where a row has it.
            Weights are divided by their mean over the train rows, so that the loss keeps its scale.
        label_smoothing: Share of each target, from 0 to below 1, that is spread evenly over all labels.
        ordinal_smoothing: Of a classification whose `labels` are in an order, such as grades: a class c gets the target
            softmax(-abs(c - y) / ordinal_smoothing) where y is the right one, so that near classes get more than far ones.
            0 is off; see `swissbert.kinds.ordinal_targets`. It and `label_smoothing` exclude each other.
        hub: A data set on the Hugging Face hub instead of files.
        submit_column: Header of the prediction column in the course's files.
    """

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="up to 40 small letters, digits and '_' are expected, a letter first",
    )
    title: Title = ""
    help: Help = ""
    ends: tuple[End, End] | None = None
    examples: list[Example] = Field(default=[], max_length=MOST_EXAMPLES)
    kind: Annotated[InstanceOf[Kind], PlainSerializer(lambda kind: kind.name, return_type=str)]
    columns: Columns
    labels: Annotated[list[str], FailFast()] = []
    missing: Annotated[list[str], FailFast()] = []
    range: tuple[float, float] | None = None
    loss: str = Field(default="", validate_default=True)
    metric: str = Field(default="", validate_default=True)
    output: Literal["sigmoid", "linear"] = "sigmoid"
    scale: Literal["unit", "labels"] = "unit"
    separator: str | None = Field(default=None, min_length=1)
    files: dict[Split, Files] = {}
    label_files: dict[Split, Files] = {}
    extra: list[ExtraFile] = Field(default=[], max_length=100)
    guard: TaskGuard = "off"
    symmetric: bool = Field(default=False, strict=True)
    format: Annotated[InstanceOf[Format] | Literal["auto"], PlainSerializer(str, return_type=str)] = "auto"
    quotes: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = Field(default=True, strict=True)
    holdout: float = Field(default=0.1, gt=0, lt=1, strict=True)
    stratify: bool | None = Field(default=None, strict=True)
    class_weights: Literal["balanced"] | dict[str, Weight] | list[Weight] | None = None
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, strict=True)
    ordinal_smoothing: float = Field(default=0.0, ge=0, strict=True)
    hub: HubData | None = None
    submit_column: str | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _find_kind(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, Kind):
            return value
        kinds: dict[str, Kind] = {**KINDS, **(info.context or {}).get("kinds", {})}
        if not isinstance(value, str) or value not in kinds:
            raise ValueError(f"{shown(value)} is not a kind of task; the kinds are {', '.join(kinds)}")
        return kinds[value]

    @field_validator("labels", "missing", mode="before")
    @classmethod
    def _as_text(cls, values: object) -> object:
        """Turn numbers, booleans and dates into their text; what is no such value is left to the check of types."""
        if not isinstance(values, list | tuple):
            return values
        return [cell_text(value) if isinstance(value, TEXT_LIKE) else value for value in values]

    @field_validator("missing")
    @classmethod
    def _stripped(cls, missing: list[str]) -> list[str]:
        return [word.strip() for word in missing]  # as cells are compared

    @field_validator("loss")
    @classmethod
    def _default_loss(cls, loss: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")  # missing where it is not valid, which has an error of its own
        return loss or (kind.losses[0] if kind else "")

    @field_validator("metric")
    @classmethod
    def _default_metric(cls, metric: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        return metric or (kind.metrics[0] if kind else "")

    @field_validator("class_weights", mode="before")
    @classmethod
    def _numbers_from_0(cls, value: object) -> object:
        numbers = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        if numbers is None and value in ("balanced", None):
            return value
        if numbers is None or any(isinstance(n, bool) or not isinstance(n, int | float) or not n >= 0 for n in numbers):
            raise ValueError(
                f"class_weights is {shown(value)}, but it is 'balanced', a table {{ label = 2.0 }}, or a list of numbers from "
                "0 in the order of labels"
            )
        return value

    @field_validator("format", mode="before")
    @classmethod
    def _find_format(cls, value: object, info: ValidationInfo) -> object:
        context = info.context or {}
        formats: dict[str, Format] = {**FORMATS, **context.get("formats", {})}
        if isinstance(value, Format) or value == "auto":
            return value
        if isinstance(value, str) and value in formats:
            return formats[value]
        if isinstance(value, str) and context.get("any_format"):
            return MissingFormat(value)
        raise ValueError(unknown_format(value))

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        return value if value is None else one_character(value)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            codec_of(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _numbers_need_no_header(cls, table: object) -> object:
        columns = table.get("columns") if isinstance(table, dict) else None
        if isinstance(columns, dict) and isinstance(table, dict) and table.get("header", True) is True:
            for name, value in columns.items():
                if isinstance(value, int) and not isinstance(value, bool):
                    raise ValueError(
                        f"columns.{name} is the number {value}, which stands for a column of files without a header: "
                        "add header = false, or write the name of the column as a text"
                    )
        return table

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (longest := max(map(len, self.labels), default=0)) > MAX_LABEL:
            raise ValueError(f"labels has a name of {longest:,} characters, but at most {MAX_LABEL:,} are allowed")
        self.kind.check(self)
        labels = set(self.labels)
        if both := next((word for word in self.missing if word in labels), None):
            raise ValueError(f"missing has {both!r}, which is one of the labels")
        if self.files and self.hub is not None:
            raise ValueError("files and hub exclude each other: give one source of rows")
        if unknown := [split for split in self.label_files if split not in self.files]:
            raise ValueError(f"label_files.{unknown[0]} is given, but there is no files.{unknown[0]} with the texts")
        if self.symmetric and not self.is_pair:
            raise ValueError("symmetric is true, but the task takes single texts, which have no order")
        check_words(self)
        check_extra(self)
        for number in range(len(self.extra)):
            self.of_extra(number)
        if not self.header:
            for name, value in self.columns:
                if isinstance(value, str) and not (value.isdecimal() and int(value) > 0):
                    raise ValueError(
                        f"columns.{name} is {shown(value)}, but with header = false columns are numbers from 1, for "
                        "instance columns = { text = 2, label = 1 }"
                    )
        return self

    @property
    def is_complete(self) -> bool:
        """Whether labels or range are declared; else they have yet to be taken from the train rows."""
        return self.kind.is_complete(self)

    @property
    def is_pair(self) -> bool:
        """Whether the task is about two sentences."""
        return self.columns.text_pair is not None

    @property
    def outputs(self) -> int:
        """Width of the head's last layer."""
        return self.kind.outputs(self)

    @property
    def holds_out(self) -> bool:
        """Whether dev rows are a share of the train rows, because no dev split is declared."""
        return "dev" not in (self.hub.splits if self.hub else self.files)

    @property
    def stratifies(self) -> bool:
        """Whether dev rows are held out label by label; for a task outside a run, what a run of it alone would do."""
        return self.kind.can_stratify(self) if self.stratify is None else self.stratify

    def source(self, split: Split) -> Split:
        """Return the split whose rows are read for `split`."""
        return "train" if split == "dev" and self.holds_out else split

    def candidates(self, split: Split) -> list[str]:
        """Return the names or patterns of the files that `split` may have in a data directory, in order."""
        files = self.files.get(self.source(split), [])
        return [files] if isinstance(files, str) else list(files.first_of if isinstance(files, FirstOf) else files)

    def of_extra(self, number: int) -> "Task":
        """Return a task whose train rows are those of an extra file, counted from 0, as the file has them.

        Raises:
            ValueError: If the declaration of the file does not fit; names the file.
        """
        extra = self.extra[number]
        try:
            return validated(Task, extra.declaration(self), f"extra file '{extra.file}'")
        except SwissbertError as error:
            raise ValueError(str(error)) from error

    @property
    def read_options(self) -> ReadOptions:
        """Options for reading the task's files."""
        columns = self.columns
        texts = (columns.text, columns.text_pair) if columns.text_pair else (columns.text,)
        return ReadOptions(
            quotes=self.quotes,
            text=columns.text,
            text_pair=columns.text_pair,
            delimiter=self.delimiter,
            encoding=self.encoding,
            header=self.header,
            columns=tuple(name for _, name in columns if isinstance(name, str)),
            texts=(texts,),
        )

    def parse_label(self, cell: object) -> Label:
        """Turn a cell into a label.

        Raises:
            ValueError: Names the value and what is allowed.
        """
        return self.kind.parse(self, cell)


def names_once(tasks: Iterable[Task]) -> dict[str, Task]:
    """Return tasks by name.

    Raises:
        ValueError: If two have the same name.
    """
    names: dict[str, Task] = {}
    for task in tasks:
        if names.setdefault(task.name, task) is not task:
            raise ValueError(f"tasks: the name '{task.name}' is used twice")
    return names


def tasks_for(tasks: list[Task], wants_pair: bool, names: list[str] | None = None) -> list[Task]:
    """Return the tasks that read a single text, or with `wants_pair` a pair of texts.

    Args:
        tasks: The tasks of a model.
        wants_pair: Whether the input is a pair.
        names: Only these tasks; None for all that fit.

    Raises:
        SwissbertError: If a named task does not read such input, or no task does.
    """
    among = None if names is None else set(names)
    chosen = [task for task in tasks if among is None or task.name in among]
    fitting = [task for task in chosen if task.is_pair == wants_pair]
    if not fitting or (names is not None and len(fitting) < len(chosen)):
        other = next((task for task in chosen if task.is_pair != wants_pair), None)
        subject = f"task '{other.name}' takes" if names is not None and other else "the tasks of this model take"
        takes, given = ("one text", "a pair") if wants_pair else ("a pair of texts", "one text")
        raise SwissbertError(f"{subject} {takes}, not {given}")
    return fitting


def make_task(
    table: dict[str, Any],
    where: str,
    kinds: Mapping[str, Kind] | None = None,
    formats: Mapping[str, Format] | None = None,
) -> Task:
    """Validate a declaration.

    Args:
        table: The keys of `Task`.
        where: Name of the source in messages.
        kinds: Kinds from outside the package, by name.
        formats: File formats from outside the package, by name.

    Raises:
        SwissbertError: Names source, key, value and what is allowed.
    """
    return validated(Task, table, where, context={"kinds": dict(kinds or {}), "formats": dict(formats or {})})


def find_task(name: str) -> Task:
    """Return a shipped task by name (``sst``), or the one declared in a TOML file.

    Raises:
        SwissbertError: If there is no such task, or the declaration is not valid.
    """
    return make_task(*read_declaration(name))


def read_declaration(name: str) -> tuple[dict[str, Any], str]:
    """Return the declaration of a task as it is written, and its path in messages; arguments and errors as for `find_task`."""
    if name.endswith(".toml"):
        return read_toml(Path(name)), name
    if name not in shipped_tasks():
        raise SwissbertError(
            f"tasks: no shipped task {shown(name)} (there are {', '.join(shipped_tasks())}; a file of your own ends in .toml)"
        )
    path = SHIPPED / f"{name}.toml"
    return read_toml(path), str(path)


def shipped_tasks() -> list[str]:
    """Return the names of the declarations that ship, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))
