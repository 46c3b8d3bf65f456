"""The command ``reproduce``: repeat a table of the paper."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.program import DataOption, SetOption
from swissbert.cli.results import next_lines, next_steps, waiting
from swissbert.cli.train import data_argument
from swissbert.terminal import has_colour, width_of


def reproduce(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="table1, table2, table3 or table4.")],
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder of rows, runs and tables; several tables may share it.")] = Path(
        "runs/reproduce"
    ),
    rows: Annotated[
        list[str] | None, typer.Option("--rows", metavar="NAME,...", help="Only these rows. Repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of seeds, from 0.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="Small budget: MiniLM encoder, few epochs.")] = False,
    encoder: Annotated[str | None, typer.Option(help="Another encoder: minilm, a folder or a hub id.")] = None,
    settings: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the rows and how long they take; train nothing.")
    ] = False,
) -> None:
    """Repeat a table of the paper, row by row.

    Finished rows are kept, and an interrupted one is resumed. Markdown and HTML with the paper's figures beside those of
    this machine are written after each row.
    """
    from swissbert.display import Display

    with waiting("starting"):
        from swissbert.experiments.paper import Choices, find_table
        from swissbert.experiments.runner import reproduce as run
        from swissbert.training.loop import Stopped

    names = [name.strip() for text in rows or [] for name in text.split(",")]
    choices = Choices(small=small, encoder=encoder, overrides=settings or [], data=data_argument(data))
    display = Display()
    paper_table = find_table(table)
    try:
        text = run(
            table,
            paper_table,
            paper_table.pick(names),
            list(range(seeds)),
            choices,
            out,
            display,
            dry_run=dry_run,
            width=width_of(sys.stdout),
            colour=has_colour(sys.stdout),
        )
    except Stopped as stopped:
        display.say(f"{stopped} of {stopped.out}; the same command resumes it")
        raise typer.Exit(130) from stopped
    print(text)
    if dry_run:
        next_steps("reproduce", again=[word for word in sys.argv[1:] if word not in ("--dry-run", "--debug")])
    else:
        page = (out / f"{table}.html").absolute().as_uri()
        next_lines([("look at it", f"python -m webbrowser {shlex.quote(page)}")])
