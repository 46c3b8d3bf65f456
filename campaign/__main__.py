"""Run the campaign: ``python -m campaign [PART ...] [--short] [--out FOLDER]``. Exit status 1 if there was a fault."""

import argparse
import importlib
import os
import signal
import sys
from pathlib import Path

from campaign.commands import warm_up
from campaign.frame import PARTS
from campaign.report import Line, write_report
from campaign.running import Planned, run_all


def main() -> int:
    """Run the parts that the arguments name."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"which parts, by default all: {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="only as much as takes a few seconds a part")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--at-once", type=int, default=2, help="trials at a time, of those that measure no time")
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
    trials = [
        Planned(part, name, trial)
        for part in arguments.part or PARTS
        for name, trial in importlib.import_module(f"campaign.{part}").TRIALS.items()
    ]
    order = [(trial.part, trial.name) for trial in trials]
    lines: list[Line] = []
    for line in run_all(trials, arguments.short, arguments.seed, arguments.at_once):
        print(line.shown(), flush=True)
        for fault in line.outcome.faults:
            print(f"    fault: {fault}", flush=True)
        lines = sorted([*lines, line], key=lambda line: order.index((line.part, line.name)))
        if arguments.out is not None:
            write_report(lines, arguments.out, arguments.seed)
    return int(any(line.outcome.faults for line in lines))


if __name__ == "__main__":
    sys.exit(main())
