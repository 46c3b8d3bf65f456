"""The command ``learning-curve``: scores by number of train rows."""

from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.program import DataOption, SetOption, need
from swissbert.cli.train import data_argument


def learning_curve(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder whose settings and data are used.")],
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the points, runs and page.")] = Path("runs/learning-curve"),
    fractions: Annotated[
        str, typer.Option(metavar="SHARE,...", help="Shares of the train rows of every task.")
    ] = "0.1,0.25,0.5,1",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of seeds of each share, from 0.")] = 1,
    settings: SetOption = None,
) -> None:
    """Train a run again on shares of its train rows.

    Shows what more rows would bring: dev scores by number of rows, as a page with a figure and a table. Finished points are
    kept, and an interrupted one is resumed by the same command.

    For instance:  swissbert learning-curve runs/minilm --fractions 0.1,0.3,1 --seeds 3
    """
    need("matplotlib", "jinja2", extra="report")
    from swissbert.analysis.train_shares import learning_curve as draw
    from swissbert.display import Display
    from swissbert.errors import SwissbertError
    from swissbert.training.result import Stopped
    from swissbert.training.stored_settings import resumable_config

    try:
        shares = [float(text) for text in fractions.split(",")]
    except ValueError:
        raise SwissbertError(
            f"fractions is '{fractions}', but numbers above 0 and at most 1 with commas are expected",
            argument="fractions",
        ) from None
    config = resumable_config(run, settings, data_argument(data))
    display = Display()
    try:
        page = draw(config, shares, list(range(seeds)), out, name=run.absolute().name, display=display)
    except Stopped as stopped:
        display.say(f"{stopped} of {stopped.out}; the same command resumes it")
        raise typer.Exit(130) from stopped
    print(page)
