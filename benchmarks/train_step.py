"""Training steps of a run, timed as the peer program times its own: 32 rows of SST, Quora and STS per step.

    python benchmarks/train_step.py --data DIR [--steps 15] [--warmup 3] [--threads 2] [--precision fp32]

Prints one JSON line: sequences and real tokens per second, and useful work as a share of the rate that `peak.py` of the
peers measures (given with --peak). Rows are tokenised before, as in a run; batches are cut and packed within the time.
"""

import argparse
import json
import time

from swissbert.config import load_config
from swissbert.training.prepare import prepare


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
    settings = [
        f"train.threads={options.threads}",
        f"train.precision={options.precision}",
        "encoder.dropout=0.1",
        "model.dropout=0.0",  # the peer's heads have none
        "train.lr=1e-5",
        "train.weight_decay=0.01",  # AdamW's own, as the peer takes it
    ]
    prepared = prepare(load_config("minilm", settings, options.data))
    step, batches = prepared.training_step(), prepared.batches()
    for number in range(options.warmup):
        step(number, batches(number))
    began, tokens = time.perf_counter(), 0
    for number in range(options.warmup, options.warmup + options.steps):
        tokens += step(number, batches(number)).tokens
    seconds = time.perf_counter() - began
    size = sum(weight.numel() for weight in prepared.network.encoder.layers.parameters())
    figures = {
        "program": f"swissbert {options.precision}",
        "sequences_per_s": round(96 * options.steps / seconds, 1),
        "real_tokens_per_s": round(tokens / seconds),
        "padding": 1.0,
    }
    if options.peak:
        figures["useful_over_peak"] = round(6 * size * tokens / seconds / 1e9 / options.peak, 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
