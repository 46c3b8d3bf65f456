"""Trials in processes of their own, so that one that crashes or is stopped leaves the others alone."""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign.frame import ALONE, Outcome, Setting, Trial
from campaign.report import Line

LONGEST = 900
"""Seconds after which a trial is stopped and counted as a fault."""
IN_MEMORY, ROOM = Path("/dev/shm"), 2**32
"""File system in memory, and free bytes from which trials use it: what they check is what is written, not a disk."""


@dataclass(frozen=True)
class Planned:
    """A trial that is to be run: its part, its name in the table of the part, and the function."""

    part: str
    name: str
    trial: Trial


@dataclass(frozen=True)
class _Running:
    """A trial at work: its process, its folder, and when it began."""

    planned: Planned
    pid: int
    folder: Path
    start: float


def run_all(trials: Sequence[Planned], short: bool, seed: int, at_once: int) -> Iterator[Line]:
    """Run trials and yield what came of each when it has ended.

    Args:
        trials: The trials, in the order in which they begin.
        short: Whether to try only as much as takes a few seconds.
        seed: Seed of their random numbers.
        at_once: How many run at a time. Those of the parts in `ALONE` run with nothing beside them.
    """
    waiting, running = list(trials), list[_Running]()
    try:
        while waiting or running:
            while waiting and _may_begin(waiting[0], running, at_once):
                running.append(_begin(waiting.pop(0), short, seed))
            for trial in list(running):
                if (ended := _ended(trial)) is not None:
                    running.remove(trial)
                    yield _line(trial, ended)
            time.sleep(0.01)
    finally:
        for trial in running:
            _kill(trial.pid)
            os.waitpid(trial.pid, 0)
            _remove(trial.folder)


def _may_begin(planned: Planned, running: Sequence[_Running], at_once: int) -> bool:
    is_alone = planned.part in ALONE or any(trial.planned.part in ALONE for trial in running)
    return len(running) < (1 if is_alone else at_once)


def _begin(planned: Planned, short: bool, seed: int) -> _Running:
    """Fork the process of a trial, which writes its outcome as JSON."""
    folder = Path(tempfile.mkdtemp(prefix=f"campaign-{planned.part}-", dir=_place()))
    (folder / "work").mkdir()
    print(f"{planned.part}: {planned.name} ...", file=sys.stderr, flush=True)
    sys.stdout.flush()
    start = time.monotonic()
    pid = os.fork()
    if pid:
        return _Running(planned, pid, folder, start)
    code = 1
    try:
        os.setsid()  # so that its own children end with it
        os.environ["SWISSBERT_CACHE"] = str(folder / "cache")
        outcome = planned.trial(Setting(folder / "work", short, seed))
        (folder / "outcome.json").write_text(json.dumps(vars(outcome)), encoding="utf-8")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _place() -> Path | None:
    """Return the file system in memory, where every sync is quick; None if there is none with room, or ``TMPDIR`` names another."""
    if os.environ.get("TMPDIR") or not os.access(IN_MEMORY, os.W_OK):
        return None
    return IN_MEMORY if shutil.disk_usage(IN_MEMORY).free > ROOM else None


def _ended(trial: _Running) -> int | str | None:
    """Return the exit status of a trial, None while it runs; one that takes too long is stopped."""
    pid, status = os.waitpid(trial.pid, os.WNOHANG)
    if pid:
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() - trial.start < LONGEST:
        return None
    _kill(trial.pid)
    os.waitpid(trial.pid, 0)
    return f"no end after {LONGEST} s"


def _kill(pid: int) -> None:
    """Kill the process of a trial and those that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _line(trial: _Running, ended: int | str) -> Line:
    """Read what came of a trial that has ended, and remove its folder."""
    _kill(trial.pid)  # what it has left behind
    planned, seconds = trial.planned, time.monotonic() - trial.start
    if ended == 0:
        outcome = Outcome(**json.loads((trial.folder / "outcome.json").read_text(encoding="utf-8")))
    else:
        outcome = Outcome(planned.name, 1, 0, [f"the trial itself ended with {ended}"])
    _remove(trial.folder)
    return Line(planned.part, planned.name, seconds, outcome)


def _remove(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)  # a trial may have closed it
    shutil.rmtree(folder, ignore_errors=True)
