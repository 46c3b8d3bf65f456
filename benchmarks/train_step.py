"""Optimizer steps of the training loop, timed as the peer program times its own: 32 rows of SST, Quora and STS a step.

    python benchmarks/train_step.py --data DIR [--steps 15] [--warmup 3] [--threads 2] [--precision fp32] [--peak GFLOPS]

Tokens are computed before the first step, as a run does once; batches are cut and packed within the time. Prints one JSON
line. With --peak, the rate that peers/peak.py measures, it has the useful work as a share of that rate.
"""

import argparse
import json
import time
from pathlib import Path

import swissbert
from swissbert.training.preparation import Prepared, prepare

SEQUENCES = 96
"""Rows of a step."""


def prepared_run(options: argparse.Namespace) -> Prepared:
    """Prepare the settings beside this program: what the peer does, without further files or averaged weights."""
    settings = ["train.device=cpu", f"train.threads={options.threads}", f"train.precision={options.precision}"]
    return prepare(swissbert.load_config(str(Path(__file__).with_suffix(".toml")), settings, options.data))


def main() -> None:
    """Time the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--peak", type=float, help="GFLOP/s")
    options = parser.parse_args()
    prepared = prepared_run(options)
    step, batches = prepared.training_step(), prepared.batches()
    for number in range(options.warmup):
        step(number, batches(number))
    start = time.perf_counter()
    last = options.warmup + options.steps
    tokens = sum(step(number, batches(number)).tokens for number in range(options.warmup, last))
    seconds = time.perf_counter() - start
    figures = {
        "program": f"swissbert {options.precision}",
        "sequences_per_s": round(SEQUENCES * options.steps / seconds, 1),
        "real_tokens_per_s": round(tokens / seconds),
        "padding": 1.0,
    }
    if options.peak:
        weights = sum(weight.numel() for weight in prepared.network.encoder.layers.parameters())
        figures["useful_over_peak"] = round(6 * weights * tokens / seconds / 1e9 / options.peak, 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
