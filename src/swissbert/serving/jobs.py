"""Jobs of the model thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from swissbert.data.token_table import TokenTable
from swissbert.kinds import Array

Answers = dict[str, Array]
"""Answers to one input by task name: probabilities ``[C]``, or a score ``[]``."""


class QueueFull(Exception):  # noqa: N818 (flow control)
    """The queue has no room for a job.

    Attributes:
        retry_after: Seconds after which there may be room, at least 1.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; retry after {retry_after} s")
        self.retry_after = retry_after


@dataclass(eq=False)
class Job:
    """One input to compute.

    Attributes:
        table: Its tokens, a table of one row.
        tasks: Names of the tasks to answer.
        future: Receives the result, `Answers`, or the exception.
        compute: Called in the model thread instead of an encoder pass; what it returns is the result.
    """

    table: TokenTable
    tasks: list[str]
    future: "asyncio.Future[Any]"
    compute: Callable[[], Any] | None = None

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.table.offsets[-1])

    @property
    def sequences(self) -> int:
        """Number of sequences: 2 for a pair whose sentences are encoded separately, else 1."""
        return len(self.table.offsets) - 1

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return int(np.diff(self.table.offsets).max(initial=0))

    def deliver(self, result: Any) -> None:
        """Pass a result or an exception to the event loop that waits for it. Called in the model thread."""

        def settle() -> None:
            if self.future.done():
                return
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)

        with suppress(RuntimeError):  # the event loop is closed
            self.future.get_loop().call_soon_threadsafe(settle)
