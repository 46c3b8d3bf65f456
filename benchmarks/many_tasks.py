"""Growth with the number of tasks: seconds and memory of a step, and of a pass in which all tasks answer.

    python benchmarks/many_tasks.py --data DIR --tasks 3 [--method sum|pcgrad] [--steps 6] [--rows 16] [--threads 2]

The tasks are SST, Quora and STS again and again under other names, with their own batches and heads; a step takes ``--rows`` rows of
each. One number of tasks is measured in one process. Prints one JSON line.
"""

import argparse
import json
import resource
import statistics
import time

import torch

from swissbert.config import make_config
from swissbert.training.preparation import Prepared, prepare

NAMES = ("sst", "para", "sts")
WARMUP = 1
"""Steps that are not counted."""


def prepared_run(options: argparse.Namespace) -> Prepared:
    """Prepare MiniLM with that many tasks, of 2,000 rows each."""
    count = range(options.tasks)
    tasks = [{"base": NAMES[i % 3], "name": NAMES[i % 3] + (f"{i // 3 + 1}" if i >= 3 else "")} for i in count]
    table = {
        "tasks": tasks,
        "data": {"dir": options.data, "limit": 2000},
        "encoder": {"name": "minilm"},
        "loss": {"surgery": False if options.method == "sum" else options.method},
        "train": {
            "batch_size": options.rows,
            "threads": options.threads,
            "device": "cpu",
            "precision": options.precision,
        },
    }
    return prepare(make_config(table, "many_tasks.py"))


def main() -> None:
    """Take the steps, then the passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--method", default="sum")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    prepared = prepared_run(options)
    step, batches = prepared.training_step(), prepared.batches()
    records, processor = [], []
    for number in range(WARMUP + options.steps):
        began = time.process_time()
        records.append(step(number, batches(number)))
        processor.append(time.process_time() - began)
    records, processor = records[WARMUP:], processor[WARMUP:]
    tokens = statistics.mean(record.tokens for record in records)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "tasks": options.tasks,
                "method": options.method,
                "tokens_per_step": round(tokens),
                "step_s": round(statistics.median(record.seconds for record in records), 3),
                "step_processor_s": round(statistics.median(processor), 3),
                "us_per_token": round(1e6 * sum(record.seconds for record in records) / tokens / len(records), 1),
                "processor_us_per_token": round(1e6 * sum(processor) / tokens / len(records), 1),
                "peak_memory_mb": round(memory / 1e3),
                "pass_ms": measure_pass(prepared),
            }
        )
    )


def measure_pass(prepared: Prepared) -> float:
    """Return the milliseconds in which the encoder reads 16 sentences once and every task answers them; a median of 20."""
    network = prepared.network.eval()
    task = prepared.dev[0]
    batch = task.batch(torch.arange(16).numpy())
    times = []
    with torch.inference_mode():
        for _ in range(20):
            began = time.perf_counter()
            pooled = network.pool(batch)
            for name in network.tasks:
                network.answers_of(pooled, name)
            times.append(time.perf_counter() - began)
    return round(1e3 * statistics.median(times), 1)


if __name__ == "__main__":
    main()
