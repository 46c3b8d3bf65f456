"""Cost per row as data grows: reading and tokenising, a second start, a training step, memory. Real rows, repeated.

    python benchmarks/growth.py --data DIR --rows N [N ...] [--steps 30] [--threads 2]

Writes training files of N pairs from quora-train.csv and runs the training steps of a run on each. One size measures starts
and memory, several sizes the time per token, steps in turn. Prints one JSON line.
"""

import argparse
import json
import os
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from swissbert.config import RunConfig, load_config
from swissbert.display import Display
from swissbert.training.loader import BatchLoader
from swissbert.training.prepare import Prepared, prepare
from swissbert.training.step import TrainingStep

QUIET = Display(quiet=True)


def memory(key: str) -> float:
    """A figure of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) / 1e3, 1)


def make_config(folder: Path, data: Path, rows: int, threads: int) -> RunConfig:
    """Settings of a run on so many pairs, whose files are put into `folder`."""
    header, *lines = (data / "quora-train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    there = folder / f"data-{rows}"
    there.mkdir()
    with (there / "quora-train.csv").open("w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(islice(cycle(lines), rows))
    (there / "quora-dev.csv").write_text("".join([header, *lines[:64]]), encoding="utf-8")
    settings = ['tasks=["para"]', f"train.threads={threads}", "train.best_by=para.accuracy"]
    return load_config("minilm", settings, str(there))


def begin(prepared: Prepared) -> tuple[TrainingStep, BatchLoader]:
    """Return the training step and the batches of a run before its first step."""
    return prepared.training_step(), prepared.batches()


def alone(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Starts and memory of one size."""
    rows = options.rows[0]
    config = make_config(folder, options.data, rows, options.threads)

    def start() -> tuple[Prepared, float]:
        began = time.perf_counter()
        return prepare(config, QUIET), time.perf_counter() - began

    # what a process does once is done before: another folder's rows are read
    prepare(config.model_copy(update={"data": config.data.model_copy(update={"dir": str(options.data)})}), QUIET)
    prepared, first = start()
    before = memory("VmRSS")
    prepared, second = start()
    step, batches = begin(prepared)
    first_step = step(0, batches(0))
    tokens = [first_step.tokens]
    tokens += [step(number, batches(number)).tokens for number in range(1, options.steps)]
    return {
        "rows": rows,
        "first_start_s": round(first, 2),
        "second_start_s": round(second, 2),
        "first_step_s": round(first_step.seconds, 2),
        "memory_after_start_mb": before,
        "peak_memory_mb": memory("VmHWM"),
        "own_memory_mb": memory("RssAnon"),
        "largest_batch_tokens": max(tokens),
    }


def in_turn(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Microseconds a token of several sizes, of all steps, which are taken in turn: the machine is the same for all."""
    runs = {
        rows: begin(prepare(make_config(folder, options.data, rows, options.threads), QUIET)) for rows in options.rows
    }
    seconds, tokens = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, 0)
    for number in range(options.steps + 2):
        for rows, (step, batches) in runs.items():
            record = step(number, batches(number))
            if number >= 2:
                seconds[rows] += record.seconds
                tokens[rows] += record.tokens
    return {f"{rows}": round(1e6 * seconds[rows] / tokens[rows], 1) for rows in runs}


def main() -> None:
    """Measure one size, or several beside each other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["SWISSBERT_CACHE"] = str(Path(name) / "cache")
        print(json.dumps((alone if len(options.rows) == 1 else in_turn)(Path(name), options)))


if __name__ == "__main__":
    main()
