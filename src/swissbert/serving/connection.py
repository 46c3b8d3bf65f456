"""A connection of the server: what a client may send before it is asked, and how long it may take.

The HTTP parser bounds neither the length of a request head nor the time that it takes, and nothing ends a client that does
not read its response. `Connection` adds these bounds to uvicorn's protocol, and `Clients` keeps the number of connections
low: a new one takes the place of the one that has kept the server waiting for longest.
"""

import asyncio
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024
"""Size of a request head, and of what may stand around the parts of a chunked body."""
MAX_HEADERS = 100
"""Headers of a request."""
MAX_PARTS = 16_384
"""Parts in which a body may come, for instance chunks."""
MAX_LEFTOVER_BYTES = 16 * 1024 * 1024
"""Bytes of a body that are discarded after its response."""
MAX_PIPELINED_BYTES = 64 * 1024
"""Bytes of further requests that may be sent before a response."""
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Bytes of all responses that wait for clients to read them."""
CLIENT_SECONDS = 10.0
"""Seconds from the opening of a connection, or from a response, to the end of the next request head."""
UNREAD_SECONDS = 30.0
"""Seconds that a client may take to read a response."""
HALF_CLOSED_SECONDS = 2.0
"""Seconds after which a client that closed its side counts as gone. Most that do so do not wait for the response."""
STOP_SECONDS = 5.0
"""Seconds that a client may keep a server waiting that is to stop."""
SWEEP_SECONDS = 0.5
"""Time between looks at the clients that the server waits for."""
_PIECE = 1024
"""Bytes that are parsed at a time, so that only so many headers and requests exist before they are counted."""


class Clients:
    """The connections that the server waits for, those that have kept it waiting for longest first.

    Args:
        most: Number of connections from which on a new one ends the one that has been waited for longest.

    Attributes:
        waiting: When each connection without a complete request head was opened or got its last response.
        unread: Since when each connection with much unread output has had it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: dict[Connection, float] = {}
        self.unread: dict[Connection, float] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def wait_for(self, connection: "Connection") -> None:
        """Expect a request of a connection from now on."""
        self.waiting.pop(connection, None)  # so that the order is that of time
        if connection.transport.is_closing():
            return
        self.waiting[connection] = connection.loop.time()
        if self._sweeping is None:
            self._sweeping = connection.loop.call_later(SWEEP_SECONDS, self._sweep, connection.loop)

    def make_room(self, new: "Connection") -> None:
        """End the connection that has been waited for longest if a new one is one too many."""
        if len(new.connections) > self.most:
            oldest = next(iter(self.waiting))
            if oldest is new:  # all others are being answered, or do not read
                oldest = next(iter(self.unread), new)
            if oldest is not new:
                oldest.end()

    def stalled(self, connection: "Connection") -> None:
        """Wait for a client to read. If too much is unread, those that have had it for longest are ended."""
        self.unread.setdefault(connection, connection.loop.time())
        sizes = {other: other.transport.get_write_buffer_size() for other in self.unread}
        total = sum(sizes.values())
        for other, size in sizes.items():
            if total <= MAX_UNREAD_BYTES or other is connection:
                break
            other.end()
            total -= size

    def forget(self, connection: "Connection") -> None:
        """Remove a connection that is lost."""
        self.waiting.pop(connection, None)
        self.unread.pop(connection, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the connections that have been waited for too long."""
        now = loop.time()
        for connection, since in list(self.waiting.items()):
            if now - since < CLIENT_SECONDS:
                break
            if now - since >= UNREAD_SECONDS or not connection.transport.get_write_buffer_size():
                connection.end()
        for connection, since in list(self.unread.items()):
            if now - since >= UNREAD_SECONDS:
                connection.end()
        is_needed = self.waiting or self.unread
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if is_needed else None


class Connection(HttpToolsProtocol):
    """uvicorn's connection with bounds on what the client sends, and on how long the server waits for it.

    Args:
        args: Arguments of uvicorn's class.
        clients: All connections that are waited for.
        kwargs: Keyword arguments of uvicorn's class.
    """

    def __init__(self, *args: Any, clients: Clients, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients = clients
        self._parts = 0  # of the body
        self._around = 0  # bytes since the last part of a body, or the last head
        self._is_in_body = self._is_half_closed = False
        self._rest = b""  # requests after one that is not answered yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, in the place of another connection if there are too many."""
        super().connection_made(transport)
        self._clients.wait_for(self)
        self._clients.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._clients.forget(self)
        self._rest = b""
        super().connection_lost(exc)

    def end(self) -> None:
        """Close the connection without waiting for the client; what it has not read is dropped."""
        self._clients.forget(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what a client sent, in pieces, up to a request that has to wait for the one before it."""
        if len(data) <= _PIECE and not self._rest and not self.pipeline:
            self._parse(data)
            return
        rest = memoryview(self._rest + data)
        self._rest = b""
        while rest and not self.transport.is_closing():
            if self.pipeline:
                self._keep(bytes(rest))
                return
            self._parse(rest[:_PIECE])
            rest = rest[_PIECE:]

    def _keep(self, rest: bytes) -> None:
        """Keep further requests until the ones before them are answered."""
        self._rest = rest
        if len(rest) > MAX_PIPELINED_BYTES:
            self.end()
        else:
            self.flow.pause_reading()

    def _parse(self, piece: bytes | memoryview) -> None:
        """Parse a piece, and refuse the request if it is too long."""
        self._around += len(piece)
        super().data_received(piece)  # type: ignore[arg-type]
        is_answered = self._is_in_body and self.cycle.response_complete
        if self._around > (MAX_LEFTOVER_BYTES if is_answered else MAX_HEAD_BYTES):
            self._refuse(f"the head of the request is longer than {MAX_HEAD_BYTES:,} bytes")
        elif self._parts > MAX_PARTS:
            self.end()
        elif self.headers is not None and len(self.headers) > MAX_HEADERS:
            self._refuse(f"the request has more than {MAX_HEADERS} headers")

    def _refuse(self, message: str) -> None:
        """Answer what is too long and close the connection, or only close it where a response is on its way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(message)
        else:
            self.end()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request, close the connection, and wait for the client to read that."""
        super().send_400_response(msg)
        self._clients.wait_for(self)  # to read it

    def on_headers_complete(self) -> None:
        """Stop to wait for the client: the application takes over."""
        if len(self.headers) > MAX_HEADERS:
            raise HttpParserError  # uvicorn answers 400
        super().on_headers_complete()
        self._around = self._parts = 0
        self._is_in_body = True
        self._clients.waiting.pop(self, None)

    def on_body(self, body: bytes) -> None:
        """Begin to count again what is around parts of the body."""
        if not self.cycle.response_complete:
            self._around = 0
            self._parts += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self._is_in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or go on with those that were sent already."""
        self._clients.wait_for(self)
        super().on_response_complete()
        if self._rest and not self.pipeline:
            self.loop.call_soon(self._go_on)
        elif self._is_half_closed and self.cycle.response_complete:
            self.transport.close()

    def _go_on(self) -> None:
        """Parse further requests after the ones before them are answered."""
        if self.transport.is_closing():
            return
        self.data_received(b"")
        if self._is_half_closed and not self._rest and self.cycle.response_complete:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio keeps the connection where it is true
        """Answer a client that closed its side after a whole request, but do not work for it for long.

        The state of the request tells the application, which may prefer the work of others.
        """
        is_asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if is_asked and not self._is_half_closed:
            self._is_half_closed = True
            state = self.scope["state"]
            state["is_half_closed"] = True
            state.get("on_half_closed", bool)()
            self.loop.call_later(HALF_CLOSED_SECONDS, self._give_up)
        return is_asked or bool(self._rest)

    def _give_up(self) -> None:
        """End the connection of a client that closed its side, unless its response is already being sent."""
        if not self.transport.is_closing():
            self.end()

    def shutdown(self) -> None:
        """Finish what is being answered, and do not wait for the client for long."""
        super().shutdown()
        self.loop.call_later(STOP_SECONDS, self._stop_waiting)

    def _stop_waiting(self) -> None:
        """End a connection that still waits for its client."""
        waits = self._is_in_body or self in self._clients.waiting or self in self._clients.unread
        if waits and self in self.connections:
            self.end()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self._clients.stalled(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads."""
        self._clients.unread.pop(self, None)
        super().resume_writing()
