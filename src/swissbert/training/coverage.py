"""The share of its train rows that an epoch and the whole run read, task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData
from swissbert.mtl.sampling import Draw, Plan
from swissbert.training.loader import BatchLoader
from swissbert.training.plan import first_epoch
from swissbert.wording import counted, joined

MANY = 4
"""More tasks than these are not listed where all their rows are read."""
SMALL = 0.5
"""Share of a task's train rows in the whole run below which the setting that helps is named."""


@dataclass(frozen=True)
class Coverage:
    """Rows of one task that a run reads.

    Attributes:
        task: Name of the task.
        rows: Number of train rows.
        epoch: Fewest and most different rows that an epoch reads; None if that depends on ``train.max_steps``.
        times: How often an epoch reads a row that it reads, on average.
        run: Different rows that the whole run reads.
    """

    task: str
    rows: int
    epoch: tuple[int, int] | None
    times: float
    run: int


def coverage(config: RunConfig, data: Mapping[str, TaskData], plan: Plan) -> list[Coverage]:
    """Count the rows of the tasks' own files that a run reads, from the batches of its plan.

    Epochs are those of the plan that are complete, or the first one as it would be without ``train.max_steps``.

    Args:
        config: The settings.
        data: Train rows by task.
        plan: Draws of all steps.
    """
    loader = BatchLoader(config, data, plan)
    run = {name: np.zeros(len(rows), bool) for name, rows in data.items()}  # extra rows are not counted
    epochs: list[dict[str, np.ndarray]] = []
    for number, steps in enumerate(plan.epochs()):
        counts = _readings(loader, data, number, steps)
        for name, seen in counts.items():
            run[name] |= seen > 0
        if number < len(plan.ends) - plan.is_cut:
            epochs.append({name: np.array([(seen > 0).sum(), seen.sum()]) for name, seen in counts.items()})
    if not epochs and not isinstance(config.train.epoch_ends, int):
        counts = _readings(loader, data, 0, first_epoch(config, data))
        epochs.append({name: np.array([(seen > 0).sum(), seen.sum()]) for name, seen in counts.items()})
    result = []
    for name, rows in data.items():
        figures = np.array([epoch[name] for epoch in epochs]).reshape(-1, 2)
        different, readings = figures.T
        span = (int(different.min()), int(different.max())) if epochs else None
        times = float(readings.sum() / max(1, different.sum()))
        result.append(Coverage(name, len(rows), span, times, int(run[name].sum())))
    return result


def _readings(
    loader: BatchLoader, data: Mapping[str, TaskData], epoch: int, steps: Iterable[list[Draw]]
) -> dict[str, np.ndarray]:
    """Count how often an epoch reads each row of each task's own files, int64 ``[N]``."""
    sizes = {name: len(rows) + sum(len(extra.data) for extra in rows.extra) for name, rows in data.items()}
    counts = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
    for step in steps:
        for task, number in step:
            counts[task][loader.rows(task, epoch, number)] += 1
    return {name: count[: len(data[name])] for name, count in counts.items()}


def coverage_lines(config: RunConfig, data: Mapping[str, TaskData], plan: Plan) -> list[str]:
    """Word what share of each task's train rows an epoch and the run read, and which setting helps.

    Args:
        config: The settings.
        data: Train rows by task.
        plan: Draws of all steps.

    Returns:
        A line, and more if less than half of a task's rows are ever read for another reason than ``train.max_steps``.
    """
    extra = [rows.line() for task in data.values() for rows in task.extra]
    if plan.parts:
        return [*extra, *_stage_lines(config, plan), _run_text(coverage(config, data, plan))]
    tasks = coverage(config, data, plan)
    sentences = []
    if epoch := [text for task in tasks if (text := _epoch_text(task))]:
        is_whole = all(task.epoch == (task.rows, task.rows) and not _times(task.times) for task in tasks)
        is_long = is_whole and len(tasks) > MANY
        sentences.append(f"an epoch reads {f'all rows of all {len(tasks)} tasks' if is_long else joined(epoch)}")
    is_partial = any(task.epoch is None or task.epoch[0] < task.rows for task in tasks)
    if plan.is_cut or (is_partial and len(plan.ends) > 1) or not epoch:
        sentences.append(_run_text(tasks))
    return [*extra, "; ".join(sentences), *_empty_epochs(config, plan), *_advice(config, tasks)]


