"""The plan of a run: the draws of all its steps, from settings and numbers of rows."""

from collections.abc import Iterable, Iterator

from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData
from swissbert.errors import SwissbertError
from swissbert.mtl.sampling import (
    Draw,
    Plan,
    make_plan,
    probabilities,
    round_robin,
    sampled,
    steps_in_epoch,
    until_exhausted,
)


def plan_steps(config: RunConfig, train: dict[str, TaskData]) -> Plan:
    """Plan all steps of a run from its settings and the number of training rows.

    Args:
        config: Sampling, epochs and batch size.
        train: Training rows by task.

    Raises:
        SwissbertError: If no step fits into an epoch.
    """
    plan = make_plan(_epochs(config, train), config.train.max_steps)
    if not plan.steps:
        raise SwissbertError(
            "no step fits into an epoch: sampling.draws takes more batches than a task has; "
            "a smaller train.batch_size or train.epoch_ends = 'longest' helps"
        )
    return plan


def _epochs(config: RunConfig, data: dict[str, TaskData]) -> Iterator[Iterable[list[Draw]]]:
    """Yield the steps of every epoch."""
    train, sampling = config.train, config.sampling
    batches = {name: -(-len(rows) // train.batch_size) for name, rows in data.items()}
    sizes = {name: len(rows) for name, rows in data.items()}
    draws = (sampling.draws or len(batches)) * train.accumulation
    for epoch in range(train.epochs):
        if sampling.method == "round_robin":
            steps = steps_in_epoch(batches, train.epoch_ends, train.accumulation)
            if not steps:
                name = min(batches, key=lambda task: batches[task])
                raise SwissbertError(
                    f"train.accumulation is {train.accumulation}, but task '{name}' has {batches[name]} batches; "
                    "a step must fit into an epoch"
                )
            yield round_robin(list(batches), steps, train.accumulation)
            continue
        chances = probabilities(sampling.method, sizes, sampling.weights, sampling.temperature, epoch + 1, train.epochs)
        most = train.epoch_ends if isinstance(train.epoch_ends, int) else sum(batches.values()) // draws + 1
        steps_drawn = sampled(chances, most, draws, [config.seed, epoch])
        yield until_exhausted(steps_drawn, batches) if train.epoch_ends == "shortest" else steps_drawn
