"""Task selection, output folder and file names of all exports."""

from collections.abc import Callable, Sequence
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.files import need_free, only_writer, write_folder
from swissbert.inference.model import Model
from swissbert.model_folder import layout
from swissbert.tasks import Task

HF_CONFIG = layout.CONFIG
HF_WEIGHTS = layout.WEIGHTS
TOKENIZER = layout.TOKENIZER
TOKENIZER_CONFIG = layout.TOKENIZER_CONFIG
CARD = layout.CARD
ONNX_FILE = "model.onnx"
ONNX_DESCRIPTION = layout.DESCRIPTION
"""Same name as in a model folder. Its ``format`` is `ONNX_FORMAT`, by which `swissbert.load` recognises an export."""
ONNX_FORMAT = "onnx"


def select_tasks(
    model: Model, names: Sequence[str] | None, obstacle: Callable[[Model, Task], str | None], target: str
) -> list[Task]:
    """Return the tasks to export, in the model's order.

    Args:
        model: The model.
        names: Names of the tasks; None or an empty list for all.
        obstacle: Returns a clause that says why a task cannot be exported; None if it can.
        target: What is exported to, for the error message.

    Raises:
        SwissbertError: If a name is unknown or a task cannot be exported; names the tasks that can.
    """
    wanted = {model.task(name).name for name in names} if names else None
    tasks = [task for task in model.tasks.values() if wanted is None or task.name in wanted]
    reasons = {task.name: obstacle(model, task) for task in tasks}
    for name, reason in reasons.items():
        if reason:
            fitting = [other for other, clause in reasons.items() if not clause]
            hint = f"; these tasks can be exported: {', '.join(fitting)}" if fitting else ""
            if not fitting and model.network.separate(model.task(name)):
                hint = "; serve the model, or train one with model.pair_encoding = true and model.pair_head = 'linear'"
            raise SwissbertError(f"task '{name}' cannot be exported as {target}: {reason}{hint}")
    return tasks


def write_new_folder(out: Path, fill: Callable[[Path], None]) -> None:
    """Create the folder `out` atomically.

    Args:
        out: The folder, which must not exist or be empty.
        fill: Writes the contents into the folder it is given. If it raises, nothing is left behind.

    Raises:
        SwissbertError: As `swissbert.files.need_free`, or if the folder cannot be written.
    """
    with only_writer(out, creates_parents=True):
        need_free(out, "export")
        write_folder(out, fill)
