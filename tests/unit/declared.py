"""Task declarations and short forms for tests of data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from swissbert.data.formats import read_cells
from swissbert.data.row_checks import check_rows
from swissbert.data.rows import BadRow, Row, Rows
from swissbert.tasks import SPLITS, Task, make_task

Writer = Callable[..., Path]
"""Type of the fixture `write`."""


def declare(file: str = "rows.tsv", **changes: Any) -> Task:
    """Declare a two-class task of single texts, with the columns text and label."""
    table: dict[str, Any] = {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "good"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "label"},
        "files": dict.fromkeys(SPLITS, file),
    }
    return make_task({**table, **changes}, "declaration")


def scores(file: str = "rows.tsv", **changes: Any) -> Task:
    """Declare a regression of single texts from 0 to 5."""
    regression = {"kind": "regression", "labels": [], "range": [0, 5], "loss": "mse", "metric": "pearson"}
    return declare(file, **{**regression, **changes})


def pairs(file: str = "rows.tsv", **changes: Any) -> Task:
    """Declare a two-class task of pairs, with the columns a, b, label and id."""
    return declare(file, columns={"text": "a", "text_pair": "b", "label": "label", "id": "id"}, **changes)


def outcomes(task: Task, path: Path, *, labelled: bool = True) -> list[Row | BadRow]:
    """Return the row or bad row of each row of a file, in order."""
    return list(check_rows(read_cells(path, task.format, task.read_options), task, path.name, labelled=labelled))


def texts(rows: Rows) -> list[str]:
    """Return the texts of the usable rows."""
    return [row.text for row in rows.rows]


def bad(rows: Rows) -> list[tuple[int, str]]:
    """Return number and reason of each bad row."""
    return [(row.number, row.reason) for row in rows.bad]
