"""Declarations of further train files of a task, and of train rows that dev and test rows rule out."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from swissbert.data.formats import FORMATS, unknown_format
from swissbert.errors import nearest
from swissbert.settings import Settings
from swissbert.task_files import ColumnName, FileName
from swissbert.wording import in_list

if TYPE_CHECKING:
    from swissbert.tasks import Task

Guard = Literal["sentences", "rows"]
"""Train rows that are left out because of dev and test rows: see `swissbert.data.guard`."""
TaskGuard = Literal["sentences", "rows", "off"]
"""`Guard` for the rows of a task's own files, which are all taken by default."""


class ExtraColumns(Settings):
    """Columns of an extra file. What is left out is as in `swissbert.task_files.Columns` of the task; id and weight are
    not inherited.

    Attributes:
        text: The text, or the first text of a pair.
        text_pair: The second text of a pair.
        label: The label.
        id: An id; row numbers if left out.
        weight: The weight of a row in the loss, a number from 0; 1 if left out.
    """

    text: ColumnName | None = None
    text_pair: ColumnName | None = None
    label: ColumnName | None = None
    id: ColumnName | None = None
    weight: ColumnName | None = None


class ExtraFile(Settings):
    """A further file with train rows of a task, some of which are drawn anew for each epoch.

    Attributes:
        file: A name, a pattern such as ``phrases-*.tsv``, or an absolute path, as in the task's `files`.
        share: Share of the task's rows of an epoch that come from this file, above 0 and below 1. Of a task with n rows of
            its own these are ``round(n * share / (1 - s))`` rows, where s is the sum of the shares of its extra files.
        rows: Number of rows an epoch takes from this file, instead of `share`.
        min_words: Least number of words of a text, separated by white space; rows with a shorter text are left out.
        match_labels: Draw the labels in the proportions that they have among the task's own train rows.
        labels: What the labels of this file stand for, where they are not those of the task: a table such as
            ``{ "0" = "negative", "2" = "positive", "1" = "" }``. An empty text leaves the rows out.
        range: Of a regression: lowest and highest score in this file, which become those of the task.
        columns: Columns that have other names than in the task's own files.
        format: Name of the format, or ``auto`` for the one that the file's ending stands for.
        quotes: As in `Task`.
        delimiter: As in `Task`.
        encoding: As in `Task`.
        header: As in `Task`.
        unlabelled: Whether its rows have no labels, or labels that are not used: in a run with teachers that answer the task
            (``distillation.teachers``), the answers alone are their targets, whatever the share of the teachers.
        guard: ``sentences`` leaves out every row with a text that occurs in a dev or test row of any task of the run,
            alone or in a pair; ``rows`` leaves out rows whose whole text or pair is a dev or test row.
        optional: Whether a run does without the file, and says so, if it does not exist.
    """

    file: FileName
    share: float | None = Field(default=None, gt=0, lt=1, strict=True)
    rows: int | None = Field(default=None, ge=1, le=10**9, strict=True)
    min_words: int = Field(default=1, ge=1, le=10_000, strict=True)
    match_labels: bool = Field(default=False, strict=True)
    labels: dict[str, str] = {}
    range: tuple[float, float] | None = None
    columns: ExtraColumns = ExtraColumns()
    format: str = "auto"
    quotes: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = Field(default=True, strict=True)
    unlabelled: bool = Field(default=False, strict=True)
    guard: Guard = "sentences"
    optional: bool = Field(default=False, strict=True)

    @field_validator("format")
    @classmethod
    def _known_format(cls, name: str) -> str:
        if name != "auto" and name not in FORMATS:
            raise ValueError(unknown_format(name))
        return name

    def declaration(self, task: "Task") -> dict[str, Any]:
        """Return the declaration of a task whose train rows are those of this file, with the labels of the file.

        Labels that stand for others make it a classification. Its dev file is the same file, so that no rows are held out.
        """
        own = task.columns
        columns = {
            "text": self.columns.text or own.text,
            "text_pair": self.columns.text_pair or own.text_pair,
            "label": self.columns.label or own.label,
            "id": self.columns.id,
            "weight": self.columns.weight,
        }
        labels: dict[str, Any] = {"kind": "classification", "labels": list(self.labels)}
        if not self.labels:
            labels = {
                "kind": task.kind,
                "labels": task.labels,
                "range": self.range or task.range,
                "separator": task.separator,
            }
        options = {key: getattr(self, key) for key in ("format", "quotes", "delimiter", "encoding", "header")}
        return {
            "name": task.name,
            "columns": {role: name for role, name in columns.items() if name is not None},
            "files": {"train": self.file, "dev": self.file},
            "missing": task.missing,
            **labels,
            **options,
        }

    def check(self, task: "Task") -> None:
        """Raise ValueError, which names the file, if this declaration does not fit the task."""
        where = f"extra file '{self.file}'"
        if (self.share is None) == (self.rows is None):
            given = "neither share nor rows is" if self.share is None else "share and rows are both"
            raise ValueError(f"{where}: {given} given; give one: share = 0.5, or rows = 5000 an epoch")
        if self.unlabelled:
            table = {
                "labels": bool(self.labels),
                "range": self.range is not None,
                "match_labels": self.match_labels,
                "columns.label": self.columns.label is not None,
                "columns.weight": self.columns.weight is not None,
            }
            if pointless := next((key for key, is_given in table.items() if is_given), None):
                raise ValueError(f"{where}: unlabelled is true, so {pointless} has no meaning")
        if self.columns.text_pair and not task.is_pair:
            raise ValueError(f"{where}: columns.text_pair is given, but the task takes single texts")
        if self.range is not None and (task.kind.has_labels or self.labels):
            raise ValueError(
                f"{where}: range is given, but {'labels is too' if self.labels else 'the task has labels'}"
            )
        if self.match_labels and not task.kind.can_stratify(task):
            raise ValueError(
                f"{where}: match_labels is true, but rows of a {task.kind.name} task do not have one label each"
            )
        if self.labels and task.kind.label_shape(task) != ():
            raise ValueError(f"{where}: labels is given, but a {task.kind.name} task takes its own labels only")
        for name in self.labels.values() if task.is_complete else ():
            if name and task.labels and name not in task.labels:
                raise ValueError(
                    f"{where}: labels has '{name}', but the labels are {', '.join(map(in_list, task.labels))}"
                    f"{nearest(name, task.labels)}"
                )


def check_extra(task: "Task") -> None:
    """Check the extra files of a task, each alone and together.

    Raises:
        ValueError: Names the file, the key and what is allowed.
    """
    for extra in task.extra:
        extra.check(task)
    total = sum(extra.share or 0.0 for extra in task.extra)
    if total >= 1:
        raise ValueError(
            f"the shares of the extra files add up to {total:g}, but they must leave rows of the task's own (below 1)"
        )
    names = [extra.file for extra in task.extra]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"extra file '{twice}' is named twice")