def _run_text(tasks: Sequence[Coverage]) -> str:
    """Word what the whole run reads of the tasks of which it does not read all rows."""
    rest = [
        f"{task.run:,} of {task.rows:,} rows of {task.task} ({_share(task.run, task.rows)})"
        for task in tasks
        if task.run < task.rows
    ]
    return f"the whole run reads {joined(rest) if rest else 'all rows'}"


def _stage_lines(config: RunConfig, plan: Plan) -> list[str]:
    """Word tasks, rows and length of each stage, and which stages ``train.max_steps`` leaves out."""
    rows = {"all": "all rows", "own": "rows of their own files", "extra": "rows of extra files"}
    lines, begin = [], 0
    for part in plan.parts:
        epochs = sum(begin < end <= part.end for end in plan.ends)
        length = f"steps {begin + 1:,} to {part.end:,} in {counted(epochs, 'epoch')}"
        lines.append(f"stage {part.name}: {length}, {joined(part.tasks)}, {rows[part.origin]}")
        begin = part.end
    if left_out := [stage.name for stage in config.stages[len(plan.parts) :]]:
        noun = "stage" if len(left_out) == 1 else "stages"
        lines.append(f"train.max_steps = {config.train.max_steps} ends the run before {noun} {joined(left_out)}")
    return lines


def _empty_epochs(config: RunConfig, plan: Plan) -> list[str]:
    """Say how many epochs have no step, which happens where a step draws more batches of a task than it has."""
    train, number = config.train, len(plan.ends)
    if number == train.epochs or len(plan.steps) == train.max_steps:
        return []
    return [
        f"{train.epochs - number} of {train.epochs} epochs have no step, because their first draws take more batches of a "
        "task than it has; train.epoch_ends = 'longest' or a smaller train.batch_size helps"
    ]


def _epoch_text(task: Coverage) -> str:
    """Return what an epoch reads of a task; empty if that is not defined."""
    if task.epoch is None:
        return ""
    low, high = task.epoch
    if low == task.rows:
        return f"all {task.rows:,} rows of {task.task}{_times(task.times)}"
    span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    share = _share((low + high) / 2, task.rows)
    return f"{span} of {task.rows:,} rows of {task.task} ({share})"


def _advice(config: RunConfig, tasks: list[Coverage]) -> list[str]:
    """Name the setting that makes a run read more of the tasks of which it reads little."""
    few = [t for t in tasks if t.run < SMALL * t.rows and t.epoch is not None and t.epoch[1] < t.rows]
    by_size = config.sampling.method not in ("round_robin", "weighted")
    rare = [task.task for task in few if by_size and task.rows < max(other.rows for other in tasks)]
    cut = [task.task for task in few if task.task not in rare and config.train.epoch_ends == "shortest"]
    lines = []
    if cut:
        way = "makes an epoch of as many batches as all tasks have together"
        if config.sampling.method == "round_robin":
            way = (
                "reads all rows of every task, shorter tasks several times, and sampling.method = 'square_root' draws "
                "large tasks more often"
            )
        lines.append(
            f"most rows of {joined(cut)} are never read, because train.epoch_ends = 'shortest' ends an epoch as soon as "
            f"one task has no batch left; train.epoch_ends = 'longest' {way}"
        )
    if rare:
        lines.append(
            f"most rows of {joined(rare)} are never read, because sampling.method = '{config.sampling.method}' draws "
            "tasks by their number of rows; 'round_robin' draws every task equally often"
        )
    return lines


def _share(part: float, whole: int) -> str:
    """Return a share in percent; one that is not 0 or 1 is not rounded to it."""
    percent = 100 * part / whole
    if 0 < percent < 0.5:
        return "under 1 %"
    return f"{100 if part == whole else min(99, round(percent))} %"


def _times(times: float) -> str:
    """Return how often rows are read, if that is not about once."""
    if times < 1.5:
        return ""
    number = f"{times:,.0f}" if times >= 10 else f"{times:.1f}".removesuffix(".0")
    return f" {number} times"
