"""The command ``serve``: answers over HTTP."""

from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument, PrecisionOption, need


def serve(
    model: ModelArgument,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs SWISSBERT_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port.")] = 8000,
    deadline: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds a request may take.")] = 30.0,
    precision: PrecisionOption = "auto",
) -> None:
    """Answer over HTTP.

    Requests of different clients and tasks share encoder passes. /openapi.json describes the interface.
    """
    need("fastapi", "uvicorn", "prometheus_client", extra="serve")
    from swissbert.inference import load
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
