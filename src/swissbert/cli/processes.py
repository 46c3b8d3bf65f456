"""Commands that several processes run together, started by torchrun. The first process alone prints results."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from swissbert.cli.program import program_name
from swissbert.distributed.launch import launched

if TYPE_CHECKING:
    from swissbert.distributed import World


@contextmanager
def together() -> Iterator["World | None"]:
    """Join the processes that torchrun has started, if it has; where one of them says why it ends, the others end silently.

    Yields:
        The processes; None for a single one.
    """
    if launched() is None:
        yield None
        return
    from swissbert.distributed import EndedElsewhereError, joined

    try:
        with joined() as world:
            yield world
    except EndedElsewhereError as error:
        raise typer.Exit(2) from error


def resume_command(out: Path) -> str:
    """Return what to type to resume a run with as many processes as now."""
    resume = f"train --resume --out {shlex.quote(str(out))}"
    launch = launched()
    if launch is None:
        return f"{program_name()} {resume}"
    is_one_machine = launch.size == launch.local_size
    machines = "--standalone" if is_one_machine else f"--nnodes {launch.size // launch.local_size} ..."
    return f"torchrun {machines} --nproc-per-node {launch.local_size} -m swissbert {resume}"
