"""Which process of how many this one is, by the environment variables that torchrun sets. Does not import torch."""

import os
from typing import NamedTuple

from swissbert.errors import SwissbertError

REQUIRED_VARIABLES = ("MASTER_ADDR", "MASTER_PORT")
"""Variables that say where the processes meet."""
EXPECTED = {
    "RANK": "the number of this process, counted from 0,",
    "WORLD_SIZE": "the number of processes, at least 1,",
    "LOCAL_RANK": "the number of this process on its machine, counted from 0,",
    "LOCAL_WORLD_SIZE": "the number of processes of this machine, at least 1,",
}
"""What the other variables have to be, for messages."""


class Launch(NamedTuple):
    """The place of a process among those that were started together.

    Attributes:
        rank: Its number among all processes, from 0.
        size: Number of processes, from 2.
        local_rank: Its number among the processes of its machine, from 0.
        local_size: Number of processes of its machine.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int


def launched() -> Launch | None:
    """Return the place that ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK`` and ``LOCAL_WORLD_SIZE`` give; None for one process.

    Without the last two, each process is taken to have a machine of its own.

    Raises:
        SwissbertError: If a variable is missing or impossible.
    """
    if not (os.environ.get("RANK") and os.environ.get("WORLD_SIZE")):
        return None
    launch = Launch(_number("RANK"), _number("WORLD_SIZE"), _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1))
    if launch.size == 1:
        return None
    if launch.rank >= launch.size or launch.local_rank >= launch.local_size:
        raise SwissbertError(
            f"the environment says that this is process {launch.rank} of {launch.size}, and {launch.local_rank} of "
            f"{launch.local_size} on its machine (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE), but numbers count from 0; "
            "torchrun sets all of them"
        )
    missing = [name for name in REQUIRED_VARIABLES if not os.environ.get(name)]
    if missing:
        raise SwissbertError(
            f"WORLD_SIZE is {launch.size}, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, so the "
            "processes cannot meet; torchrun sets them, and without WORLD_SIZE a single process runs"
        )
    return launch


def is_first_process() -> bool:
    """Whether this process is the only one or the one with number 0, which alone writes files and results."""
    launch = launched()
    return launch is None or launch.rank == 0


def _number(name: str, default: int | None = None) -> int:
    """Return a variable of `EXPECTED` as a number.

    Raises:
        SwissbertError: If it is none, below 0, or 0 where processes are counted.
    """
    text = os.environ.get(name)
    if not text and default is not None:
        return default
    if text is None or not text.isdecimal() or (name.endswith("SIZE") and int(text) < 1):
        raise SwissbertError(f"the environment variable {name} is '{text}', but {EXPECTED[name]} is expected")
    return int(text)
