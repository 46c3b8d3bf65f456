"""What a person sees: commands in a real terminal of a given size, and the screen as text."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyte

from forked import exit_status_of, fork, load_for, program

PICTURE_EVERY = 0.05
"""Seconds between two pictures of the screen."""


@dataclass
class Seen:
    """What a command showed.

    Attributes:
        status: Its exit status.
        lines: Lines on the screen and above it, in the end, without spaces at their ends.
        pictures: The screen while the command ran, each once.
        raw: Everything that was written.
    """

    status: int
    lines: list[str]
    raw: str
    pictures: list[list[str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All lines, in the end."""
        return "\n".join(self.lines)

    def ever(self, *words: str) -> list[str]:
        """Return the lines of all pictures in which all `words` stand."""
        return [line for picture in self.pictures for line in picture if all(word in line for word in words)]


def watch(
    *arguments: str | Path,
    columns: int = 80,
    height: int = 50,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    keys: str = "",
    out: Path | None = None,
    timeout: float = 120,
) -> Seen:
    """Run a command of swissbert in a terminal of its own.

    Args:
        *arguments: The command.
        columns: Columns of the terminal.
        height: Its lines.
        cwd: Where the command runs.
        environment: Variables that are set; those on colour and width are unset otherwise.
        keys: What is typed.
        out: A file for standard output, in place of the terminal.
        timeout: Seconds after which the command is ended.
    """
    load_for(arguments)
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", height, columns, 0, 0))
    given = {"TERM": "xterm-256color", "NO_COLOR": "", "FORCE_COLOR": "", "COLUMNS": ""} | (environment or {})
    output = end if out is None else os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def before() -> None:
        os.setsid()
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)
        os.environ.update(given)

    pid = fork(program(before), ["swissbert", *map(str, arguments)], cwd, [end, output, end])
    if out is not None:
        os.close(output)
    os.close(end)
    os.write(terminal, keys.encode())
    return _watched(pid, terminal, columns, height, timeout)


def _watched(pid: int, terminal: int, columns: int, height: int, timeout: float) -> Seen:
    """Read what a process writes until it ends, and keep pictures of the screen."""
    screen = pyte.HistoryScreen(columns, height, history=10_000)
    stream = pyte.ByteStream(screen)
    raw, pictures, taken, limit = b"", list[list[str]](), 0.0, time.monotonic() + timeout
    try:
        while True:
            if not select.select([terminal], [], [], max(0, limit - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired("swissbert", timeout)
            try:
                data = os.read(terminal, 65536)
            except OSError:  # no process has the other end
                break
            if not data:
                break
            raw += data
            stream.feed(data)
            if time.monotonic() - taken >= PICTURE_EVERY:
                taken = time.monotonic()
                picture = [line.rstrip() for line in screen.display]
                if picture not in pictures[-1:]:
                    pictures.append(picture)
    finally:
        status = exit_status_of(pid)
        os.close(terminal)
    above = ["".join(line[i].data for i in range(columns)).rstrip() for line in screen.history.top]
    lines = [*above, *(line.rstrip() for line in screen.display)]
    while lines and not lines[-1]:
        lines.pop()
    return Seen(status, lines, raw.decode(), pictures)
