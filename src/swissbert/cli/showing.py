"""Commands that show a trained model to others: analyse and serve."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from swissbert.cli.program import DataOption, ModelArgument, PrecisionOption, app, directory_of, need


@app.command()
def analyse(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which labelled split.")] = "dev",
    against: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Another model to set beside it, on the same rows.")
    ] = None,
) -> None:
    """Look inside a model: one page of figures.

    Scores, errors, attention, training, architecture and labels, as a page that opens from disk, with every figure as
    PNG and SVG and every table as CSV.
    """
    need("matplotlib", "jinja2", extra="report")
    from swissbert.analysis.report import analyse as report
    from swissbert.display import Display
    from swissbert.inference.model import load

    trained = load(model)
    other = load(against) if against else None
    print(report(trained, directory_of(trained, data), out, split=split, against=other, display=Display()))


@app.command()
def serve(
    model: ModelArgument,
    host: Annotated[
        str, typer.Option(help="Address; if other machines can reach it, SWISSBERT_API_KEY must be set.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    deadline: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds that a request may take.")] = 30.0,
    precision: PrecisionOption = "auto",
) -> None:
    """Serve a model over HTTP.

    Requests of different clients and tasks share encoder passes. /openapi.json describes the API.
    """
    need("fastapi", "uvicorn", "prometheus_client", extra="serve")
    from swissbert.inference.model import load
    from swissbert.serving.app import make_app
    from swissbert.serving.server import key_for
    from swissbert.serving.server import serve as run

    key = key_for(host)
    run(
        make_app(load(model, precision=precision), key=key, deadline=deadline),
        host,
        port,
        lambda url: print(f"serving on {url}", flush=True),
    )
