"""ASGI middleware around the application: names of the server, API key, body limits, load shedding, response headers and metrics."""

import asyncio
import hmac
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swissbert.serving.api_errors import CLIENT_CLOSED, ApiError
from swissbert.serving.bodies import check_values
from swissbert.serving.hosts import Hosts
from swissbert.serving.telemetry import ServerMetrics
from swissbert.serving.turns import Turns

MAX_BODY_BYTES = 512 * 1024
"""Size of a request body."""
MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES
"""Bytes of a too large body that are read and discarded: a client that is cut off while it sends sees no response."""
MAX_UPLOADS = 128
"""Bodies that are received at the same time; one more ends the one that has taken longest."""
UPLOAD_SECONDS = 15.0
"""Seconds that a body may take to arrive."""
OPEN_PATHS = ("/", "/docs", "/livez", "/readyz")
"""Paths that need no API key, like those under ``/page/``: their responses contain no texts or predictions."""
HEALTH_PATHS = ("/livez", "/readyz")
"""Paths that are answered at once, whatever else waits and under whatever name they are asked."""
ENDINGS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends the program or a task, and is no failure of a request."""
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Middleware that rejects requests before the application spends time on them.

    Args:
        app: The application.
        metrics: Metrics of the server.
        paths: Paths that are counted by name; all others are counted as ``other``.
        key: API key that clients must send; None for no key.
        retry_after: Returns the seconds after which there may be room if the queue is full, else None.
        hosts: Check of the headers Host and Origin; None for no check.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: ServerMetrics,
        paths: set[str],
        key: str | None,
        retry_after: Callable[[], int | None],
        hosts: Hosts | None = None,
    ) -> None:
        self.app, self.metrics, self.paths, self.retry_after = app, metrics, paths, retry_after
        self.key = None if key is None else os.fsencode(key)
        self.hosts = hosts
        self.turns = Turns()
        self.uploads: dict[asyncio.Timeout, None] = {}  # the oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on the application's lifespan events."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        path = scope["path"] if scope["path"] in self.paths else "other"
        status = CLIENT_CLOSED  # until a response starts

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *SECURITY_HEADERS]}
            await send(message)

        try:
            await self._handle(scope, receive, send_guarded)
        except ApiError as error:
            await _send_error(send_guarded, error)
        except ENDINGS:
            raise
        except BaseException as error:  # also a panic of the tokenizer; logs the type, as a traceback may have texts
            print(f"swissbert: {type(error).__name__} while handling {path}", file=sys.stderr)
            if status == CLIENT_CLOSED:
                message = "internal server error; the type of the error is logged, the text is not"
                await _send_error(send_guarded, ApiError(500, message))
        finally:
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - start)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on. Raises `ApiError` if it is rejected."""
        if scope["path"] in HEALTH_PATHS:
            await self.app(scope, receive, send)
            return
        if self.hosts is not None:
            self.hosts.check(scope["headers"])
        headers = {name.lower(): value for name, value in scope["headers"]}
        is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith("/page/")
        if self.key is not None and not is_open and not self._has_key(headers):
            message = "this server requires an API key: send the header Authorization: Bearer KEY"
            raise ApiError(401, message, headers={"www-authenticate": "Bearer"})
        if scope["method"] != "POST" or is_open:
            await self.turns.wait(0)
            await self.app(scope, receive, send)  # these routes do not read the body
            return
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            raise ApiError(415, "send the header content-type: application/json")
        if (coding := headers.get(b"content-encoding", b"identity").strip().lower()) not in (b"", b"identity"):
            name = coding.decode("latin-1")[:20]
            raise ApiError(
                415, f"the body is encoded as {name!r}; send it as it is, without the header content-encoding"
            )
        body = await self._receive_body(receive, headers.get(b"content-length", b"0"))
        if body is None:
            return
        if (seconds := self.retry_after()) is not None:
            self.metrics.rejected.inc()
            raise ApiError.overloaded(seconds)
        await self.turns.wait(len(body))
        check_values(body)
        await self.app(scope, _replay(body, receive), send)

    async def _receive_body(self, receive: Receive, declared: bytes) -> bytes | None:
        """Receive the whole body; None if the client disconnects.

        Raises:
            ApiError: If it is too large or too slow, or among so many others that it has to make room.
        """
        if len(self.uploads) >= MAX_UPLOADS:  # most bodies take milliseconds, so the oldest one drips
            oldest = next(iter(self.uploads))
            del self.uploads[oldest]
            if not oldest.expired():
                oldest.reschedule(0)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS) as limit:
                self.uploads[limit] = None
                body = await _read(receive, declared)
        except TimeoutError as error:
            closing = {"connection": "close"}
            if limit not in self.uploads:
                message = "too many bodies are being received, and this one has taken longest; try again later"
                raise ApiError(429, message, headers={"retry-after": "1", **closing}) from error
            message = f"the body took more than {UPLOAD_SECONDS:g} s to arrive"
            raise ApiError(408, message, headers=closing) from error
        except ConnectionError:
            return None
        finally:
            self.uploads.pop(limit, None)
        if body is None:
            raise ApiError(413, f"the body is larger than {MAX_BODY_BYTES:,} bytes")
        return body

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        assert self.key is not None
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self.key)


async def _read(receive: Receive, declared: bytes) -> bytes | None:
    """Read a body; None if it is too large. Raises ConnectionError if the client disconnects."""
    if not declared.isdigit() or len(declared) > 12 or int(declared) > MAX_DISCARDED_BYTES:
        return None
    body, size, more = bytearray(), 0, True
    while more and size <= MAX_DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        size += len(message.get("body", b""))
        if size <= MAX_BODY_BYTES:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body) if size <= MAX_BODY_BYTES else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body as one message, and then what the server sends."""
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()  # returns when the client disconnects
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _send_error(send: Send, error: ApiError) -> None:
    body = json.dumps(error.content).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **(error.headers or {})}
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": error.status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
