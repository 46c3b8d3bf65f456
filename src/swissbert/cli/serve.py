"""The command ``serve``: answers over HTTP."""

from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument, PrecisionOption, need
from swissbert.cli.results import load_model, next_lines, waiting


def serve(
    model: ModelArgument,
    host: Annotated[
        str, typer.Option(help="Address; if other machines can reach it, SWISSBERT_API_KEY must be set.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    deadline: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds that a request may take.")] = 30.0,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Origin whose pages may call the server, as https://a.example. Repeatable."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name under which clients may ask, as nlp.example.org. Repeatable."),
    ] = None,
    root_path: Annotated[str, typer.Option(help="Prefix under which a proxy serves this server, as /nlp.")] = "",
    data: Annotated[
        str | None,
        typer.Option(
            help="Directory with the tasks' files, or starter: examples on the page are dev rows from there. Anyone who may "
            "ask the server sees them."
        ),
    ] = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Serve a model over HTTP.

    Requests of different clients and tasks share encoder passes. /docs describes the API, /openapi.json for programs.
    """
    need("fastapi", "uvicorn", "httptools", "prometheus_client", extra="serve")

    with waiting("starting"):
        from swissbert.config import data_path
        from swissbert.serving.about import drawn_examples, public_name
        from swissbert.serving.app import make_app
        from swissbert.serving.hosts import names_for
        from swissbert.serving.server import key_for
        from swissbert.serving.server import serve as run

    key = key_for(host)
    loaded = load_model(model, precision=precision)
    run(
        make_app(
            loaded,
            key=key,
            deadline=deadline,
            cors_origins=cors_origin or (),
            hosts=names_for(host, allow_host or ()),
            root_path=root_path,
            name=public_name(model),
            examples=None if data is None else drawn_examples(loaded, data_path(data)),
        ),
        host,
        port,
        _listening,
    )


def _listening(url: str) -> None:
    """Print the address of the server, and what is there."""
    print(f"serving on {url}", flush=True)
    next_lines([("a page to try it", f"{url}/"), ("its API", f"{url}/docs"), ("to end it", "Ctrl-C")])
