"""Task sampling: the task and batch number of every draw of a run, as pure functions of counts and a seed."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from zlib import crc32

import numpy as np

Method = Literal["weighted", "proportional", "square_root", "temperature", "annealed"]
"""Methods that assign probabilities to tasks."""

Draw = tuple[str, int]
"""A task and the number of its batch within the epoch. Numbers past the task's last batch start its rows over."""


@dataclass(frozen=True)
class Part:
    """A stage of a plan.

    Attributes:
        name: Name of the stage.
        tasks: Its tasks.
        origin: Which of their rows are read: ``all``, ``own`` or ``extra``.
        end: Number of steps after which it is over.
        round_draws: Draws of a round.
    """

    name: str
    tasks: list[str]
    origin: Literal["all", "own", "extra"]
    end: int
    round_draws: int


@dataclass(frozen=True)
class Plan:
    """The draws of a whole run.

    Attributes:
        steps: Draws of each optimizer step.
        ends: Number of steps after which each epoch is over, ascending.
        round_draws: Draws of a round. A step has ``train.accumulation`` rounds; the last of an epoch may have fewer.
        is_cut: Whether the last epoch is incomplete, because the run has no more steps.
        parts: The stages of the run, ascending; empty for a run without stages.
    """

    steps: list[list[Draw]]
    ends: list[int]
    round_draws: int
    is_cut: bool = False
    parts: tuple[Part, ...] = ()

    def epoch(self, step: int) -> int:
        """Return the epoch of a step; both count from 0."""
        return bisect_right(self.ends, step)

    def rounds(self, step: int) -> int:
        """Return the number of rounds of a step, whose gradient is their mean."""
        part = self.part(step)
        return len(self.steps[step]) // (part.round_draws if part else self.round_draws)

    def part(self, step: int) -> Part | None:
        """Return the stage of a step; None for a run without stages."""
        return next((part for part in self.parts if step < part.end), None)

    def origin(self, epoch: int) -> Literal["all", "own", "extra"]:
        """Return which rows an epoch reads, for the last stage if there is no such epoch."""
        if not self.parts:
            return "all"
        return (self.part(self.ends[min(epoch, len(self.ends) - 1)] - 1) or self.parts[-1]).origin

    def counted_evaluations(self, step: int) -> int | None:
        """Return how many epochs of the last stage are over after `step` steps; None for a run without stages."""
        if not self.parts:
            return None
        begin = self.parts[-2].end if len(self.parts) > 1 else 0
        return max(0, bisect_right(self.ends, step) - bisect_right(self.ends, begin))

    def epochs(self) -> Iterator[list[list[Draw]]]:
        """Yield the steps of each epoch."""
        for start, end in zip([0, *self.ends], self.ends, strict=False):
            yield self.steps[start:end]


def make_plan(epochs: Iterable[Iterable[list[Draw]]], round_draws: int, most: int | None = None) -> Plan:
    """Concatenate epochs to a plan of at most `most` steps. Epochs without a step are left out.

    Args:
        epochs: Draws of the steps of each epoch.
        round_draws: Draws of a round.
        most: Upper limit for the number of steps.
    """
    steps: list[list[Draw]] = []
    ends: list[int] = []
    for epoch in epochs:
        before = len(steps)
        steps += epoch
        if most is not None and len(steps) >= most:
            return Plan(steps[:most], [*ends, most], round_draws, is_cut=len(steps) > most)
        if len(steps) > before:
            ends.append(len(steps))
    return Plan(steps, ends, round_draws)


def in_steps(rounds: Iterable[list[Draw]], accumulation: int) -> Iterator[list[Draw]]:
    """Join `accumulation` rounds at a time to a step. The rounds that are left at the end make a smaller step."""
    remaining = iter(rounds)
    while step := list(islice(remaining, accumulation)):
        yield [draw for turn in step for draw in turn]


def rounds_in_epoch(batches: Mapping[str, int], ends: Literal["shortest", "longest"] | int, accumulation: int) -> int:
    """Count the rounds of an epoch, with one batch of each task per round.

    Args:
        batches: Number of batches of each task.
        ends: ``shortest`` ends an epoch when any task is exhausted (paper, Section 4.1), ``longest`` when all are, a
            number after that many steps.
        accumulation: Rounds per step.
    """
    if isinstance(ends, int):
        return ends * accumulation
    return min(batches.values()) if ends == "shortest" else max(batches.values())


