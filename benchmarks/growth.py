"""What a row costs as data grows: reading and tokenizing, a second start, a training step, memory. Real rows, repeated.

    python benchmarks/growth.py --data DIR --rows N [N ...] [--steps 30] [--threads 2]

Makes training files of N pairs from quora-train.csv and trains `steps` steps on each with the real loop. One size gives starts
and memory, several sizes the time of a token in each, steps in turn. Prints one JSON line.
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
from swissbert.training.loop import _Run
from swissbert.training.prepare import Prepared, prepare

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


def begin(prepared: Prepared, folder: Path) -> _Run:
    """A run before its first step."""
    prepared.model.train()
    return _Run(prepared, folder, QUIET)


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
    run = begin(prepared, folder)
    began = time.perf_counter()
    tokens = [run._step(0)[1]]
    to_first = time.perf_counter() - began
    tokens += [run._step(step)[1] for step in range(1, options.steps)]
    return {
        "rows": rows,
        "first_start_s": round(first, 2),
        "second_start_s": round(second, 2),
        "first_step_s": round(to_first, 2),
        "memory_after_start_mb": before,
        "peak_memory_mb": memory("VmHWM"),
        "own_memory_mb": memory("RssAnon"),
        "largest_batch_tokens": max(tokens),
    }


def in_turn(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Microseconds a token of several sizes, of all steps, which are taken in turn: the machine is the same for all."""
    runs = {
        rows: begin(prepare(make_config(folder, options.data, rows, options.threads), QUIET), folder)
        for rows in options.rows
    }
    seconds, tokens = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, 0)
    for step in range(options.steps + 2):
        for rows, run in runs.items():
            began = time.perf_counter()
            count = run._step(step)[1]
            if step >= 2:
                seconds[rows] += time.perf_counter() - began
                tokens[rows] += count
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
