"""The processes of a run, as the rest of the program sees them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from torch import Tensor

Out = TypeVar("Out")


class LostError(SwissbertError):
    """Another process of the run has ended, or has not answered for a long time."""


class EndedElsewhereError(SwissbertError):
    """The run has ended in another process, which says why. The command line prints nothing more."""


class World:
    """A single process. All functions return at once; `swissbert.distributed.processes.Processes` overrides them.

    Functions that take part in communication must be called by all processes, in the same order.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        local_rank: Number of this process among those of its machine.
        local_size: Number of processes of its machine.
    """

    rank = 0
    size = 1
    local_rank = 0
    local_size = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and messages of the run."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    def sum(self, tensor: "Tensor") -> "Tensor":
        """Replace a tensor by its sum over all processes, and return it."""
        return tensor

    def start_sum(self, tensor: "Tensor") -> Callable[[], None]:
        """Start `sum` and return a function that waits for its result."""
        return lambda: None

    def copy_first(self, tensors: "Iterable[Tensor]") -> None:
        """Replace tensors by those of the first process."""

    def first_value(self, value: float) -> float:
        """Return a number of the first process."""
        return value

    def any(self, flag: bool) -> bool:
        """Return whether the flag of any process is true."""
        return flag

    def wait(self) -> None:
        """Wait until all processes are here, for hours if need be."""

    def check_same(self, number: int, message: str) -> None:
        """Raise SwissbertError with a message if a number, below 2**62, is not the same in all processes."""

    def in_turn(self, work: Callable[[], Out], *, by_machine: bool = False) -> Out:
        """Let the first process work before the others, so that they find the files that it writes; return the result.

        Args:
            work: What every process does.
            by_machine: Let the first process of each machine begin.
        """
        begins = self.local_rank == 0 if by_machine else self.is_first
        result = work() if begins else None
        self.wait()
        if not begins:
            result = work()
        self.wait()
        return result  # type: ignore[return-value]


ALONE = World()
"""A single process."""
