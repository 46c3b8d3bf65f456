"""Which batch of which task comes next. Pure functions of counts: the same settings give the same order."""

from collections.abc import Iterator, Mapping
from typing import Literal

Draw = tuple[str, int]
"""A task and the number of its batch within the epoch; a number past the task's last batch starts it over."""


def steps_in_epoch(batches: Mapping[str, int], ends: Literal["shortest", "longest"] | int, accumulation: int) -> int:
    """Optimizer steps of an epoch, at least 1.

    `batches` is the number of batches of each task. ``shortest`` ends an epoch when any task is exhausted (paper,
    Section 4.1), ``longest`` when all are, a number after that many steps. A step is `accumulation` rounds.
    """
    if isinstance(ends, int):
        return ends
    rounds = min(batches.values()) if ends == "shortest" else max(batches.values())
    return max(1, rounds // accumulation)


def round_robin(tasks: list[str], steps: int, accumulation: int) -> Iterator[list[Draw]]:
    """The paper's loop: in every round one batch of each task; `accumulation` rounds make a step."""
    for step in range(steps):
        yield [(task, step * accumulation + turn) for turn in range(accumulation) for task in tasks]
