"""Commands of swissbert in forked processes, which start in milliseconds and can be killed at any change to the disk."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CHANGES = (
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.chmod",
    "os.truncate",
    "os.utime",
    "shutil.rmtree",
    "tempfile.mkstemp",
    "tempfile.mkdtemp",
    "fcntl.flock",
)
"""Audit events of Python that change the file system, besides files that are opened for writing."""


MORE = (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "onnxruntime",
    "onnxscript",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "swissbert.export.onnx",
    "torch.onnx._internal.exporter._core",
)
"""Modules that only some commands need: ``analyse``, ``export``, tables, and training with ``train.baseline``."""


def warm_up(*more: str) -> None:
    """Import what commands need, once, before anything is forked; `more` are names of further modules."""
    import importlib

    for name in (
        *more,
        "torch._dynamo",  # by the first optimizer
        "tensorboard.compat.proto.event_pb2",
        "tensorboard.summary.writer.record_writer",
        "swissbert.cli.from_table",
        "swissbert.experiments.runner",
        "swissbert.export.hf",
        "swissbert.inference.bulk",
        "swissbert.training.loop",
    ):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


def exit_status(run: Callable[[], object]) -> int:
    """Call something as a program is run, and return its exit status; what it raises is printed."""
    try:
        run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def wait_for(pid: int, seconds: float) -> int | None:
    """Wait for a child process; return its exit status, or None if it still runs after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


class Command:
    """A swissbert command in a forked process.

    Args:
        folder: Where the file with its output is put, and its current folder.
        arguments: The command line after ``swissbert``.
        first: Called in the new process before the command.
        instead: Called instead of a command.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[object] = (),
        first: Callable[[], None] | None = None,
        instead: Callable[[], object] | None = None,
    ) -> None:
        self.output = folder / f"output-{time.time_ns()}"
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            return

        def run() -> None:
            out = os.open(self.output, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
            null = os.open(os.devnull, os.O_RDONLY)
            for file, number in ((null, 0), (out, 1), (out, 2)):
                os.dup2(file, number)
            os.chdir(folder)
            sys.argv = ["swissbert", *map(str, arguments)]
            if first is not None:
                first()
            if instead is not None:
                instead()
            else:
                from swissbert.cli import main

                main()

        code = 1
        try:
            code = exit_status(run)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        """Return the exit status; None while the process runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self, seconds: float = 120) -> int | str:
        """Return the exit status, or "hang" for a process that has to be killed after `seconds`."""
        if (code := wait_for(self.pid, seconds)) is None:
            self.kill()
            return "hang"
        return code

    def kill(self) -> int:
        """Kill the process with SIGKILL and return its exit status."""
        os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""


def kill_at(number: int, counter: Path | None = None) -> Callable[[], None]:
    """Return a function after which the process kills itself before its `number`-th change to the file system.

    Args:
        number: Which change, from 1; 0 for none.
        counter: A file that grows by one byte at each change.
    """

    def install() -> None:
        left = number
        count = os.open(counter, os.O_CREAT | os.O_WRONLY | os.O_APPEND) if counter is not None else None

        def audit(event: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            if event == "open":
                is_change = isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
                is_change = is_change and "output-" not in str(args[0]) and not _is_device(str(args[0]))
            else:
                is_change = event in CHANGES
            if not is_change:
                return
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            if count is not None:
                os.write(count, b".")

        sys.addaudithook(audit)

    return install


def _is_device(path: str) -> bool:
    """Whether a path is a device; ``/dev/shm`` is a file system in memory."""
    return path.startswith("/dev/") and not path.startswith("/dev/shm/")


def count_changes(folder: Path, arguments: Sequence[object]) -> int:
    """Run a command to its end and return how many changes to the file system it makes. Raises if it fails."""
    counter = folder / f"count-{time.time_ns()}"
    command = Command(folder, arguments, first=kill_at(0, counter))
    if (code := command.wait(300)) != 0:
        raise RuntimeError(f"{arguments}: ended with {code}: {command.text[-500:]}")
    return counter.stat().st_size


def odd_end(code: int | str, text: str, allowed: Sequence[int] = (0, 2, -signal.SIGKILL)) -> str | None:
    """Return what is wrong with how a command ended; None if nothing is."""
    if code == "hang":
        return "hang"
    if "Traceback" in text:
        return f"traceback: {text.strip().splitlines()[-1][:200]}"
    if code not in allowed:
        return f"exit status {code}: {text.strip()[-200:]}"
    return None


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def log_lines(path: Path, without: Sequence[str] = ("seconds",)) -> list[dict[str, Any]]:
    """Return the lines of a ``metrics.jsonl`` without what differs between equal runs."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [{key: value for key, value in line.items() if key not in without} for line in lines]
