"""Train rows beyond what a split holds: extra files, and rows that dev and test rows of the run rule out."""

from collections.abc import Mapping
from dataclasses import replace

from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData
from swissbert.data.extra_rows import ExtraRows, make_extra
from swissbert.data.guard import HeldTexts, held_texts
from swissbert.data.memory import MemoryRows
from swissbert.data.row_filter import RowFilter
from swissbert.data.splits import Source
from swissbert.display import Display
from swissbert.tasks import Task
from swissbert.wording import joined


def held_of(config: RunConfig, memory: Mapping[str, MemoryRows], display: Display) -> HeldTexts | None:
    """Read the dev and test texts of a run; None if none of its train rows is compared with them.

    Args:
        config: Tasks and data folder.
        memory: Rows in memory by task.
        display: Receives a line for each task whose test rows cannot be read.
    """
    if not any(task.extra or task.guard != "off" for task in config.tasks):
        return None

    def source_of(task: Task) -> Source:
        return memory.get(task.name, config.data.path)

    return held_texts(config.tasks, source_of, display.say, config.data.path)


def guard_of(task: Task, held: HeldTexts | None) -> RowFilter | None:
    """Return the choice among the train rows of a task's own files; None if all are taken."""
    return None if held is None or task.guard == "off" else RowFilter(held, task.guard)


def with_extra(train: TaskData, loaded: list[TaskData]) -> TaskData:
    """Return train rows together with those of the task's extra files, of which each epoch draws some."""
    if not loaded:
        return train
    return replace(train, extra=make_extra(train, list(zip(train.task.extra, loaded, strict=True))))


def named_extra(train: Mapping[str, TaskData]) -> dict[str, ExtraRows]:
    """Return the extra rows of all tasks by ``task.extra1`` and so on, as ``run.json`` names them."""
    return {f"{name}.extra{n}": extra for name, rows in train.items() for n, extra in enumerate(rows.extra, 1)}


def swap_line(config: RunConfig) -> str:
    """Word the pairs of which tasks change places, and which keep their order; empty if none changes."""
    swapping = [task.name for task in config.tasks if config.swaps_pairs(task)]
    if not swapping:
        return ""
    kept = [task.name for task in config.tasks if task.is_pair and task.name not in swapping]
    others = f"; those of {joined(kept)} keep their order" if kept else ""
    return f"the texts of a train pair of {joined(swapping)} change places in half of the cases{others}"
