"""The command ``data check``: what a data directory holds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.program import JsonOption
from swissbert.cli.results import next_steps

if TYPE_CHECKING:
    from swissbert.data.check import Report
    from swissbert.tasks import Task


def data_check(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Directory with data files, or 'starter' for the corpus that ships.")
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", help="A task, a recipe or a declaration (TOML), in addition to the tasks that ship. Repeatable."
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="Encoder whose tokenizer counts lengths.")] = "minilm",
    as_json: JsonOption = False,
) -> None:
    """Report what a data directory holds.

    Rows, bad rows, label balance, lengths in tokens, and rows shared between train and the other splits. The exit
    status is 1 if a file cannot be used.
    """
    from dataclasses import asdict

    from swissbert.display import Display

    display = Display()
    with display.waiting(f"looking at {directory}"):
        from swissbert.cli.tables import check_text
        from swissbert.config import data_path
        from swissbert.data.check import check_directory
        from swissbert.data.tokens import Tokenizer
        from swissbert.model_folder.encoders import read_encoder_folder

        folder = data_path(directory) or Path(directory)
        declared, tokenizer = _declared(tasks or []), read_encoder_folder(encoder, None, Tokenizer)
    report = check_directory(folder, declared, tokenizer, display)
    print(json.dumps(asdict(report)) if as_json else check_text(report))
    if report.problems:
        raise typer.Exit(1)
    if not as_json:
        _next(report, directory, tasks or [])


def _next(report: "Report", directory: str, sources: list[str]) -> None:
    """Print the command that trains on what was found, or that declares a file that belongs to no task."""
    trained = {split.task for split in report.splits if split.split == "train"}
    own = [source for source in sources if source.endswith(".toml")]
    if own:
        next_steps("data check", recipe=own[0], folder=directory)
    elif trained >= {"sst", "para", "sts"}:
        next_steps("data check", recipe="quickstart" if directory == "starter" else "minilm", folder=directory)
    elif report.other:
        next_steps("data check of other files", file=Path(directory) / next(iter(report.other)))


def _declared(sources: list[str]) -> "list[Task]":
    """Return the shipped tasks and those of recipes and declarations; later ones replace earlier ones of their name."""
    from swissbert.config import load_config
    from swissbert.settings import read_toml
    from swissbert.tasks import find_task, shipped_tasks

    tasks = {name: find_task(name) for name in shipped_tasks()}
    for source in sources:
        single = source in shipped_tasks() or (source.endswith(".toml") and "tasks" not in read_toml(Path(source)))
        for task in [find_task(source)] if single else load_config(source).tasks:
            tasks[task.name] = task
    return list(tasks.values())
