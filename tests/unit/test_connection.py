"""Connections are bounded before anything is asked: heads, what surrounds bodies, further requests, time and number."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
import uvicorn

from swissbert.serving import connection as bounds
from swissbert.serving.connection import Clients, Connection

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
HEAD = GET[:-2]
CHUNKED = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
LARGE = 4_000_000
"""Bytes of the response of ``/large``, far more than the buffers of a connection on this machine."""


class Server:
    """A server of an application that answers with the length of the body, in a thread of this process."""

    def __init__(self, most: int, loop: str) -> None:
        self.clients = Clients(most)
        self.opened: list[socket.socket] = []
        self.working = threading.Event()  # whether a request to /slow is being answered
        self.dropped = threading.Event()  # whether its client was found to be gone
        protocol = cast(type[Connection], partial(Connection, clients=self.clients))
        config = uvicorn.Config(
            self.app,
            port=0,
            http=protocol,
            loop=cast(Any, loop),
            log_level="critical",
            interface="asgi3",
            lifespan="off",
            ws="none",
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/slow":
            self.working.set()
            message = await receive()  # returns when the client is gone
            assert message["type"] == "http.disconnect"
            self.dropped.set()
            return
        await asyncio.sleep(0.01)
        content = b"a" * LARGE if scope["path"] == "/large" else str(len(body)).encode()
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def connect(self, *, buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.opened.append(client)
        client.settimeout(5)
        client.connect(("127.0.0.1", self.port))
        return client

    def ask(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Send any bytes and return all that the server sends until it is silent for a moment, or ends the connection."""
        with self.connect() as client:
            with contextlib.suppress(OSError):
                client.sendall(request)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            said = b""
            with contextlib.suppress(OSError):
                while more := client.recv(1 << 16):
                    said += more
                    client.settimeout(0.5)
            return said

    def stop(self) -> None:
        for client in self.opened:
            client.close()
        connections = self.server.server_state.connections
        while connections:
            with contextlib.suppress(KeyError):
                connection = cast(Connection, connections.copy().pop())
                connection.loop.call_soon_threadsafe(connection.end)
            time.sleep(0.02)
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    for name, seconds in (
        ("CLIENT_SECONDS", 0.3),
        ("UNREAD_SECONDS", 1.0),
        ("SWEEP_SECONDS", 0.05),
        ("HALF_CLOSED_SECONDS", 0.3),
    ):
        monkeypatch.setattr(bounds, name, seconds)
    server = Server(20, request.param)
    yield server
    server.stop()


def is_ended(client: socket.socket) -> bool:
    """Whether the server ends a connection within some seconds."""
    try:
        while client.recv(1 << 16):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def answered(client: socket.socket) -> bool:
    """Whether the next response of a connection is that to a request without a body."""
    said = b""
    while not said.endswith(b"\r\n0"):
        more = client.recv(1000)
        if not more:
            return False
        said += more
    return said.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"x: " + b"a" * 60_000,
        HEAD + b"x: " + b"a" * 60_000 + b"\r\n\r\n",
        HEAD + b"x:\r\n" * 10_000,
        HEAD + b"x:\r\n" * 101 + b"\r\n",
        HEAD + b"x:\r\n" * 101 + b"\r\n" + GET,
        b"GET /" + b"a" * 60_000,
        b"A" * 60_000,
        b"\r\n" * 30_000,
        CHUNKED + b"0\r\nx: " + b"a" * 60_000,
        CHUNKED + b"0\r\n" + b"x:\r\n" * 200,
        CHUNKED + b"1;" + b"a" * 60_000,
        CHUNKED + b"1\r\na\r\n" * 17_000 + b"0\r\n\r\n",
        CHUNKED + b"0" * 60_000,
    ],
    ids=range(13),
)
def test_what_is_no_body_is_bounded(server: Server, sent: bytes) -> None:
    answer = server.ask(sent)
    assert b" 200 " not in answer
    assert b"HTTP/1.1 400" in answer or not answer, answer
    assert server.ask(GET).endswith(b"\r\n0")


