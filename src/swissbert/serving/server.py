"""Serves the application until a signal stops it, then finishes the requests in progress."""

import gc
import math
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from swissbert.errors import SwissbertError
from swissbert.serving.connection import Clients, Connection
from swissbert.serving.hosts import is_loopback

API_KEY = "SWISSBERT_API_KEY"
"""Environment variable with the API key that clients must send."""
MIN_KEY_LENGTH = 16
BACKLOG = 512
"""Connections that may wait to be accepted."""
MAX_CONNECTIONS = 1024
"""Open connections, where the process may open enough files."""
OTHER_FILES = 64
"""Files that the process needs besides connections."""


def key_for(host: str) -> str | None:
    """Read the API key from the environment.

    Args:
        host: Address to serve on.

    Returns:
        The key; None if there is none and `host` is a loopback address.

    Raises:
        SwissbertError: If the key is missing on another address, or too short.
    """
    key = os.environ.get(API_KEY, "").strip() or None
    if key is None and not is_loopback(host):
        raise SwissbertError(
            f"host '{host}' is reachable from other machines, so an API key is required: set {API_KEY} to at least "
            f"{MIN_KEY_LENGTH} characters"
        )
    if key is not None and len(key) < MIN_KEY_LENGTH:
        raise SwissbertError(f"{API_KEY} has {len(key)} characters; at least {MIN_KEY_LENGTH} are required")
    return key


class _Server(uvicorn.Server):
    """A server that reports its start, when signals are handled already, and the shutdown, after which it returns.

    uvicorn's own raises the signal again at the end.
    """

    on_startup: Callable[[], None]
    on_shutdown: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report it."""
        await super().startup(sockets)
        self.on_startup()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.on_shutdown()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(app: FastAPI, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; a second Ctrl-C does not wait for requests in progress.

    Args:
        app: An application of `make_app`.
        host: Address or host name.
        port: Port; 0 for a free one.
        on_listening: Called with the URL once connections are accepted.

    Raises:
        SwissbertError: If the address cannot be listened on.
    """
    listener = _listen(host, port)
    clients = Clients(_most_connections())
    config = uvicorn.Config(
        app,
        http=cast(type[Connection], partial(Connection, clients=clients)),
        backlog=BACKLOG,
        log_level="error",  # invalid requests are answered, not logged
        access_log=False,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(app.state.service.deadline) + 5,
    )
    server = _Server(config)
    server.on_shutdown = lambda: setattr(app.state.service, "draining", True)
    name = f"[{host}]" if ":" in host else host
    gc.collect()
    gc.freeze()  # collecting the garbage of a large body then looks at that body, not at all objects of the libraries
    url = f"http://{name}:{listener.getsockname()[1]}"
    server.on_startup = lambda: on_listening(url)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


def _most_connections() -> int:
    """Return how many connections may be open, so that new ones and other files find room in the limit of the system."""
    try:
        import resource
    except ImportError:  # Windows
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + BACKLOG + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return (
        MAX_CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(OTHER_FILES, min(MAX_CONNECTIONS, soft - BACKLOG - OTHER_FILES))
    )


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises SwissbertError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets with an explicit protocol; without it, responses are delayed by 40 ms
    try:
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise SwissbertError(f"{host}:{port}: the address family is not available ({error.strerror})") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # accepts connections before the event loop runs
    except (OSError, OverflowError, TypeError, ValueError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SwissbertError(f"{host}:{port}: cannot listen on this address ({reason})") from error
    return listener
