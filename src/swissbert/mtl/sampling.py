"""Which batch of which task comes next. Pure functions of counts and a seed: the same settings give the same order."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np

Method = Literal["weighted", "proportional", "square_root", "temperature", "annealed"]
"""How task sampling finds its probabilities."""

Draw = tuple[str, int]
"""A task and the number of its batch within the epoch; a number past the task's last batch starts it over."""


@dataclass(frozen=True)
class Plan:
    """All steps of a run with their draws, and after how many steps each epoch is over, ascending."""

    steps: list[list[Draw]]
    ends: list[int]

    def epoch(self, step: int) -> int:
        """The epoch, from 0, that a step, from 0, belongs to."""
        return bisect_right(self.ends, step)


def make_plan(epochs: Iterable[Iterable[list[Draw]]], most: int | None = None) -> Plan:
    """String epochs together, up to `most` steps. Epochs without a step are passed over."""
    steps: list[list[Draw]] = []
    ends: list[int] = []
    for epoch in epochs:
        before = len(steps)
        steps += epoch
        if most is not None and len(steps) >= most:
            return Plan(steps[:most], [*ends, most])
        if len(steps) > before:
            ends.append(len(steps))
    return Plan(steps, ends)


def steps_in_epoch(batches: Mapping[str, int], ends: Literal["shortest", "longest"] | int, accumulation: int) -> int:
    """Optimizer steps of an epoch; 0 where not even one fits.

    `batches` is the number of batches of each task. ``shortest`` ends an epoch when any task is exhausted (paper,
    Section 4.1), ``longest`` when all are, a number after that many steps. A step is `accumulation` rounds.
    """
    if isinstance(ends, int):
        return ends
    rounds = min(batches.values()) if ends == "shortest" else max(batches.values())
    return rounds // accumulation


def round_robin(tasks: list[str], steps: int, accumulation: int) -> Iterator[list[Draw]]:
    """The paper's loop: in every round one batch of each task; `accumulation` rounds make a step."""
    for step in range(steps):
        yield [(task, step * accumulation + turn) for turn in range(accumulation) for task in tasks]


def probabilities(
    method: Method, sizes: Mapping[str, int], weights: Mapping[str, float], temperature: float, epoch: int, epochs: int
) -> dict[str, float]:
    """How likely a draw is to be of each task of `sizes`; they add up to 1.

    `sizes` is the number N of rows each task trains on, at least 1. ``weighted`` is p ∝ `weights`, 0 or more, not all 0,
    and 1 for a task that is not named there (paper, Section 4.2, Biased Task Sampling; its weights, in Section 5.3, are
    sst 1, para 1.7, sts 1). The other methods are p ∝ N^α: α is 1 for ``proportional``, ½ for ``square_root``, 1/`temperature` for ``temperature``, which is above 0, and for
    ``annealed`` falls evenly from 1 in epoch 1 to 0.2 in epoch `epochs` (Stickland and Murray, 2019); it is 1 where
    there is but one epoch. `epoch` counts from 1. What a method does not name, it does not look at.
    """
    base = {task: weights.get(task, 1.0) for task in sizes} if method == "weighted" else dict(sizes)
    power = _power(method, temperature, epoch, epochs)
    largest = max(base.values())
    mass = {task: (value / largest) ** power for task, value in base.items()}  # at most 1, whatever the power
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


def sampled(probabilities: Mapping[str, float], steps: int, draws: int, seed: Sequence[int]) -> Iterator[list[Draw]]:
    """Task sampling: `steps` steps of an epoch, each of `draws` batches whose tasks are drawn independently.

    A step may have several batches of one task and none of another. Batch numbers of each task count up from 0 through
    the steps of the epoch, in the order drawn, without end: `until_exhausted` ends the epoch. `probabilities` add up to
    1 (ValueError if not); the order of its keys is of no account. The numbers in `seed`, say of the run and the epoch,
    none negative, decide the rest alone; fewer steps are the beginning of more.
    """
    tasks = sorted(probabilities)
    p = [probabilities[task] for task in tasks]
    generator = np.random.default_rng([crc32(b"sampling"), *seed])
    drawn = dict.fromkeys(tasks, 0)
    for _ in range(steps):
        step: list[Draw] = []
        for index in generator.choice(len(tasks), size=draws, p=p):
            task = tasks[index]
            step.append((task, drawn[task]))
            drawn[task] += 1
        yield step


def until_exhausted(steps: Iterable[list[Draw]], batches: Mapping[str, int]) -> Iterator[list[Draw]]:
    """The steps before the first that needs a batch that is not there: the end ``shortest`` of an epoch.

    `batches` is the number of batches of each task; what is counted is optimizer steps, and only whole ones. A task whose
    last batch has just been drawn does not end the epoch: the step that would draw one more of it does, and all of that
    step is left out, batches of other tasks too. May be no step at all, where a step draws more of a task than it has.
    Sampling always gets there within ``sum(batches.values()) // draws + 1`` steps.
    """
    for step in steps:
        if any(number >= batches[task] for task, number in step):
            return
        yield step
