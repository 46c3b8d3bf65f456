"""The command ``soup``: average the weights of models greedily."""

import json
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.program import JsonOption
from swissbert.cli.results import next_steps, waiting


def soup(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Run folders, model folders or hub ids: two or more of one start."),
    ],
    out: Annotated[Path, typer.Option(help="Model folder to create.")],
    data: Annotated[
        str | None,
        typer.Option(help="Directory with the tasks' files, or 'starter'; that of the first model's run if not given."),
    ] = None,
    best_by: Annotated[
        str | None,
        typer.Option(metavar="SCORE", help="The score on dev rows that decides; that of the runs if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Average the weights of several runs.

    The runs should have begun with the same weights. Models are tried from the highest score on dev rows to the lowest, and each is kept if the score of the mean does not
    fall (greedy soup, Wortsman et al., 2022). The result is one model of the same size.
    """
    from swissbert.display import Display

    with waiting("starting"):
        from swissbert.cli.tables import soup_table
        from swissbert.training.soup import soup as make_soup

    result = make_soup(models, out, data, best_by=best_by, display=Display())
    print(json.dumps(result.as_json()) if as_json else f"{soup_table(result)}\n\n{result.model}")
    if not as_json:
        next_steps("soup", model=result.model)
