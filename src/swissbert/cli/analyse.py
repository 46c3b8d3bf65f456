"""The command ``analyse``: a report about a model."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from swissbert.cli.program import DataOption, ModelArgument, directory_of, need
from swissbert.cli.results import load_model, next_lines, waiting


def analyse(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which labelled split.")] = "dev",
    against: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Another model to compare with, on the same rows.")
    ] = None,
) -> None:
    """Write a report about a model, as one page of figures.

    Scores, errors, attention, training, architecture and labels, as a page that opens from disk, with every figure as
    PNG and SVG and every table as CSV.
    """
    need("matplotlib", "jinja2", extra="report")
    from swissbert.display import Display
    from swissbert.files import need_name, only_writer

    need_name(out, "report")
    with only_writer(out, creates_parents=True):
        loaded = load_model(model)
        other = load_model(against) if against else None
        with waiting("loading the libraries for figures"):
            from swissbert.analysis.report import analyse as write_report
        page = write_report(loaded, directory_of(loaded, data), out, split=split, against=other, display=Display())
        print(page)
    next_lines([("look at it", f"python -m webbrowser {shlex.quote(page.absolute().as_uri())}")])
