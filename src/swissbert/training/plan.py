"""The plan of a run: the draws of all its steps, from settings and numbers of rows."""

from collections.abc import Iterable, Iterator, Mapping

from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData
from swissbert.errors import SwissbertError
from swissbert.mtl.sampling import (
    Draw,
    Plan,
    in_steps,
    make_plan,
    probabilities,
    round_robin,
    rounds_in_epoch,
    sampled,
    until_exhausted,
)


def plan_steps(config: RunConfig, train: Mapping[str, TaskData], *, whole_steps: bool = False) -> Plan:
    """Plan all steps of a run from its settings and the number of training rows.

    Args:
        config: Sampling, epochs and batch size.
        train: Training rows by task.
        whole_steps: Leave out the last step of an epoch if it has fewer rounds than ``train.accumulation``, as
            swissbert 0.1.0 did.

    Raises:
        SwissbertError: If no step fits into an epoch.
    """
    draws = _round_draws(config)
    epochs: Iterator[Iterable[list[Draw]]] = _epochs(config, train)
    if whole_steps:
        size = draws * config.train.accumulation
        epochs = ([step for step in epoch if len(step) == size] for epoch in epochs)
    plan = make_plan(epochs, draws, config.train.max_steps)
    if not plan.steps:
        raise SwissbertError(
            f"no step fits into an epoch: a step draws {draws} batches at random (sampling.draws), and an epoch with "
            "train.epoch_ends = 'shortest' ends before a task is drawn more often than it has batches; "
            "train.epoch_ends = 'longest', a smaller train.batch_size or smaller sampling.draws help"
        )
    return plan


def first_epoch(config: RunConfig, train: Mapping[str, TaskData]) -> list[list[Draw]]:
    """Return the steps of the first epoch as if ``train.max_steps`` were not set."""
    return list(next(_epochs(config, train)))


def _round_draws(config: RunConfig) -> int:
    """Return the number of batches in a round."""
    return config.sampling.draws or len(config.tasks)


def _epochs(config: RunConfig, data: Mapping[str, TaskData]) -> Iterator[Iterable[list[Draw]]]:
    """Yield the steps of every epoch."""
    train, sampling = config.train, config.sampling
    batches = {name: -(-len(rows) // train.batch_size) for name, rows in data.items()}
    sizes = {name: len(rows) for name, rows in data.items()}
    draws = _round_draws(config)
    for epoch in range(train.epochs):
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
