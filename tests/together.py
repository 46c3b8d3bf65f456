"""Several real processes that communicate, forked from a test: gloo, and a file where they meet."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

from swissbert.distributed.joining import ended
from swissbert.distributed.launch import Launch
from swissbert.distributed.processes import Processes

Work = Callable[[Processes], object]


def start(count: int, folder: Path, work: Work) -> list[int]:
    """Fork processes that do some work together; return their ids.

    A process ends with status 0 after its work, and with 1 after an exception, whose class and text it writes into
    ``error-RANK`` in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    ids = []
    for rank in range(count):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _work(Launch(rank, count, rank, count), folder, work)
                status = 0
            except BaseException as error:
                (folder / f"error-{rank}").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
                if not isinstance(error, Exception) or isinstance(error, AssertionError | TypeError | AttributeError):
                    traceback.print_exc()
            finally:
                os._exit(status)
        ids.append(pid)
    return ids


def _work(launch: Launch, folder: Path, work: Work) -> None:
    torch.set_num_threads(1)
    processes = Processes(launch, FileStore(str(folder / "store"), launch.size))
    with ended(processes):
        work(processes)


def wait(ids: list[int], seconds: float = 60) -> list[int]:
    """Wait for processes and return their exit statuses, minus the number of the signal for those that one has ended.

    Those that take longer are killed, which fails the test.
    """
    end, statuses = time.monotonic() + seconds, dict.fromkeys(ids, 999)
    left = set(ids)
    while left and time.monotonic() < end:
        for pid in list(left):
            ended_pid, status = os.waitpid(pid, os.WNOHANG)
            if ended_pid:
                statuses[pid] = os.waitstatus_to_exitcode(status)
                left.remove(pid)
        time.sleep(0.005)
    for pid in left:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert not left, f"{len(left)} of {len(ids)} processes still ran after {seconds} s"
    return [statuses[pid] for pid in ids]


def run(count: int, folder: Path, work: Work, seconds: float = 60) -> list[int]:
    """Do some work in several processes; return their exit statuses."""
    return wait(start(count, folder, work), seconds)


def errors(folder: Path, count: int) -> list[str]:
    """Return class and text of the exception that ended each process; empty for one that has none."""
    paths = [folder / f"error-{rank}" for rank in range(count)]
    return [path.read_text(encoding="utf-8") if path.exists() else "" for path in paths]
