"""The command ``reproduce``: train the rows of a table of results."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.program import DataOption, SetOption
from swissbert.cli.results import next_lines, next_steps, waiting
from swissbert.cli.train import data_argument
from swissbert.errors import SwissbertError
from swissbert.terminal import has_colour, width_of


def reproduce(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help="A table that ships, as table1 to table4 of the paper, or a TOML file."),
    ],
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder of rows, runs and tables; several tables may share it.")] = Path(
        "runs/reproduce"
    ),
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows", metavar="NAME,...", help="Only these rows, and those whose models they take. Repeatable."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Number of seeds, from 0, of rows that name none themselves.")
    ] = 1,
    small: Annotated[bool, typer.Option("--small", help="Small budget: MiniLM encoder, few epochs.")] = False,
    encoder: Annotated[str | None, typer.Option(help="Another encoder: minilm, a folder or a hub id.")] = None,
    settings: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the rows and how long they take; train nothing.")
    ] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Write the table of the records in --out again; train nothing.")
    ] = False,
) -> None:
    """Train the rows of a table of the paper, or of one of your own.

    Finished rows are kept, and an interrupted one is resumed. Markdown and HTML with the scores of this machine, beside
    the paper's if it has the row, are written after each row.
    """
    from swissbert.display import Display

    with waiting("starting"):
        from swissbert.experiments.declarations import Choices, find_table
        from swissbert.experiments.runner import render as write
        from swissbert.experiments.runner import reproduce as run
        from swissbert.training.result import Stopped

    names = [name.strip() for text in rows or [] for name in text.split(",")]
    choices = Choices(small=small, encoder=encoder, overrides=settings or [], data=data_argument(data))
    display = Display()
    declared, name = find_table(table), Path(table).stem
    if render and dry_run:
        raise SwissbertError("--render writes the table and --dry-run writes nothing; give one of them")
    if render:
        print(write(name, declared, out, display, width=width_of(sys.stdout), colour=has_colour(sys.stdout)))
        return
    try:
        text = run(
            name,
            declared,
            declared.pick(names),
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
        page = (out / f"{name}.html").absolute().as_uri()
        next_lines([("look at it", f"python -m webbrowser {shlex.quote(page)}")])
