"""ASGI middleware before all else: HEAD requests, and the path prefix of a proxy."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX_HEADER = b"x-forwarded-prefix"
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
"""A path prefix, which begins with a slash and does not end with one."""


class Front:
    """Middleware that answers HEAD like GET, without a body, and removes the prefix of a proxy that passes it on.

    Args:
        app: The application.
        root_path: Prefix under which clients see the server, for instance ``/nlp``; empty for none.
    """

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on the application's lifespan events."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, root = scope["path"], self.root_path
        if root and (path == root or path.startswith(f"{root}/")):
            path = path.removeprefix(root) or "/"
        is_head = scope["method"] == "HEAD"

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        changed = {"path": path, "method": "GET" if is_head else scope["method"]}
        await self.app({**scope, **changed}, receive, send_head if is_head else send)


def public_prefix(scope: Scope, root_path: str) -> str:
    """Return the prefix under which the client sees the server: that of the proxy's header, else `root_path`.

    The header is believed only where it looks like a path: it decides nothing but the address in the client's own answer.
    """
    values = [value.decode("latin-1").rstrip("/") for name, value in scope["headers"] if name == PREFIX_HEADER]
    return values[0] if len(values) == 1 and PREFIX.fullmatch(values[0]) else root_path
