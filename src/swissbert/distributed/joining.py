"""Joining the processes that were started together, and leaving them so that all of them end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swissbert.distributed.launch import launched
from swissbert.distributed.world import ALONE, EndedElsewhereError, World
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.distributed.processes import Processes


@contextmanager
def joined(world: World | None = None) -> Iterator[World]:
    """Join the processes that were started together, and leave them when the block ends.

    If the block ends by an error, the first process to say so raises it, and the others raise `EndedElsewhereError`.

    Args:
        world: Processes that were joined before, which are used as they are.

    Raises:
        LostError: If another process has ended without saying so.
        EndedElsewhereError: If another process has said why the run ends.
    """
    if world is not None:
        yield world
        return
    launch = launched()
    if launch is None:
        yield ALONE
        return
    from swissbert.distributed.processes import Processes

    processes = Processes(launch)
    with ended(processes):
        yield processes


@contextmanager
def ended(processes: "Processes") -> Iterator[None]:
    """Leave the processes when the block ends, and let one of them report why if it ends by an error."""
    try:
        yield
    except SwissbertError as error:
        if not processes.is_first_to_end():
            raise EndedElsewhereError("another process of this run has ended it, and says why") from error
        raise
    except BaseException:
        processes.is_first_to_end()
        raise
    finally:
        processes.leave()
