"""What happens to every request before and after the application: key, size, headers, metrics. Plain ASGI."""

import asyncio
import hmac
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swissbert.serving.metrics import Metrics

MOST_BYTES = 512 * 1024
"""Of a request's body."""
MOST_DISCARDED = 16 * MOST_BYTES
"""Of a body that is too large: read and let go, since a client that is cut off while it sends sees no answer."""
MOST_UPLOADS = 256
"""Bodies that may be on their way at a time."""
UPLOAD_SECONDS = 15.0
"""A body takes at most so long."""
OPEN = ("/", "/livez", "/readyz")
"""Paths that need no key, as those under /page/: they say nothing about anybody's texts."""
NO_ROOM = "there is no room now"
GONE = 499
"""What is counted where the client left before an answer began."""
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Wraps the application. `key` is what clients of /v1 and /metrics must show, None where nobody must.

    `full` says in how many seconds there may be room, None where there is some: a server that is asked for far more than it
    can do must spend next to nothing on those it turns away.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, paths: set[str], key: str | None, full: Callable[[], int | None]
    ) -> None:
        self.app, self.metrics, self.paths, self.full = app, metrics, paths, full
        self.key = None if key is None else os.fsencode(key)
        self.uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's own start and end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        path = scope["path"] if scope["path"] in self.paths else "other"
        status = GONE  # until an answer begins

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            await self._checked(scope, receive, sending)
        except Exception as error:  # a traceback could hold a client's text
            print(f"swissbert: {type(error).__name__} while answering {path}", file=sys.stderr)
            if status == GONE:
                await _refuse(sending, 500, "the server failed; it has noted the kind of failure, not the text")
        finally:
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - began)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        is_open = scope["path"] in OPEN or scope["path"].startswith("/page/")
        if self.key is not None and not is_open and not self._knows(headers):
            said = "this server asks for a key: Authorization: Bearer KEY"
            await _refuse(send, 401, said, [(b"www-authenticate", b"Bearer")])
        elif scope["method"] != "POST" or is_open:
            await self.app(scope, receive, send)  # nobody reads a body there
        elif headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            await _refuse(send, 415, "send the header content-type: application/json")
        elif self.uploads >= MOST_UPLOADS:
            await _refuse(send, 429, "too many requests are on their way", [(b"retry-after", b"1")])
        else:
            await self._with_body(scope, receive, send, headers.get(b"content-length", b"0"))

    async def _with_body(self, scope: Scope, receive: Receive, send: Send, declared: bytes) -> None:
        self.uploads += 1
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                body = await _read(receive, declared)
        except TimeoutError:
            await _refuse(send, 408, f"the body took more than {UPLOAD_SECONDS:g} s", [(b"connection", b"close")])
            return
        except ConnectionError:
            return  # the client has left
        finally:
            self.uploads -= 1
        if body is None:
            await _refuse(send, 413, f"the body is more than {MOST_BYTES:,} bytes")
            return
        if (seconds := self.full()) is not None:
            self.metrics.rejected.inc()
            await _refuse(send, 429, NO_ROOM, [(b"retry-after", str(seconds).encode())])
            return
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()  # comes back when the client leaves
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        assert self.key is not None
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(shown.strip(), self.key)


async def _read(receive: Receive, declared: bytes) -> bytes | None:
    """The body, None where it is too large. Raises ConnectionError where the client leaves."""
    if not declared.isdigit() or len(declared) > 12 or int(declared) > MOST_DISCARDED:
        return None
    body, size, more = bytearray(), 0, True
    while more and size <= MOST_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        size += len(message.get("body", b""))
        if size <= MOST_BYTES:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body) if size <= MOST_BYTES else None


async def _refuse(send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps({"error": sentence, "field": None}).encode()
    head: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": [*head, *(headers or [])]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
