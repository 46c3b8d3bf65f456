"""Write synthesised rows as further train files of their task, and word the lines of a recipe that read them."""

import csv
import io
import json
from pathlib import Path

from swissbert.data.formats import FORMATS
from swissbert.data.formats.delimited import Delimited
from swissbert.data.formats.jsonl import JsonLines
from swissbert.data.rows import Row
from swissbert.data.splits import read_split
from swissbert.data.synthesis.build import RuleRows, Synthesis
from swissbert.errors import SwissbertError
from swissbert.files import write_text
from swissbert.tasks import Task

SHARE = 0.1
"""Share of an epoch's rows that the lines of a recipe give to all files together."""
TASK_SETTINGS = ("quotes", "delimiter", "encoding")
"""Settings of a task's files that its further files have to repeat."""


def write_rows(synthesis: Synthesis, folder: Path) -> dict[str, Path]:
    """Write the rows of each rule to a file ``TASK-RULE.tsv`` (or ``.jsonl``) that the declaration of the task reads.

    Columns, format and labels are those of the task. Files of the same names are replaced. Each file is read again with
    the declaration, which has to give the same rows.

    Args:
        synthesis: The rows.
        folder: An existing folder.

    Returns:
        Path of each file, by the name of its rule; a rule without rows has none.

    Raises:
        SwissbertError: If the format of the task cannot be written, or a file cannot be written.
    """
    paths = {}
    for result in synthesis.by_rule:
        if not result.rows:
            continue
        path = folder / f"{synthesis.task.name}-{result.rule.name}{_ending(synthesis.task)}"
        write_text(path, _file_text(synthesis.task, result.rows))
        _check(synthesis.task, result, path)
        paths[result.rule.name] = path
    return paths


def _ending(task: Task) -> str:
    if isinstance(task.format, JsonLines):
        return ".jsonl"
    if task.format == "auto" or isinstance(task.format, Delimited):
        return ".csv" if task.format == FORMATS["csv"] else ".tsv"
    raise SwissbertError(
        f"task '{task.name}' has the format '{task.format}', in which synthesised rows are not written; they are written for "
        "tables (tsv, csv, cs224n) and jsonl"
    )


def _file_text(task: Task, rows: list[Row]) -> str:
    """Return the text of a file with these rows."""
    cells = [_cells(task, row) for row in rows]
    if isinstance(task.format, JsonLines):
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in cells)
    default = task.format.delimiter if isinstance(task.format, Delimited) else "\t"
    file = io.StringIO()
    names = list(cells[0])
    if not task.header:  # columns are numbers, with gaps where the task reads none
        names = [str(number) for number in range(1, max(map(int, names)) + 1)]
    writer = csv.DictWriter(file, names, restval="", delimiter=task.delimiter or default, lineterminator="\n")
    if task.header:
        writer.writeheader()
    writer.writerows(cells)
    return file.getvalue()


def _cells(task: Task, row: Row) -> dict[str, str]:
    """Return the cells of a row under the names of the task's columns."""
    columns = task.columns
    assert isinstance(row.label, float | int)
    label = f"{row.label:g}" if task.kind.name == "regression" else task.labels[int(row.label)]
    values = {
        columns.id: row.id,
        columns.text: row.text,
        columns.text_pair: row.text_pair,
        columns.weight: "1",
        columns.label: label,
    }
    return {name: value for name, value in values.items() if name is not None and value is not None}


def _check(task: Task, result: RuleRows, path: Path) -> None:
    """Raise SwissbertError, and remove the file, unless the declaration of the task reads exactly the rows made."""
    reader = task.model_copy(update={"files": {"train": path.name, "dev": path.name}, "label_files": {}, "hub": None})
    try:
        rows = read_split(reader, "train", path.parent, refuse=True).rows
        same = [(row.text, row.text_pair, row.label) for row in rows] == [
            (row.text, row.text_pair, row.label) for row in result.rows
        ]
        reason = "other texts or labels are read from it"
    except SwissbertError as error:
        same, reason = False, str(error)
    if not same:
        path.unlink(missing_ok=True)
        raise SwissbertError(
            f"task '{task.name}': rows of the rule '{result.rule.name}' cannot be written so that its declaration reads them "
            f'({reason}); a declaration with format = "jsonl" or tabs between cells can be used'
        )


def recipe_lines(synthesis: Synthesis, paths: dict[str, Path], base: str | None = None) -> str:
    """Return the table of a task in a recipe by which runs draw a share of their train rows from the files.

    The files share `SHARE` of an epoch's rows in proportion to their rows.

    Args:
        synthesis: The rows.
        paths: Path of each file, by the name of its rule.
        base: What declares the task: the shipped task of its name if left out, or the path of a TOML file.
    """
    task, total = synthesis.task, sum(len(result.rows) for result in synthesis.by_rule)
    settings = [] if task.format == "auto" else [f'format = "{task.format}"']
    settings += [
        f"{name} = {json.dumps(value)}" for name in TASK_SETTINGS if (value := getattr(task, name)) is not None
    ]
    if not task.header:
        settings.append("header = false")
    entries = []
    for result in synthesis.by_rule:
        if result.rule.name in paths:
            share = max(0.001, round(SHARE * len(result.rows) / total, 3))
            file = json.dumps(str(paths[result.rule.name].absolute()), ensure_ascii=False)
            entries.append(f"    {{ {', '.join([f'file = {file}', f'share = {share}', *settings])} }},\n")
    begin = json.dumps(str(Path(base).absolute()) if base and base.endswith(".toml") else task.name, ensure_ascii=False)
    return f"[[tasks]]\nbase = {begin}\nextra = [\n{''.join(entries)}]"
