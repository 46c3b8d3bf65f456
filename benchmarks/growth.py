"""Cost of a row as data grow: reading and tokenising, a second start, a training step, memory.

    python benchmarks/growth.py --data DIR --rows N [N ...] [--steps 30] [--threads 2]

Repeats the rows of quora-train.csv to training files of N pairs and trains on each. One size gives start times and memory;
several sizes give the time of a token in each, with their steps in turn in one process. Prints one JSON line.
"""

import argparse
import json
import os
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from process_memory import memory

import swissbert
from swissbert import RunConfig
from swissbert.training.preparation import Prepared, prepare

WARMUP = 2
"""Steps of each size that are not counted."""


def make_config(folder: Path, data: Path, rows: int, threads: int) -> RunConfig:
    """Write data files with that many pairs below `folder` and return the settings of a run on them."""
    header, *lines = (data / "quora-train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    repeated = folder / f"data-{rows}"
    repeated.mkdir()
    with (repeated / "quora-train.csv").open("w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(islice(cycle(lines), rows))
    (repeated / "quora-dev.csv").write_text("".join([header, *lines[:64]]), encoding="utf-8")
    settings = ['tasks=["para"]', "train.device=cpu", f"train.threads={threads}", "train.best_by=para.accuracy"]
    settings.append("model.pooling=pooler")  # as in the figures of earlier runs
    return swissbert.load_config("minilm", settings, str(repeated))


def measure_start(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Measure start times and memory of one size."""
    rows = options.rows[0]
    config = make_config(folder, options.data, rows, options.threads)

    def start() -> tuple[Prepared, float]:
        began = time.perf_counter()
        return prepare(config), time.perf_counter() - began

    # Warm up imports and the encoder with other rows, so that only the work for these rows is timed.
    prepare(config.model_copy(update={"data": config.data.model_copy(update={"dir": str(options.data)})}))
    prepared, first = start()
    resident = memory("VmRSS")
    prepared, second = start()
    step, batches = prepared.training_step(), prepared.batches()
    records = [step(number, batches(number)) for number in range(options.steps)]
    return {
        "rows": rows,
        "first_start_s": round(first, 2),
        "second_start_s": round(second, 2),
        "first_step_s": round(records[0].seconds, 2),
        "memory_after_start_mb": resident,
        "peak_memory_mb": memory("VmHWM"),
        "own_memory_mb": memory("RssAnon"),
        "largest_batch_tokens": max(record.tokens for record in records),
    }


def measure_tokens(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Measure microseconds a token of several sizes, whose steps are taken in turn."""
    runs = {}
    for rows in options.rows:
        prepared = prepare(make_config(folder, options.data, rows, options.threads))
        runs[rows] = (prepared.training_step(), prepared.batches())
    seconds, tokens = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, 0)
    for number in range(WARMUP + options.steps):
        for rows, (step, batches) in runs.items():
            record = step(number, batches(number))
            if number >= WARMUP:
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
    measure = measure_start if len(options.rows) == 1 else measure_tokens
    with tempfile.TemporaryDirectory() as name:
        os.environ["SWISSBERT_CACHE"] = str(Path(name) / "cache")
        print(json.dumps(measure(Path(name), options)))


if __name__ == "__main__":
    main()
