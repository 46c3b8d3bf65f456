"""Memory of a run as it goes on: resident memory of the process after some steps of the recipe minilm, and its peak.

    python benchmarks/memory.py --data DIR [--steps 1000] [--threads 2] [--precision bf16]

Steps read batches of varied lengths, as a run does. Prints one JSON line, and each figure as it comes to standard
error. Needs Linux.
"""

import argparse
import json
import sys
import time

from process_memory import memory

import swissbert
from swissbert.training.preparation import prepare

AFTER = (1, 15, 50, 100, 200, 300, 500, 700, 1000, 1400)
"""Steps after which memory is read."""


def main() -> None:
    """Take the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    options = parser.parse_args()
    settings = ["train.device=cpu", f"train.threads={options.threads}", f"train.precision={options.precision}"]
    prepared = prepare(swissbert.load_config("minilm", settings, options.data))
    step, batches = prepared.training_step(), prepared.batches()
    figures: dict[str, object] = {"program": f"swissbert {options.precision}", "before_mb": memory("VmRSS")}
    resident, peak, tokens, largest = {}, {}, 0, 0
    began, processor = time.perf_counter(), time.process_time()
    for number in range(options.steps):
        record = step(number, batches(number))
        tokens, largest = tokens + record.tokens, max(largest, record.tokens)
        if number + 1 in AFTER or number + 1 == options.steps:
            resident[number + 1], peak[number + 1] = memory("VmRSS"), memory("VmHWM")
            print(
                f"step {number + 1}: {resident[number + 1]} MB, peak {peak[number + 1]} MB", file=sys.stderr, flush=True
            )
    figures |= {"resident_mb": resident, "peak_mb": peak, "largest_step_tokens": largest}
    figures["us_per_token"] = round(1e6 * (time.perf_counter() - began) / tokens, 1)
    figures["processor_us_per_token"] = round(1e6 * (time.process_time() - processor) / tokens, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
