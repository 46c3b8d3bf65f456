"""Calls of the experiments to `swissbert.training`: load splits, plan steps, time steps, train, score."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from swissbert.config import RunConfig
from swissbert.config.distillation import DistillationSettings
from swissbert.data.dataset import TaskData
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.distributed.world import ALONE
from swissbert.evaluation import table_answers
from swissbert.inference.loading import load
from swissbert.kinds import Array
from swissbert.model_folder.layout import CHECKPOINTS, RUN_CONFIG
from swissbert.training.loop import train
from swissbert.training.plan import plan_steps
from swissbert.training.preparation import fingerprints, prepare
from swissbert.training.record import recorded_rows
from swissbert.training.resume import check_settings
from swissbert.training.run_rows import load_splits, row_source
from swissbert.training.state import checkpoints
from swissbert.training.stored_settings import as_begun

TIMED_STEPS = 2
"""Steps that are timed, after one for warm-up."""


class Splits(NamedTuple):
    """The splits of a run.

    Attributes:
        train: Train rows by task.
        dev: Dev rows of every task.
        checksums: SHA-256 checksum of each split, by ``task.split``.
    """

    train: dict[str, TaskData]
    dev: list[TaskData]
    checksums: dict[str, str]


class StepCounts(NamedTuple):
    """Planned work of a run.

    Attributes:
        steps: Number of optimizer steps.
        evaluations: Number of evaluations, one after each epoch.
        draws: Number of batches of each task.
    """

    steps: int
    evaluations: int
    draws: dict[str, int]


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        model: Folder of the best model.
        steps: Number of optimizer steps.
        best_step: Step of the best evaluation.
        tokens: Number of tokens read.
        seconds: Time in steps.
        checksums: SHA-256 checksum of each split, as recorded at the start of the run.
    """

    model: Path
    steps: int
    best_step: int
    tokens: int
    seconds: float
    checksums: dict[str, str]


def read_splits(config: RunConfig, tokenizer: Tokenizer, display: Display) -> Splits:
    """Load and tokenize the splits of a run.

    Raises:
        SwissbertError: If a split cannot be read.
    """
    train_rows, dev = load_splits(config, tokenizer, display)
    return Splits(train_rows, dev, fingerprints(train_rows, dev))


def count_steps(config: RunConfig, train_rows: dict[str, TaskData]) -> StepCounts:
    """Count the steps, evaluations and batches of a run.

    Raises:
        SwissbertError: If no step fits into an epoch.
    """
    plan = plan_steps(config, train_rows)
    draws = dict.fromkeys(train_rows, 0)
    for step in plan.steps:
        for name, _ in step:
            draws[name] += 1
    return StepCounts(len(plan.steps), len(plan.ends), draws)


def last_checkpoint(folder: Path) -> int:
    """Return the step of the last checkpoint in a run folder; 0 if there is none."""
    return (checkpoints(folder / CHECKPOINTS) or [0])[-1]


def tokens_per_second(config: RunConfig, display: Display) -> float:
    """Measure how fast the first steps of a run are. The network is discarded."""
    number_of_steps = 1 + min(TIMED_STEPS, config.train.max_steps or TIMED_STEPS)
    with display.work("timing a few steps", number_of_steps) as on_progress:
        prepared = prepare(_without_teachers(config), Display(quiet=True))
        step, batches, rounds = prepared.training_step(), prepared.batches(), prepared.plan.rounds
        step(0, batches(0), rounds(0))  # warm-up
        records = []
        for number in range(min(TIMED_STEPS, prepared.total)):
            on_progress(1)
            records.append(step(number, batches(number), rounds(number)))
    return sum(record.tokens for record in records) / sum(record.seconds for record in records)


def _without_teachers(config: RunConfig) -> RunConfig:
    """Return settings of the same work in a step for which no teacher is asked, whose models may not be trained yet."""
    if not config.distillation.teachers:
        return config
    tasks = [
        task.model_copy(update={"extra": [file for file in task.extra if not file.unlabelled]}) for task in config.tasks
    ]
    return config.model_copy(update={"tasks": tasks, "stages": [], "distillation": DistillationSettings()})


def dev_answers(folder: Path, config: RunConfig) -> tuple[list[TaskData], dict[str, Array]]:
    """Answer the dev rows of a run.

    Args:
        folder: Folder of the run or model.
        config: Settings of the run, which say where the rows are.

    Returns:
        The dev rows of each task, and the answers by task.

    Raises:
        SwissbertError: If the model or the rows cannot be read.
    """
    model = load(folder, config.train.device)
    source = row_source(config, Display(quiet=True), None)
    dev = [source.load(task, "dev", model.tokenizer, **model.token_options(task)) for task in config.tasks]
    return dev, {rows.task.name: table_answers(model.network, rows.task, rows.table) for rows in dev}


def train_run(config: RunConfig, folder: Path, display: Display) -> TrainedRun:
    """Train a run, or resume it where it was interrupted.

    Raises:
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
        SwissbertError: If the run cannot be trained.
    """
    if (folder / RUN_CONFIG).exists():
        config = as_begun(config, folder)
    check_settings(config, folder, resume=True, may_change=False)  # a longer row of a table is another run
    result = train(config, folder, resume=True, display=display, world=ALONE)
    progress = result.progress
    assert progress.best_step is not None, "a run ends with an evaluation"
    return TrainedRun(
        result.model,
        progress.step,
        progress.best_step,
        progress.tokens,
        progress.seconds,
        recorded_rows(folder),
    )
