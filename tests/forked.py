"""The command line in forked processes: they start at once, because what commands import is imported before."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import ModuleType

from campaign.commands import exit_status, wait_for

SHELL = frozenset("|<>;&")
"""Characters of a line for which a shell is needed; other lines can run in a forked process."""
TRAINING = ("train", "distill", "reproduce", "sweep", "quickstart")
"""Commands that train."""


def swissbert(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 300,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command of swissbert in a process of its own, with files as its streams; a process that hangs is ended.

    What is given as `before` is called in the process before the command. A process that Python starts anew takes two
    seconds of a core to import torch. Tests of how the program itself starts, of its imports, locale or environment, start
    one nevertheless.
    """
    load_for(arguments)
    return _ended(program(before), ["swissbert", *map(str, arguments)], cwd, stdin, timeout)


def python(code: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run Python code as ``python -c`` does, with what commands import imported already."""
    load_for(["train"])

    def run() -> None:
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(main))

    return _ended(run, ["-c"], cwd, "", timeout)


def start(*arguments: str | Path, output: Path, errors: Path | None = None) -> int:
    """Start a command of swissbert in a process of its own and return its id.

    Args:
        *arguments: The command.
        output: File of standard output, and of standard error without `errors`.
        errors: File of standard error.
    """
    load_for(arguments)
    with (
        output.open("wb") as file,
        errors.open("wb") if errors else nullcontext(file) as other,
        open(os.devnull, "rb") as nothing,
    ):
        streams = [nothing.fileno(), file.fileno(), other.fileno()]
        return fork(program(), ["swissbert", *map(str, arguments)], None, streams)


def program(before: Callable[[], None] | None = None) -> Callable[[], None]:
    """Return a function that runs the command line, after `before`."""

    def run() -> None:
        if before is not None:
            before()
        from swissbert.__main__ import run as command_line

        command_line()

    return run


def _ended(
    work: Callable[[], object], command: list[str], cwd: Path | None, stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Do work in a process of its own and return its exit status and what it printed."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        given.write(stdin.encode())
        given.seek(0)
        pid = fork(work, command, cwd, [given.fileno(), out.fileno(), error.fileno()])
        status = exit_status_of(pid, timeout)
        texts = []
        for file in (out, error):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape").replace("\r\n", "\n"))
    return subprocess.CompletedProcess(command, status, *texts)


def killed_at(event: str, pattern: str) -> Callable[[], None]:
    """Return a function that makes its process kill itself at the first audit event `event` whose arguments match `pattern`."""

    def install() -> None:
        def hook(name: str, arguments: tuple[object, ...]) -> None:
            if name == event and re.search(pattern, " ".join(map(str, arguments))):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    return install


def load_for(arguments: Sequence[object]) -> None:
    """Import what a command needs, so that the processes that are forked next find it."""
    import swissbert.__main__
    import swissbert.training.loop  # noqa: F401

    if arguments and arguments[0] in TRAINING:
        import_module("torch._dynamo")  # by the first optimizer: a second of a core
        import_module("tensorboard.summary.writer.record_writer")


def exit_status_of(pid: int, timeout: float = 60) -> int:
    """Wait for a child process; return its exit status, negative for the signal that ended it. One that hangs is ended."""
    status = wait_for(pid, timeout)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise subprocess.TimeoutExpired(f"process {pid}", timeout)
    return status


def fork(work: Callable[[], object], command: list[str], cwd: Path | None, streams: Sequence[int]) -> int:
    """Fork a process that does work as the program of a command line, and return its id; whatever fails ends the process.

    Args:
        work: Called in the new process.
        command: Its command line.
        cwd: Its current folder, if not that of this process.
        streams: Files that become standard input, output and error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid

    def run() -> None:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
            buffering = 1 if name == "stderr" else -1
            setattr(sys, name, open(number, mode, buffering, encoding="utf-8", closefd=False))  # noqa: SIM115
        if cwd is not None:
            os.chdir(cwd)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as `swissbert.__main__` does when it is imported
        sys.argv = command
        work()

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