def round_robin(tasks: list[str], rounds: int) -> Iterator[list[Draw]]:
    """Yield the rounds of the paper's loop: one batch of each task."""
    for number in range(rounds):
        yield [(task, number) for task in tasks]


def probabilities(
    method: Method, sizes: Mapping[str, int], weights: Mapping[str, float], temperature: float, epoch: int, epochs: int
) -> dict[str, float]:
    """Return the probability that a draw is of each task.

    Args:
        method: ``weighted`` is p ∝ `weights` (paper, Section 4.2, Biased Task Sampling; in Section 5.3 the weights are
            sst 1, para 1.7, sts 1). The others are p ∝ N^α with α = 1 for ``proportional``, ½ for ``square_root``,
            1/`temperature` for ``temperature``; for ``annealed`` α falls linearly from 1 in the first epoch to 0.2 in
            the last (Stickland and Murray, 2019), and is 1 if there is only one.
        sizes: Number N of training rows of each task, at least 1.
        weights: For ``weighted``: at least 0, not all 0; 1 for a task without one.
        temperature: For ``temperature``: above 0.
        epoch: For ``annealed``: number of the epoch, from 1.
        epochs: For ``annealed``: number of epochs.

    Returns:
        Probabilities in the order of `sizes`; they sum to 1.
    """
    base = {task: weights.get(task, 1.0) for task in sizes} if method == "weighted" else dict(sizes)
    power = _power(method, temperature, epoch, epochs)
    largest = max(base.values())
    mass = {task: (value / largest) ** power for task, value in base.items()}  # at most 1, so no power overflows
    total = sum(mass.values())
    return {task: share / total for task, share in mass.items()}


def _power(method: Method, temperature: float, epoch: int, epochs: int) -> float:
    if method == "square_root":
        return 0.5
    if method == "temperature":
        return 1 / temperature
    if method == "annealed":
        if not 1 <= epoch <= epochs:
            raise ValueError(f"epoch {epoch} is not from 1 to {epochs}")
        return 1 - 0.8 * (epoch - 1) / max(1, epochs - 1)
    return 1.0


def sampled(probabilities: Mapping[str, float], rounds: int, draws: int, seed: Sequence[int]) -> Iterator[list[Draw]]:
    """Yield the rounds of an epoch whose tasks are drawn independently.

    A round may have several batches of one task and none of another. The batch numbers of each task count up from 0 in
    the order drawn, without end: `until_exhausted` ends the epoch.

    Args:
        probabilities: Probability of each task; the order of the keys does not matter.
        rounds: Number of rounds. The first rounds do not depend on it.
        draws: Batches per round.
        seed: Numbers of at least 0, such as the seed of the run and the epoch. They alone determine the draws.

    Raises:
        ValueError: If the probabilities do not sum to 1.
    """
    tasks = sorted(probabilities)
    p = [probabilities[task] for task in tasks]
    generator = np.random.default_rng([crc32(b"sampling"), *seed])
    drawn = dict.fromkeys(tasks, 0)
    for _ in range(rounds):
        batches: list[Draw] = []
        for index in generator.choice(len(tasks), size=draws, p=p):
            task = tasks[index]
            batches.append((task, drawn[task]))
            drawn[task] += 1
        yield batches


def until_exhausted(rounds: Iterable[list[Draw]], batches: Mapping[str, int]) -> Iterator[list[Draw]]:
    """Yield the rounds before the first one that needs a batch a task does not have: the epoch end ``shortest``.

    That round is left out whole, batches of other tasks included; drawing the last batch of a task does not end the
    epoch. There may be no round at all, if a round draws more of a task than it has. Sampled epochs end within
    ``sum(batches.values()) // draws + 1`` rounds.

    Args:
        rounds: Draws of each round.
        batches: Number of batches of each task.
    """
    for turn in rounds:
        if any(number >= batches[task] for task, number in turn):
            return
        yield turn
