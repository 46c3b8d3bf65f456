"""The plan of a run: the draws of all its steps, from settings and numbers of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from swissbert.config import RunConfig, Stage
from swissbert.data.dataset import TaskData
from swissbert.data.passes import Origin, Passes
from swissbert.errors import SettingsError, SwissbertError
from swissbert.mtl.sampling import (
    Draw,
    Part,
    Plan,
    in_steps,
    make_plan,
    probabilities,
    round_robin,
    rounds_in_epoch,
    sampled,
    until_exhausted,
)
from swissbert.tasks import Task

EMPTY_EPOCHS = 1000
"""Epochs without a step after which a stage of so many steps is given up."""


def plan_steps(config: RunConfig, train: Mapping[str, TaskData], *, whole_steps: bool = False) -> Plan:
    """Plan all steps of a run from its settings and the number of training rows.

    Args:
        config: Sampling, epochs, stages and batch size.
        train: Training rows by task.
        whole_steps: Leave out the last step of an epoch if it has fewer rounds than ``train.accumulation``, as
            swissbert 0.1.0 did.

    Raises:
        SwissbertError: If no step fits into an epoch.
    """
    plan = _plan_of_stages(config, train) if config.stages else _plan_of_epochs(config, train, whole_steps)
    if not plan.steps:
        raise SettingsError(
            f"no step fits into an epoch: a step draws {plan.round_draws} batches at random (sampling.draws), and an epoch "
            "with train.epoch_ends = 'shortest' ends before a task is drawn more often than it has batches; "
            "train.epoch_ends = 'longest', a smaller train.batch_size or smaller sampling.draws help"
        )
    if config.train.heads_first >= len(plan.steps):
        raise SettingsError(
            f"train.heads_first is {config.train.heads_first}, but the run has {len(plan.steps)} steps, so its encoder would "
            "learn nothing; encoder.freeze = true trains heads alone"
        )
    return plan


def need_extra_rows(config: RunConfig, declared: Sequence[Task]) -> None:
    """Raise SwissbertError if a stage of extra rows has none, because optional files do not exist.

    Args:
        config: The settings, without the extra files that do not exist.
        declared: The tasks with all extra files that they declare.
    """
    left = {task.name for task in config.tasks if task.extra}
    for stage in config.stages:
        if stage.rows != "extra" or (config.stage_tasks(stage) and left.issuperset(stage.tasks or ())):
            continue
        task = next(
            task
            for task in declared
            if task.extra and task.name in (stage.tasks or [task.name]) and task.name not in left
        )
        files = ", ".join(extra.file for extra in task.extra)
        raise SwissbertError(
            f"stage '{stage.name}' has rows = 'extra', but of the extra files of task '{task.name}', which are optional, none "
            f"exists ({files}); put one into the data directory or leave the stage out"
        )


def first_epoch(config: RunConfig, train: Mapping[str, TaskData]) -> list[list[Draw]]:
    """Return the steps of the first epoch as if ``train.max_steps`` were not set."""
    return list(next(_epochs(config, train, range(1))))


def _plan_of_epochs(config: RunConfig, train: Mapping[str, TaskData], whole_steps: bool = False) -> Plan:
    """Plan a run without stages."""
    draws = _round_draws(config, train)
    epochs: Iterator[Iterable[list[Draw]]] = _epochs(config, train, range(config.train.epochs))
    if whole_steps:
        size = draws * config.train.accumulation
        epochs = ([step for step in epoch if len(step) == size] for epoch in epochs)
    return make_plan(epochs, draws, config.train.max_steps)


def _plan_of_stages(config: RunConfig, train: Mapping[str, TaskData]) -> Plan:
    """Plan the stages one after the other; the numbers of epochs go on from stage to stage."""
    most = config.train.max_steps
    total = None
    if any(stage.share is not None for stage in config.stages):
        total = most or len(_plan_of_epochs(config, train).steps)
    steps: list[list[Draw]] = []
    ends: list[int] = []
    parts: list[Part] = []
    is_cut = False
    first = 0
    for stage in config.stages:
        plan, first = _stage_plan(config, train, stage, first, total)
        begin = len(steps)
        kept = plan.steps if most is None else plan.steps[: most - begin]
        steps += kept
        ends += [begin + end for end in plan.ends if end < len(kept)] + [len(steps)]
        parts.append(Part(stage.name, config.stage_tasks(stage), stage.rows, len(steps), plan.round_draws))
        is_cut = plan.is_cut or len(kept) < len(plan.steps)
        if most is not None and len(steps) >= most:
            break
    return Plan(steps, ends, _round_draws(config, train), is_cut, tuple(parts))


def _stage_plan(
    config: RunConfig, train: Mapping[str, TaskData], stage: Stage, first: int, total: int | None
) -> tuple[Plan, int]:
    """Plan the steps of one stage.

    Args:
        config: The settings.
        train: Training rows by task.
        stage: The stage.
        first: Number of its first epoch.
        total: The steps to which shares refer.

    Returns:
        Its plan, and the number of the first epoch of the next stage. Epochs without a step have numbers too, so that no
        stage draws with the seeds of another one.
    """
    data = {name: train[name] for name in config.stage_tasks(stage)}
    draws = _round_draws(config, data)
    most = stage.steps if stage.share is None else max(1, round(stage.share * (total or 0)))
    numbers = count(first) if stage.epochs is None else range(first, first + stage.epochs)
    used = [first]

    def noted() -> Iterator[int]:
        for number in numbers:
            used.append(number + 1)
            yield number

    plan = make_plan(_not_endless(_epochs(config, data, noted(), stage.rows)), draws, most)
    if not plan.steps:
        raise SettingsError(
            f"no step fits into an epoch of stage '{stage.name}'; train.epoch_ends = 'longest', a smaller train.batch_size or "
            "smaller sampling.draws help"
        )
    return plan, used[-1]


def _not_endless(epochs: Iterator[Iterable[list[Draw]]]) -> Iterator[Iterable[list[Draw]]]:
    """Yield epochs up to the one that follows `EMPTY_EPOCHS` epochs without a step."""
    empty = 0
    for epoch in epochs:
        steps = list(epoch)
        empty = 0 if steps else empty + 1
        if empty > EMPTY_EPOCHS:
            return
        yield steps


def _round_draws(config: RunConfig, data: Mapping[str, TaskData]) -> int:
    """Return the number of batches in a round."""
    return config.sampling.draws or len(data)


def _epochs(
    config: RunConfig, data: Mapping[str, TaskData], numbers: Iterable[int], origin: Origin = "all"
) -> Iterator[Iterable[list[Draw]]]:
    """Yield the steps of every epoch. Probabilities of tasks go by their own rows, whatever an epoch adds to them."""
    train, sampling = config.train, config.sampling
    batches = {name: -(-Passes(rows).size(origin) // train.batch_size) for name, rows in data.items()}
    sizes = {name: len(rows) for name, rows in data.items()}
    draws = _round_draws(config, data)
    for epoch in numbers:
        if sampling.method == "round_robin":
            number = rounds_in_epoch(batches, train.epoch_ends, train.accumulation)
            yield in_steps(round_robin(list(batches), number), train.accumulation)
            continue
        chances = probabilities(sampling.method, sizes, sampling.weights, sampling.temperature, epoch + 1, train.epochs)
        most = sum(batches.values()) // (draws * train.accumulation) + 1  # steps
        if isinstance(train.epoch_ends, int):
            most = train.epoch_ends
        rounds = sampled(chances, most * train.accumulation, draws, [config.seed, epoch])
        if train.epoch_ends == "shortest":
            rounds = until_exhausted(rounds, batches)
        yield in_steps(rounds, train.accumulation)
