"""The command line in forked processes: they start at once, because what commands import is imported before."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from campaign.commands import exit_status, wait_for


def swissbert(
    *arguments: str | Path, cwd: Path | None = None, stdin: str = "", timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command of swissbert in a process of its own, with files as its streams; a process that hangs is ended.

    A process that Python starts anew takes two seconds of a core to import torch. Tests of how the program itself starts,
    of its imports, locale or environment, start one nevertheless.
    """
    import swissbert.__main__
    import swissbert.training.loop  # noqa: F401

    command = ["swissbert", *map(str, arguments)]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        given.write(stdin.encode())
        given.seek(0)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            become(command, cwd, [given.fileno(), out.fileno(), error.fileno()])
        status = wait_for(pid, timeout)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise subprocess.TimeoutExpired(command, timeout)
        texts = []
        for file in (out, error):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape").replace("\r\n", "\n"))
    return subprocess.CompletedProcess(command, status, *texts)


def start(*arguments: str | Path, output: Path) -> int:
    """Start a command of swissbert in a process of its own and return its id; both streams go to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with output.open("wb") as file, open(os.devnull, "rb") as nothing:
        pid = os.fork()
        if pid == 0:
            become(["swissbert", *map(str, arguments)], None, [nothing.fileno(), file.fileno(), file.fileno()])
    return pid


def exit_status_of(pid: int) -> int:
    """Wait for a child process; return its exit status, negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def become(command: list[str], cwd: Path | None, streams: list[int]) -> None:
    """Run a command in this process, and end it."""

    def run() -> None:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
            buffering = 1 if name == "stderr" else -1
            setattr(sys, name, open(number, mode, buffering, encoding="utf-8", closefd=False))  # noqa: SIM115
        if cwd is not None:
            os.chdir(cwd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = command
        from swissbert.__main__ import run as program

        program()

    code = 1
    try:
        code = exit_status(run)
    finally:
        for file in (sys.stdout, sys.stderr):
            try:
                file.flush()
            except (OSError, ValueError):
                code = code or 120
        os._exit(code)
