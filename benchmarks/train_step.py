"""Optimizer steps of the real training loop, as the peer program times its own: 32 rows of SST, Quora and STS a step.

    python benchmarks/train_step.py --data DIR [--steps 15] [--warmup 3] [--threads 2] [--precision fp32]

Prints one JSON line: sequences and real tokens a second, and useful work as a share of the rate that `peak.py` of the peers
measures (given with --peak). Tokens are made before, as a run does; batches are cut and packed inside the time.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from swissbert.config import load_config
from swissbert.display import Display
from swissbert.training.loop import _Run
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
    quiet = Display(quiet=True)
    prepared = prepare(load_config("minilm", settings, options.data), quiet)
    prepared.model.train()
    with tempfile.TemporaryDirectory() as folder:
        run = _Run(prepared, Path(folder), quiet)
        for step in range(options.warmup):
            run._step(step)
        began, tokens = time.perf_counter(), 0
        for step in range(options.warmup, options.warmup + options.steps):
            tokens += run._step(step)[1]
        seconds = time.perf_counter() - began
    size = sum(weight.numel() for weight in prepared.model.encoder.layers.parameters())
    found = {
        "program": f"swissbert {options.precision}",
        "sequences_per_s": round(96 * options.steps / seconds, 1),
        "real_tokens_per_s": round(tokens / seconds),
        "padding": 1.0,
    }
    if options.peak:
        found["useful_over_peak"] = round(6 * size * tokens / seconds / 1e9 / options.peak, 3)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
