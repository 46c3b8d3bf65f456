"""Assembly of the HTTP application: model, routes, page and request guard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response

from swissbert.inference.model import Model
from swissbert.serving.api_errors import add_error_handlers
from swissbert.serving.guard import Guard
from swissbert.serving.routes import router
from swissbert.serving.service import Service
from swissbert.version import __version__

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load from and connect to this server only."""


def make_app(model: Model, *, key: str | None = None, deadline: float = 30.0, **limits: int) -> FastAPI:
    """Create the application.

    Args:
        model: The model.
        key: API key that clients must send for all paths except the page, ``/livez`` and ``/readyz``; None for no key.
        deadline: Seconds that a request may wait for its results.
        limits: ``token_budget``, ``max_jobs`` and ``max_tokens`` of the `Batcher`.

    Raises:
        SwissbertError: If predictions of the model contain NaN or infinity.
    """
    for task in model.tasks.values():  # fails early, and is the warm-up
        model.numbers(task.name, [("a", "b") if task.is_pair else "a"])
    service = Service(model, deadline, **limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.batcher.close)

    app = FastAPI(
        title="swissBERT",
        version=__version__,
        description="One encoder pass answers several tasks about a sentence or a pair of sentences.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    add_error_handlers(app)
    app.include_router(router)
    for path, (name, media_type) in PAGE_FILES.items():
        _add_file(app, path, (PAGE / name).read_bytes(), media_type)
    paths = {str(app.url_path_for(route)) for route in ("predict", "attention", "tasks", "livez", "readyz", "metrics")}
    app.add_middleware(
        Guard,
        metrics=service.metrics,
        paths=paths | {"/", "/openapi.json"},
        key=key,
        retry_after=service.retry_after,
    )
    return app


def _add_file(app: FastAPI, path: str, content: bytes, media_type: str) -> None:
    """Serve one file of the page from memory."""
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY}

    @app.get(path, include_in_schema=False)
    async def page_file() -> Response:
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)