def test_heads_below_the_bounds_and_large_bodies_are_taken(server: Server) -> None:
    assert server.ask(HEAD + b"x: " + b"a" * 30_000 + b"\r\n\r\n").endswith(b"\r\n0")
    assert server.ask(HEAD + b"x: a\r\n" * 90 + b"\r\n").endswith(b"\r\n0")
    assert server.ask(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n" + b"a" * 500_000).endswith(
        b"\r\n500000"
    )
    chunks = b"1\r\nb\r\n" * 10_000
    assert server.ask(CHUNKED + chunks + b"0\r\n\r\n").endswith(b"\r\n10001")


def test_silent_and_dripping_clients_are_ended(server: Server) -> None:
    silent, begun, kept = server.connect(), server.connect(), server.connect()
    begun.sendall(b"GET / HT")
    kept.sendall(GET)
    assert answered(kept)
    dripping, breaking = server.connect(), server.connect()
    breaking.sendall(GET)
    assert answered(breaking)
    for _ in range(20):
        with contextlib.suppress(OSError):
            dripping.sendall(b"G")
            breaking.sendall(b"\r\n")
        time.sleep(0.05)
    for client in (silent, begun, kept, dripping, breaking):
        assert is_ended(client)
        client.close()


def test_a_body_that_goes_on_after_its_response_is_ended(server: Server) -> None:
    with server.connect() as client:
        client.sendall(HEAD + b"content-length: 1000000\r\n\r\n")
        assert answered(client)
        for _ in range(20):
            with contextlib.suppress(OSError):
                client.sendall(b"a")
            time.sleep(0.05)
        assert is_ended(client)


def test_clients_that_do_not_read_are_ended(server: Server) -> None:
    clients = [server.connect(buffer=2048) for _ in range(3)]
    for number, client in enumerate(clients):
        client.sendall(GET.replace(b"/ ", b"/large ") * (number + 1))
    deadline = time.monotonic() + 10
    while server.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.server.server_state.connections
    assert not server.clients.waiting
    assert not server.clients.unread


def test_unread_responses_are_bounded_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "UNREAD_SECONDS", 60.0)
    monkeypatch.setattr(bounds, "MAX_UNREAD_BYTES", LARGE)
    clients = [server.connect(buffer=2048) for _ in range(20)]
    for client in clients:
        client.sendall(GET.replace(b"/ ", b"/large "))
        time.sleep(0.03)
    time.sleep(0.3)
    left = server.server.server_state.connections
    assert 0 < len(left) < 20
    assert sum(connection.transport.get_write_buffer_size() for connection in left) < 2 * LARGE
    with server.connect() as client:
        client.sendall(GET.replace(b"/ ", b"/large "))
        size = 0
        while size < LARGE:
            more = client.recv(1 << 20)
            assert more, size
            size += len(more)
    for client in clients:
        client.close()


def test_a_new_connection_takes_the_place_of_the_one_that_is_silent_for_longest(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "CLIENT_SECONDS", 60.0)
    clients = [server.connect() for _ in range(60)]
    time.sleep(0.2)
    assert len(server.server.server_state.connections) <= 20
    for _ in range(5):
        assert server.ask(GET).endswith(b"\r\n0")
    assert is_ended(clients[0])
    clients[-1].sendall(GET)
    assert answered(clients[-1])
    for client in clients:
        client.close()


def test_many_requests_at_once_are_answered_in_order_and_bounded(server: Server) -> None:
    requests = b"".join(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (n, b"a" * n) for n in range(200))
    with server.connect() as client:
        client.sendall(requests)
        said = b""
        while said.count(b"HTTP/1.1 200") < 200 or not said.endswith(b"199"):
            more = client.recv(1 << 16)
            assert more, said[-300:]
            said += more
    bodies = [part.partition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 200 OK")[1:]]
    assert [int(body) for body in bodies] == list(range(200))
    assert server.ask(GET * 20_000).count(b"HTTP/1.1 200") < 200


def test_clients_that_closed_their_side_are_answered(server: Server) -> None:
    assert server.ask(GET, half_close=True).endswith(b"\r\n0")
    assert server.ask(GET * 5, half_close=True).count(b"HTTP/1.1 200") == 5
    assert server.ask(GET + b"GET /", half_close=True).count(b"HTTP/1.1 200") <= 1
    assert server.ask(b"GET / HTTP/1.1\r\n", half_close=True) == b""


def test_work_for_clients_that_are_gone_is_dropped(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\na")
        assert server.working.wait(5)
    assert server.dropped.wait(5)
