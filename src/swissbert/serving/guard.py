"""What happens to every request before and after the application: key, size, headers, metrics. Plain ASGI."""

import hmac
import json
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swissbert.serving.metrics import Metrics

MOST_BYTES = 1024 * 1024
"""Of a request's body."""
MOST_DISCARDED = 16 * MOST_BYTES
"""Of a body that is too large: read and let go, since a client that is cut off while it sends sees no answer."""
OPEN = ("/", "/livez", "/readyz", "/page/")
"""Paths that need no key: they say nothing about anybody's texts."""
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Wraps the application. `key` is what clients of /v1 and /metrics must show, None where nobody must."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: set[str], key: str | None) -> None:
        self.app, self.metrics, self.paths, self.key = app, metrics, paths, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's own start and end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        path = scope["path"] if scope["path"] in self.paths else "other"
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            await self._checked(scope, receive, sending)
        finally:
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - began)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        if self.key is not None and not _is_open(scope["path"]) and not self._knows(headers):
            await _refuse(
                send, 401, "this server asks for a key: Authorization: Bearer KEY", [(b"www-authenticate", b"Bearer")]
            )
            return
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 12 or int(declared) > MOST_DISCARDED:
            await _refuse(send, 413, f"the body is more than {MOST_BYTES:,} bytes")
            return
        body, size, more = bytearray(), 0, True
        while more and size <= MOST_DISCARDED:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            if size <= MOST_BYTES:
                body += message.get("body", b"")
            more = message.get("more_body", False)
        if size > MOST_BYTES:
            await _refuse(send, 413, f"the body is more than {MOST_BYTES:,} bytes")
            return
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()  # comes back when the client leaves
            read = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, replay, send)

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        assert self.key is not None
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(shown.strip(), self.key.encode())


def _is_open(path: str) -> bool:
    return any(path == each or (len(each) > 1 and each.endswith("/") and path.startswith(each)) for each in OPEN)


async def _refuse(send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps({"error": sentence, "field": None}).encode()
    head: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": [*head, *(headers or [])]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
