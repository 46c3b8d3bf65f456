"""Several processes of one thread beside one process of as many threads: optimizer steps of the recipe minilm.

    python benchmarks/processes.py --data DIR [--processes 2] [--steps 8] [--warmup 2] [--rounds 3]

Each round starts every program once, every other round in reverse order. Both kinds take the same steps on the same rows: the
loss of the last step is printed, so that a difference would be seen. Tokens are computed before the first step. Nothing else
should run meanwhile. Prints one line for each start, and a table of medians at the end.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import swissbert
from swissbert.distributed import joined
from swissbert.training.preparation import prepare

METHODS = {"sum": "false", "pcgrad": "true"}
"""Values of ``loss.surgery``: one message a step, or one for each task."""
ROWS = 96
"""Rows of a step."""


def work(options: argparse.Namespace) -> None:
    """Take the steps in this process, one of ``WORLD_SIZE``; the first one prints a line of JSON."""
    settings = [
        "train.device=cpu",
        f"train.threads={options.threads}",
        "train.precision=fp32",
        "encoder.dropout=0",  # so that both kinds compute the same numbers
        "model.dropout=0",
        "loss.weighting=sum",
        f"loss.surgery={METHODS[options.method]}",
    ]
    with joined() as world:
        prepared = world.in_turn(lambda: prepare(swissbert.load_config("minilm", settings, options.data)))
        step, batches = prepared.training_step(world=world), prepared.batches()
        for number in range(options.warmup):
            step(number, batches(number))
        world.wait()
        start = time.perf_counter()
        last = options.warmup + options.steps
        records = [step(number, batches(number)) for number in range(options.warmup, last)]
        seconds = time.perf_counter() - start
        if world.is_first:
            loss = {task: round(value, 6) for task, value in records[-1].loss.items()}
            rate = round(ROWS * options.steps / seconds, 1)
            print(json.dumps({"rows_per_s": rate, "seconds_per_step": round(seconds / options.steps, 3), "loss": loss}))


def measured(options: argparse.Namespace, method: str, processes: int) -> dict[str, object]:
    """Start one program and return its figures. Processes of one machine need no torchrun, only its variables."""
    threads = options.processes // processes
    command = [
        sys.executable,
        __file__,
        "--work",
        "--data",
        options.data,
        "--method",
        method,
        "--threads",
        str(threads),
    ]
    command += ["--steps", str(options.steps), "--warmup", str(options.warmup)]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    running = []
    for rank in range(processes):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        size = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        variables = {**os.environ, **place, **size, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        running.append(subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True))
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit(f"{' '.join(command)} failed")
    figures: dict[str, object] = json.loads(outputs[0])
    return figures


def main() -> None:
    """Measure all programs in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--method", choices=METHODS, default="sum", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options)
        return
    programs = [(method, processes) for method in METHODS for processes in (1, options.processes)]
    rates: dict[tuple[str, int], list[float]] = {program: [] for program in programs}
    for number in range(options.rounds):
        for method, processes in programs if number % 2 == 0 else reversed(programs):
            figures = measured(options, method, processes)
            print(json.dumps({"method": method, "processes": processes, **figures}), flush=True)
            rates[method, processes].append(float(str(figures["rows_per_s"])))
    print("\n| method | processes | threads of each | rows per second |\n|---|---|---|---|")
    for (method, processes), values in rates.items():
        print(f"| {method} | {processes} | {options.processes // processes} | {statistics.median(values):.1f} |")


if __name__ == "__main__":
    main()
