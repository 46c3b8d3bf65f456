"""Export to one ONNX file that answers every task whose input is one sequence.

The file takes int64 ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``[batch, length]``, and has one
output per task under the task's name: probabilities ``[batch, labels]`` or scores ``[batch]``. The graph is traced
from the padded model; its answers are compared with those of the packed model before the folder appears.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import table_answers, task_scores
from swissbert.export.describe import describe
from swissbert.export.plan import ONNX_FILE, select_tasks, write_new_folder
from swissbert.export.quantize import quantize
from swissbert.export.trace import INPUTS, save, trace
from swissbert.export.verify import check_answers, file_answers, open_session
from swissbert.inference.model import Model
from swissbert.metrics import higher_is_better
from swissbert.tasks import Task

TRACING = "tracing the model"
CHECKING = "comparing its answers with the model's"
LARGEST_LOSS = 0.003
"""How much worse than the model's an int8 file's dev score may be, as a share of the range for errors in the unit of the
labels. With few rows, two changed rows are allowed for."""


def export_onnx(model: Model, out: Path, names: Sequence[str] | None = None, display: Display | None = None) -> Path:
    """Write a folder with ``model.onnx``, its tokenizer and its description.

    Args:
        model: The model, on the CPU.
        out: The folder to create.
        names: Names of the tasks; None for all.
        display: Shows progress; nothing is shown if left out.

    Returns:
        The path of the file.

    Raises:
        SwissbertError: If a task cannot be exported, `out` is not free, or the file's answers are not the model's;
            nothing is written then.
    """
    tasks = select_tasks(model, names, obstacle, "an ONNX file")

    display = display or Display(quiet=True)

    def fill(new: Path) -> None:
        with display.waiting(TRACING):
            save(trace(model.network, tasks), new / ONNX_FILE)
        with display.waiting(CHECKING):
            check_answers(model, tasks, open_session(new / ONNX_FILE))
        describe(model, tasks, new, "fp32")

    write_new_folder(out, fill)
    return out / ONNX_FILE


def export_int8(
    model: Model,
    out: Path,
    names: Sequence[str] | None = None,
    data: Path | None = None,
    display: Display | None = None,
) -> dict[str, tuple[float, float]]:
    """Write the folder of `export_onnx` with int8 matrix products, and score it on dev rows.

    Args:
        model: The model, on the CPU.
        out: The folder to create.
        names: Names of the tasks; None for all.
        data: Directory with the dev rows.
        display: Shows progress; nothing is shown if left out.

    Returns:
        Dev scores of the model and of the file by task, each by the task's declared metric.

    Raises:
        SwissbertError: As `export_onnx`, if dev rows are missing, or if a score falls by more than `LARGEST_LOSS`.
    """
    tasks = select_tasks(model, names, obstacle, "an ONNX file")
    display = display or Display(quiet=True)
    splits = list(model.labelled_splits("dev", data, tasks, display=display))
    scores: dict[str, tuple[float, float]] = {}

    def fill(new: Path) -> None:
        path = new / ONNX_FILE
        with display.waiting(TRACING):
            graph = trace(model.network, tasks)
            save(graph, path)
        with display.waiting(CHECKING):
            check_answers(model, tasks, open_session(path))  # before rounding, which would hide an error of tracing
        with display.waiting("rounding to int8"):
            quantize(graph)
            save(graph, path)
            session = open_session(path)
        for split in splits:
            task = split.task
            with display.work(f"scoring {task.name} as it was and rounded", 2 * int(split.table.lengths.sum())) as done:
                answers = (
                    table_answers(model.network, task, split.table, done),
                    file_answers(session, task, split.table, done),
                )
            exact, rounded = (task_scores(task, split.labels, part)[task.metric] for part in answers)
            _check_loss(task, exact, rounded, len(split))
            scores[task.name] = exact, rounded
        describe(model, tasks, new, "int8", {name: rounded for name, (_, rounded) in scores.items()})

    write_new_folder(out, fill)
    return scores


def obstacle(model: Model, task: Task) -> str | None:
    """Say in a clause why a task cannot be an output of the file; None if it can."""
    if task.name in INPUTS:
        return "the file has an input of that name"
    return "it encodes the sentences of a pair separately" if model.network.separate(task) else None


def _check_loss(task: Task, exact: float, rounded: float, rows: int) -> None:
    room = max(LARGEST_LOSS, 2 / rows)
    if higher_is_better(task.metric):
        verb, is_worse = "falls", rounded < exact - room
    else:
        verb, is_worse = "rises", rounded > exact + room * task.kind.answer_span(task)
    if is_worse or math.isnan(exact) != math.isnan(rounded):
        raise SwissbertError(
            f"task '{task.name}': {task.metric} on dev rows {verb} from {exact:.4f} to {rounded:.4f} with int8 products,"
            " which is too much; export in fp32 instead"
        )
