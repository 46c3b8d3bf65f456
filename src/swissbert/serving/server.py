"""Runs the application until it is asked to stop, then answers what it has taken."""

import ipaddress
import math
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from swissbert.errors import SwissbertError

KEY = "SWISSBERT_API_KEY"
"""The environment variable with the key that clients must show."""


def key_for(host: str) -> str | None:
    """The key from the environment. Raises SwissbertError where others than this machine could ask without one."""
    key = os.environ.get(KEY, "").strip() or None
    if key is None and not _is_loopback(host):
        raise SwissbertError(
            f"--host {host}: other machines can reach this address, so {KEY} must hold a key that clients show"
        )
    if key is not None and len(key) < 16:
        raise SwissbertError(f"{KEY} has {len(key)} characters, but a key that nobody guesses has at least 16")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(uvicorn.Server):
    """Says that it drains before it does, and ends well after it: uvicorn would die of the signal it was stopped with."""

    draining: Callable[[], None]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.draining()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(app: FastAPI, host: str, port: int, said: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `said` is told the address. Raises SwissbertError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP: only then does the loop switch Nagle's algorithm off, which would hold each answer back for 40 ms
    try:
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise SwissbertError(f"{host}:{port}: this machine has no such addresses ({error.strerror})") from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)  # whoever comes before the first turn of the loop waits
    except (OSError, OverflowError, TypeError, ValueError) as error:
        listening.close()
        raise SwissbertError(
            f"{host}:{port}: cannot be served on ({getattr(error, 'strerror', None) or error})"
        ) from error
    config = uvicorn.Config(
        app,
        log_level="error",  # what clients send wrong is theirs to hear
        access_log=False,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(app.state.service.deadline) + 5,
    )
    server = _Server(config)
    server.draining = lambda: setattr(app.state.service, "draining", True)
    shown = f"[{host}]" if ":" in host else host
    said(f"http://{shown}:{listening.getsockname()[1]}")
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
