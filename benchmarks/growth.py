"""What a row costs as data grows: reading and tokenizing, a second start, a training step, memory. Real rows, repeated.

    python benchmarks/growth.py --data DIR --rows N [--steps 30] [--threads 2]

Makes a training file of N pairs from quora-train.csv and trains `steps` steps on it with the real loop. Prints one JSON line.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from swissbert.config import load_config
from swissbert.display import Display
from swissbert.training.loop import _Run
from swissbert.training.prepare import Prepared, prepare


def memory(key: str) -> float:
    """A figure of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) / 1e3, 1)


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    quiet = Display(quiet=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SWISSBERT_CACHE"] = str(folder / "cache")
        header, *lines = (options.data / "quora-train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "data").mkdir()
        with (folder / "data/quora-train.csv").open("w", encoding="utf-8") as file:
            file.write(header)
            file.writelines(islice(cycle(lines), options.rows))
        (folder / "data/quora-dev.csv").write_text("".join([header, *lines[:64]]), encoding="utf-8")
        settings = ['tasks=["para"]', f"train.threads={options.threads}", "train.best_by=para.accuracy"]
        config = load_config("minilm", settings, str(folder / "data"))

        def start() -> tuple[Prepared, float]:
            began = time.perf_counter()
            return prepare(config, quiet), time.perf_counter() - began

        prepare(config.model_copy(update={"data": config.data.model_copy(update={"dir": str(options.data)})}), quiet)
        prepared, first = start()
        before = memory("VmRSS")
        prepared, second = start()
        prepared.model.train()
        run = _Run(prepared, folder, quiet)
        began = time.perf_counter()
        tokens = [run._step(0)[1]]
        to_first = time.perf_counter() - began
        seconds = []
        for step in range(1, options.steps):
            began = time.perf_counter()
            tokens.append(run._step(step)[1])
            seconds.append((time.perf_counter() - began) / tokens[-1])
        found = {
            "rows": options.rows,
            "first_start_s": round(first, 2),
            "second_start_s": round(second, 2),
            "first_step_s": round(to_first, 2),
            "us_per_token": round(1e6 * statistics.median(seconds), 1),
            "memory_after_start_mb": before,
            "peak_memory_mb": memory("VmHWM"),
            "own_memory_mb": memory("RssAnon"),
            "largest_batch_tokens": max(tokens),
            "steps_an_epoch": len(prepared.plan.steps) // prepared.config.train.epochs,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
