"""Run the campaign: ``python -m campaign [PART ...] [--short] [--out FOLDER]``.

Every trial runs in a process of its own, so that one that crashes or is stopped leaves the others alone. Exit status 1 if
there was a fault.
"""

import argparse
import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from campaign.commands import wait_for, warm_up
from campaign.frame import PARTS, Outcome, Setting, Trial
from campaign.report import Line, write_report

LONGEST = 900
"""Seconds after which a trial is stopped and counted as a fault."""


def main() -> int:
    """Run the parts that the arguments name."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"which parts, by default all: {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="only as much as takes a few seconds a part")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, help="write README.md and results.json into this folder, beside other parts"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.part) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored for jobs in the background
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", HF_HUB_OFFLINE="1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warm_up()  # once, for all processes that are forked below
    lines = []
    for part in arguments.part or PARTS:
        for name, trial in importlib.import_module(f"campaign.{part}").TRIALS.items():
            print(f"{part}: {name} ...", file=sys.stderr, flush=True)
            lines.append(_run(part, name, trial, arguments.short, arguments.seed))
            print(lines[-1].shown(), flush=True)
            for fault in lines[-1].outcome.faults:
                print(f"    fault: {fault}", flush=True)
            if arguments.out is not None:
                write_report(lines, arguments.out, arguments.seed)
    return int(any(line.outcome.faults for line in lines))


def _run(part: str, name: str, trial: Trial, short: bool, seed: int) -> Line:
    """Run one trial in a forked process, which gives its outcome as JSON."""
    folder = Path(tempfile.mkdtemp(prefix=f"campaign-{part}-"))
    result, start = folder / "outcome.json", time.monotonic()
    work = folder / "work"
    work.mkdir()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setsid()  # so that its own children end with it
        code = 1
        try:
            os.environ["SWISSBERT_CACHE"] = str(folder / "cache")
            outcome = trial(Setting(work, short, seed))
            result.write_text(json.dumps(vars(outcome)), encoding="utf-8")
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    try:
        ended = _wait(child)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
    seconds = time.monotonic() - start
    if ended == 0:
        outcome = Outcome(**json.loads(result.read_text(encoding="utf-8")))
    else:
        outcome = Outcome(name, 1, 0, [f"the trial itself ended with {ended}"])
    for path in work.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)  # a trial may have closed it
    shutil.rmtree(folder, ignore_errors=True)
    return Line(part, name, seconds, outcome)


def _wait(child: int) -> int | str:
    """Return the exit status of a process, which is killed after `LONGEST` seconds."""
    if (code := wait_for(child, LONGEST)) is not None:
        return code
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"no end after {LONGEST} s"


if __name__ == "__main__":
    sys.exit(main())
