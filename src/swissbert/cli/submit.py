"""The command ``submit``: prediction files of the Stanford CS224N course."""

from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.program import DataOption, ModelArgument, directory_of, report_bad_rows
from swissbert.cli.results import load_model, next_steps


def submit(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("predictions"),
) -> None:
    """Write the course's prediction files.

    TASK-dev-output.csv and TASK-test-output.csv of every task that has such rows.
    """
    from swissbert.display import Display
    from swissbert.files import locked

    with locked(out):
        loaded = load_model(model)
        from swissbert.inference.submission import submission

        display = Display()
        for path, rows, bad in submission(loaded, directory_of(loaded, data), out, display):
            print(f"{path}  {rows:,} rows")
            report_bad_rows(path.name, bad)
    next_steps("submit", model=[model, *(["--data", data] if data else [])])
