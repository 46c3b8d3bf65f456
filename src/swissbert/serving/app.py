"""Assembly of the HTTP application: model, routes, page and request guard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware

from swissbert.errors import SwissbertError
from swissbert.inference.model import Model
from swissbert.serving.about import declared_examples, public_name
from swissbert.serving.api_errors import add_error_handlers
from swissbert.serving.front import PREFIX, Front, public_prefix
from swissbert.serving.guard import Guard
from swissbert.serving.hosts import ORIGIN, Hosts
from swissbert.serving.routes import router
from swissbert.serving.schemas import ExampleShape
from swissbert.serving.service import Service
from swissbert.settings import shown
from swissbert.version import __version__

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
PATHS = {"index.html": "/", "docs.html": "/docs"}
"""Paths of the pages; all other files have their own names below ``/page/``."""
DESCRIPTION = "/openapi.json"
ROUTES = ("predict", "attention", "explain", "model", "tasks", "limits", "livez", "readyz", "metrics")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load from and connect to this server only."""


def make_app(
    model: Model,
    *,
    key: str | None = None,
    deadline: float = 30.0,
    cors_origins: Sequence[str] = (),
    hosts: Sequence[str] | None = None,
    root_path: str = "",
    name: str | None = None,
    examples: Sequence[ExampleShape] | None = None,
    **limits: int,
) -> FastAPI:
    """Create the application.

    Args:
        model: The model.
        key: API key that clients must send for all paths except the page, ``/livez`` and ``/readyz``; None for no key.
        deadline: Seconds that a request may wait for its results.
        cors_origins: Origins (``https://a.example``) whose pages may call the server from a browser.
        hosts: Names under which the server may be asked, besides ``localhost`` and loopback addresses; None for any.
        root_path: Prefix under which a proxy serves the application, for instance ``/nlp``.
        name: Name of the model that the page shows; that of its folder if left out.
        examples: Examples that the page offers; those that the tasks declare if left out.
        limits: ``token_budget``, ``max_jobs`` and ``max_tokens`` of the `Batcher`.

    Raises:
        SwissbertError: If predictions of the model contain NaN or infinity, or an origin, a name or the prefix is not valid.
    """
    origins, root_path = [valid_origin(origin) for origin in cors_origins], valid_prefix(root_path)
    for task in model.tasks.values():  # fails early, and is the warm-up
        model.numbers(task.name, [("a", "b") if task.is_pair else "a"])
    shown_name = public_name(model.folder) if name is None else name
    shown_examples = declared_examples(model) if examples is None else examples
    service = Service(model, deadline, shown_name, shown_examples, **limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.batcher.close)

    app = FastAPI(
        title="swissBERT",
        version=__version__,
        description="One encoder pass answers several tasks about a sentence or a pair of sentences.",
        lifespan=lifespan,
        openapi_url=None,  # see `_add_description`
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    add_error_handlers(app)
    app.include_router(router)
    _add_description(app, root_path)
    for file in sorted(path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES):
        _add_file(app, PATHS.get(file.name, f"/page/{file.name}"), file.read_bytes(), MEDIA_TYPES[file.suffix])
    paths = {str(app.url_path_for(route)) for route in ROUTES}
    app.add_middleware(
        Guard,
        metrics=service.metrics,
        paths=paths | {"/", "/docs", DESCRIPTION},
        key=key,
        retry_after=service.queue.retry_after,
        hosts=None if hosts is None else Hosts(hosts, origins),
    )
    if origins:  # before the guard, which knows no preflight requests: they carry no key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["retry-after"],
        )
    app.add_middleware(Front, root_path=root_path)
    return app


def valid_origin(origin: str) -> str:
    """Return an origin without a slash at its end.

    Raises:
        SwissbertError: If it is not a scheme and a host, perhaps with a port.
    """
    if not ORIGIN.fullmatch(origin.removesuffix("/")):
        every = "; every page on the web could call the server then, so '*' is not allowed" if origin == "*" else ""
        raise SwissbertError(
            f"cors_origin is {shown(origin)}, but it must be an origin such as https://a.example or "
            f"http://localhost:3000{every}",
            argument="cors_origin",
        )
    return origin.removesuffix("/").lower()


def valid_prefix(root_path: str) -> str:
    """Return a path prefix without a slash at its end; empty for none.

    Raises:
        SwissbertError: If it is not a path.
    """
    prefix = root_path.rstrip("/")
    if prefix and not PREFIX.fullmatch(prefix):
        raise SwissbertError(
            f"root_path is {shown(root_path)}, but it must be a path such as /nlp, of letters, digits and ._~-",
            argument="root_path",
        )
    return prefix


def _add_description(app: FastAPI, root_path: str) -> None:
    """Serve the OpenAPI document, with the prefix under which the client sees the server."""

    @app.get(DESCRIPTION, include_in_schema=False)
    async def description(request: Request) -> JSONResponse:
        prefix = public_prefix(request.scope, root_path)
        return JSONResponse({**app.openapi(), **({"servers": [{"url": prefix}]} if prefix else {})})


def _add_file(app: FastAPI, path: str, content: bytes, media_type: str) -> None:
    """Serve one file of the page from memory."""
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY}

    @app.get(path, include_in_schema=False)
    async def page_file() -> Response:
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)
