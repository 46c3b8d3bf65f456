"""The command ``analyse``: a report about a model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from swissbert.cli.program import DataOption, ModelArgument, directory_of, need


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
    from swissbert.analysis.report import analyse as write_report
    from swissbert.display import Display
    from swissbert.files import need_name, only_writer
    from swissbert.inference import load

    need_name(out, "report")
    with only_writer(out, creates_parents=True):
        loaded = load(model)
        other = load(against) if against else None
        print(write_report(loaded, directory_of(loaded, data), out, split=split, against=other, display=Display()))
