"""Declarations of tasks from a data file: columns, kinds, labels or ranges, and the reasons for them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from swissbert.data.bare_columns import refuse_plain_text
from swissbert.data.first_lines import FirstLines
from swissbert.data.formats import Cells, NumberedCells, columns_here, find_format, unreadable
from swissbert.data.formats.limits import size_of, taken
from swissbert.data.memory import plain
from swissbert.data.row_checks import AHEAD, LONGEST_LABEL, no_column, stands_for_nothing
from swissbert.data.splits import open_cells
from swissbert.errors import SwissbertError
from swissbert.kinds.cells import cell_text
from swissbert.kinds.class_names import alike
from swissbert.kinds.guess import Guess, guess_kind
from swissbert.kinds.label_lists import is_list
from swissbert.kinds.label_names import empty_lists, names_in, no_labels
from swissbert.kinds.odd_numbers import OddNumbersError
from swissbert.tasks import Task, make_task
from swissbert.wording import shortened

TEXT_NAMES = ("text", "sentence", "message", "review", "comment", "body", "content", "question", "tweet", "title")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "score", "rating", "level", "stars")
"""Columns, in small letters, that are taken for text and label where none is named."""
WORDS_SHOWN = 4
"""Words for no label that a line about a declaration names."""
FEW = 1000
"""Number of rows below which a fifth rather than a tenth is held out: a tenth would be too few to compare epochs."""


@dataclass(frozen=True)
class Declared:
    """A task that was declared from a label column.

    Attributes:
        task: The task, complete.
        rows: Number of rows with a label.
        guess: Its kind, and the reason.
        metric_why: The reason for its metric; empty for the usual one.
        without: Number of rows by what stands there for no label; of empty cells by an empty text.
    """

    task: Task
    rows: int
    guess: Guess
    metric_why: str
    without: Counter[str] = field(default_factory=Counter)

    @property
    def why(self) -> str:
        """The reasons in words."""
        return "; ".join(filter(None, [self.guess.why, self.metric_why, self._without_label()]))

    def _without_label(self) -> str:
        counts = {word: count for word, count in self.without.most_common() if word}
        words = [f"{count:,} {word!r}" if len(counts) > 1 else repr(word) for word, count in counts.items()]
        shown = f" ({shortened(words, WORDS_SHOWN)})" if words else ""
        return f"{self.without.total():,} without a label{shown}" if self.without else ""


@dataclass
class _LabelColumn:
    """What a label column holds.

    Attributes:
        cells: The cells with a label.
        without: Number of rows by what stands there for no label; of empty cells by an empty text.
        lines: Where a label that is no number occurs first.
    """

    cells: list[object] = field(default_factory=list)
    without: Counter[str] = field(default_factory=Counter)
    lines: FirstLines = field(default_factory=FirstLines)


def declare(
    path: Path,
    text: str | None = None,
    labels: Sequence[str] = (),
    text_pair: str | None = None,
    options: Mapping[str, object] | None = None,
) -> list[Declared]:
    """Declare a task for each label column of a file.

    Args:
        path: A data file with columns.
        text: Column of the text; a column with a usual name if left out.
        labels: Columns of labels; a column with a usual name if empty.
        text_pair: Column of the second text of a pair. A column ``text_pair`` beside ``text`` is read without being named.
        options: Further keys of each declaration, such as ``format``, ``kind`` or ``holdout``.

    Raises:
        SwissbertError: If the file cannot be read, a column is missing or cannot be found, or cells are no labels.
    """
    options = dict(options or {})
    columns, cells = _read(path, text, list(labels), text_pair, options)
    names = _task_names(list(cells))
    return [
        _declared(path, names[label], {**columns, "label": label}, column, options) for label, column in cells.items()
    ]


def recipe(path: Path, declared: Sequence[Declared], name: str | None = None) -> dict[str, Any]:
    """Return the settings of a run on declared tasks, as a recipe holds them; everything else is left to its default.

    Args:
        path: The data file.
        declared: The tasks.
        name: Name of the run; made from the file's name if left out.
    """
    stem = re.sub(r"[^\w.-]+", "-", path.name.split(".")[0]).strip("-.") or "run"
    tasks = [_as_table(one.task) for one in declared]
    return {"name": name or stem[:100], "data": {"dir": str(path.absolute().parent)}, "tasks": tasks}


def _as_table(task: Task) -> dict[str, Any]:
    """Return the keys of a declaration that were set, with names for its objects."""
    table = task.model_dump(mode="json", exclude_none=True)
    return {key: table[key] for key in type(task).model_fields if key in task.model_fields_set and key in table}


def _read(
    path: Path, text: str | None, labels: list[str], text_pair: str | None, options: Mapping[str, object]
) -> tuple[dict[str, str], dict[str, "_LabelColumn"]]:
    """Return the columns of texts by role, and the cells of each label column."""
    if not path.is_file():
        raise SwissbertError(f"{path}: there is no such file")
    if options.get("header") is False and not (text and labels):
        role = "label" if text else "text"
        raise SwissbertError(
            f"{path}: a file without a header has no names of columns; give the number of the column of the {role}, from 1",
            argument=role,
        )
    roles = {"text": text or "text", "label": labels[0] if labels else "label"}
    probe = make_task(
        {
            "name": "probe",
            "kind": "classification",
            "columns": roles | ({"text_pair": text_pair} if text_pair else {}),
            "files": {"train": path.name},
            **{
                key: value
                for key, value in options.items()
                if key in ("format", "quotes", "delimiter", "encoding", "header")
            },
        },
        path.name,
    )
    if not find_format(path, probe.format, probe.read_options).has_columns:
        refuse_plain_text(path, probe.read_options)
    rows = chain.from_iterable(rows for _, rows in open_cells(probe, "train", path.parent)[1])
    start = taken(rows, AHEAD, lambda row: size_of(row[1]))
    here = _all_columns(start)
    if not here:
        reasons = [row for _, row in start if isinstance(row, str)]
        why = f" ({len(reasons)} bad rows; the first: {reasons[0]})" if reasons else ""
        raise SwissbertError(f"{path}: there are no rows{why}")
    columns = {"text": _column(path, here, text, TEXT_NAMES, "text")}
    if text is None and columns["text"] == "text" and "text_pair" in here and "text_pair" not in labels:
        text_pair = text_pair or "text_pair"  # the names that predict reads
    if text_pair:
        columns["text_pair"] = _column(path, here, text_pair, (), "second text")
    wanted = labels or [_column(path, here, None, LABEL_NAMES, "label")]
    cells = {_column(path, here, label, (), "label"): _LabelColumn() for label in wanted}
    _refuse_two_roles(path, [*columns.values(), *cells])
    for number, row in chain(start, rows):
        if isinstance(row, str):
            continue  # reported when the rows are checked
        for label, column in cells.items():
            cell = plain(row.get(label))
            if isinstance(cell, dict):
                keys = ", ".join(f"{label}.{str(key)[:40]}" for key in list(cell)[:5])
                raise SwissbertError(f"{path}: column '{label}' holds objects; name the key with the label: {keys}")
            if isinstance(cell, str) and len(cell) > LONGEST_LABEL:
                raise SwissbertError(
                    f"{path}: column '{label}' has a cell of {len(cell):,} characters, so it holds texts and not labels"
                )
            if stands_for_nothing(cell, probe):
                column.without[cell_text(cell) if isinstance(cell, str) else ""] += 1
            elif not (isinstance(cell, str) and unreadable(cell)):  # such rows are bad
                column.cells.append(cell)
                column.lines.count(cell, number)
    return columns, cells


def _all_columns(rows: Sequence[NumberedCells]) -> Cells:
    """Return the columns that any of the rows has, each with its first cell, in order."""
    columns: dict[str, object] = {}
    for _, cells in rows:
        if not isinstance(cells, str):
            columns |= {name: cell for name, cell in cells.items() if name not in columns}
    return columns


def _refuse_two_roles(path: Path, columns: Sequence[str]) -> None:
    """Raise SwissbertError if a column is to be two of text, second text and label."""
    for column in columns:
        if columns.count(column) > 1:
            raise SwissbertError(f"{path}: column '{column}' is named twice; texts and labels are columns of their own")


def _column(path: Path, row: Cells, name: str | None, usual: Sequence[str], role: str) -> str:
    """Return the column of a role: the one that is named, else the first with a usual name, if only one has that name."""
    if name is not None:
        if name in row:
            return name
        raise SwissbertError(f"{path}: {no_column(name, row)}")
    for candidate in usual:
        same = [column for column in row if column.strip().casefold() == candidate]
        if len(same) == 1:
            return same[0]
        if same:  # such as Label and label
            break
    raise SwissbertError(
        f"{path}: it is not clear which column is the {role}; name it ({columns_here(row)})", argument=role
    )


def _task_names(labels: Sequence[str]) -> dict[str, str]:
    """Make a different task name of each label column."""
    names: dict[str, str] = {}
    for label in labels:
        base = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")[:36]
        base = base if base[:1].isalpha() and base.isascii() else f"task_{base}".rstrip("_")
        name, number = base, 2
        while name in names.values():
            name, number = f"{base}_{number}", number + 1
        names[label] = name
    return names


def _declared(
    path: Path,
    name: str,
    columns: Mapping[str, str],
    column: "_LabelColumn",
    options: Mapping[str, object],
) -> Declared:
    """Declare one task from its label column."""
    where = f"{path}: column '{columns['label']}'"
    without = column.without
    if not column.cells:
        raise SwissbertError(f"{where} has no label in any row")
    try:
        guess, cells, signs = _guess(column.cells, options.get("kind"))
        table: dict[str, Any] = {
            "name": name,
            "kind": guess.kind,
            "columns": columns,
            **({"separator": guess.separator} if guess.separator else {}),
            **({"missing": missing} if (missing := [sign for sign in signs if sign != "-1"]) else {}),
            "files": {"train": path.name},
            **({"holdout": 0.2} if len(cells) < FEW else {}),
            **{key: value for key, value in options.items() if key != "kind"},
        }
        open_task = make_task(table, where)
        task = make_task({**table, **open_task.kind.infer(open_task, cells)}, where)
    except OddNumbersError as error:
        raise SwissbertError(f"{where}: {error.located(column.lines.by_name)}", argument="kind") from error
    except ValueError as error:
        raise SwissbertError(
            f"{where}: {error}{f' ({without.total():,} rows have none)' if without else ''}"
        ) from error
    metric, why = _metric(task, cells)
    return Declared(make_task({**_as_table(task), "metric": metric}, where), len(cells), guess, why, without + signs)


def _guess(cells: Sequence[object], given: object) -> tuple[Guess, Sequence[object], Counter[str]]:
    """Guess the kind, leaving out cells that stand for no label beside the others.

    Returns:
        The guess, the other cells, and what was left out with its number of rows.
    """
    names = names_in([]) if any(map(is_list, cells)) else names_in(cells)
    left = no_labels(names)
    kind = None if given is None else str(given)
    others = _others(cells, left)
    guess = guess_kind(others, kind)
    if guess.kind == "multilabel" and (empty := empty_lists(left)):  # no label of several is a label
        left -= empty
        others = _others(cells, left)
    if "-1" in left and guess.kind == "regression":  # a score
        left -= {"-1"}
        others = _others(cells, left)
        guess = guess_kind(others, kind)
    return guess, others, Counter({name: names[name] for name in sorted(left)})


def _others(cells: Sequence[object], left: set[str]) -> Sequence[object]:
    """Return the cells whose label name is not in `left`; looks at each different cell once."""
    if not left:
        return cells
    keys = set(map(alike, left))  # a name stands for its other spellings too
    is_left = {cell: any(alike(name) in keys for name in names_in([cell])) for cell in set(cells)}
    return [cell for cell in cells if not is_left[cell]]


def _metric(task: Task, cells: Sequence[object]) -> tuple[str, str]:
    """Choose macro F1 where a label is rare, since accuracy would hardly notice it; else the metric of the kind."""
    counts = names_in(cells) if task.kind.has_labels and not task.kind.label_shape(task) else None
    if counts and "metric" not in task.model_fields_set and "macro_f1" in task.kind.metrics:
        rarest = min(counts.values()) / counts.total()
        if rarest < 0.5 / len(task.labels):
            return "macro_f1", f"the rarest label has {rarest:.0%} of the rows"
    return task.metric, ""
