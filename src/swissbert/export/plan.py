"""Which tasks go out, and into which folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.files import need_name, write_folder, writing
from swissbert.inference.model import Model
from swissbert.tasks import Task


def chosen(
    trained: Model, names: Sequence[str] | None, misfit: Callable[[Model, Task], str | None], what: str
) -> list[Task]:
    """The tasks named, or all, in the model's order.

    `misfit` says why a task cannot be exported as `what`, if so; one that cannot makes this raise SwissbertError, which
    names the tasks that can.
    """
    wanted = {trained.task(name).name for name in names} if names else None
    tasks = [task for task in trained.tasks.values() if wanted is None or task.name in wanted]
    reasons = {task.name: misfit(trained, task) for task in tasks}
    for name, reason in reasons.items():
        if reason:
            fitting = " ".join(f"--task {other}" for other, why in reasons.items() if not why)
            rest = f"; {fitting} exports what does" if fitting else ""
            raise SwissbertError(f"task '{name}' does not fit into {what}: {reason}{rest}")
    return tasks


def fill_new(out: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write the folder `out`, which appears whole or not at all. Raises SwissbertError as `free` does."""
    free(out)
    write_folder(out, fill)


def free(out: Path) -> None:
    """Raise SwissbertError where `out` has no name of its own or something is there already."""
    need_name(out, "export")
    with writing(out):
        taken = out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir())))
    if taken:
        raise SwissbertError(f"{out}: is there already; another --out keeps it")
