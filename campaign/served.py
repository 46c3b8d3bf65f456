"""A server of a tiny model in a process of its own, and clients that send it any bytes."""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import swissbert.cli.serve
import swissbert.serving.app
import swissbert.serving.server
import swissbert.training.loop  # noqa: F401 (imported before anything is forked, so that servers start at once)
from campaign.commands import Command
from campaign.inputs import tiny_encoder

SECRET = "zebra-quartz-7719"
"""Part of the texts that are sent; it must not be in any log or error."""
JSON = "content-type: application/json\r\n"
GOOD = json.dumps({"inputs": f"{SECRET} a good film", "tasks": "sst"}).encode()
LIVEZ = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
ENDED = "no answer"
"""What stands for a status where a connection ended without one."""


def post(body: bytes, path: str = "/v1/predict", head: str = "") -> bytes:
    """Return a POST request with a JSON body."""
    lines = f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{JSON}{head}content-length: {len(body)}\r\n\r\n"
    return lines.encode() + body


def get(path: str, head: str = "") -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n".encode("latin-1")


def read(client: socket.socket, rest: bytearray | None = None) -> tuple[int | str, bytes]:
    """Read one response; return its status, or `ENDED`, and its body.

    Args:
        client: The connection.
        rest: What was read of the next response, and is again afterwards.
    """
    data = bytearray() if rest is None else rest
    while b"\r\n\r\n" not in data:
        more = client.recv(1 << 16)
        if not more:
            return ENDED, bytes(data)
        data += more
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: *(\d+)", head)
    size = int(found[1]) if found else 0
    while len(body) < size and (more := client.recv(1 << 20)):
        body += more
    data[:] = body[size:]
    return int(head.split()[1]), body[:size]


class Server:
    """`swissbert serve` with a tiny model, on a free port.

    Args:
        folder: Where the model and the output are put.
        arguments: Further arguments of the command.
        files: Limit of open files of the process.
        key: The API key.
    """

    def __init__(self, folder: Path, *arguments: str, files: int | None = None, key: str | None = None) -> None:
        model = folder / "model"
        if not model.exists():
            _tiny_model(folder)

        def first() -> None:
            if key is not None:
                os.environ["SWISSBERT_API_KEY"] = key
            if files is not None:
                import resource

                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.command = Command(folder, ["serve", model, "--port", "0", *arguments], first=first)
        end = time.monotonic() + 60
        while not (found := re.search(r"serving on http://\S+:(\d+)\n", self.command.text)):
            if time.monotonic() > end or self.command.poll() is not None:
                raise RuntimeError(f"the server does not start: {self.command.text}")
            time.sleep(0.01)
        self.port = int(found[1])

    def connect(self, seconds: float = 20, buffer: int | None = None) -> socket.socket:
        """Open a connection, perhaps with a small receive buffer."""
        client = socket.socket()
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(seconds)
        client.connect(("127.0.0.1", self.port))
        return client

    def ask(self, request: bytes, seconds: float = 20, half_close: bool = False) -> tuple[int | str, bytes]:
        """Send any bytes on a new connection; return the status of the response, or what ended it, and its body."""
        try:
            with self.connect(seconds) as client:
                client.sendall(request)
                if half_close:
                    client.shutdown(socket.SHUT_WR)
                return read(client)
        except OSError as error:
            return type(error).__name__, b""

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self.command.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def files(self) -> int:
        """Number of open files."""
        return len(os.listdir(f"/proc/{self.command.pid}/fd"))

    def odd_log(self) -> str | None:
        """Return what is wrong with what the server has printed; None if nothing is."""
        lines = [line for line in self.command.text.splitlines() if not line.startswith("serving on ")]
        if SECRET in self.command.text:
            return "a text of a client is in the log"
        return f"the log has {lines[0][:200]!r}" if lines else None

    def stop(self, seconds: float = 60) -> tuple[int | str, float]:
        """Send SIGTERM; return the exit status, or "hang", and the seconds until the end."""
        start = time.monotonic()
        os.kill(self.command.pid, signal.SIGTERM)
        return self.command.wait(seconds), time.monotonic() - start


def _tiny_model(folder: Path) -> None:
    """Write a model of three tasks into ``folder/model``."""
    import torch

    from swissbert.config import make_config
    from swissbert.training.loop import train

    torch.set_num_threads(1)
    table = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": "starter", "limit": 8},
        "encoder": {"name": str(tiny_encoder(folder / "encoder")), "max_length": 48},
        "train": {"max_steps": 1, "threads": 1, "tensorboard": False, "baseline": False},
    }
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        train(make_config(table, "the campaign"), folder / "run")
    (folder / "run" / "model").rename(folder / "model")


class Watch:
    """Seconds that /livez takes meanwhile, asked again and again on one connection."""

    def __init__(self, server: Server, every: float = 0.01) -> None:
        self.server, self.every = server, every
        self.seconds: list[float] = []
        self.failed = 0
        self._is_on = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        client: socket.socket | None = None
        while self._is_on:
            start = time.perf_counter()
            try:
                client = client or self.server.connect(10)
                client.sendall(LIVEZ)
                if read(client)[0] != 200:
                    raise ConnectionError
            except OSError:
                self.failed += 1
                client = None
                time.sleep(0.1)
                continue
            self.seconds.append(time.perf_counter() - start)
            time.sleep(self.every)

    def __enter__(self) -> "Watch":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._is_on = False
        self._thread.join(15)

    def percentile(self, share: float) -> float:
        """Return a percentile in milliseconds."""
        ordered = sorted(self.seconds) or [float("inf")]
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def fault(self, most: float) -> str | None:
        """Return what is wrong: failed requests, or a 99th percentile over `most` milliseconds; None if nothing is."""
        if self.failed:
            return f"/livez failed {self.failed} of {self.failed + len(self.seconds)} times"
        return f"/livez p99 {self.percentile(0.99):.0f} ms" if self.percentile(0.99) > most else None


def until(seconds: float, done: Callable[[], Any], every: float = 0.05) -> bool:
    """Wait until something holds, for so many seconds at most; return whether it does."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def is_open(client: socket.socket) -> bool:
    """Whether the server has not ended a connection."""
    client.settimeout(0)
    try:
        while data := client.recv(1 << 16):
            del data
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
