"""What each method costs: processor time of a training step as a multiple of a plain step on the same rows.

    python benchmarks/method_cost.py --data DIR [--steps 8] [--precision bf16] [--methods famo upgrad]

The plain step is that of the table ``beyond`` with the plain sum: 32 rows each of SST, Quora and STS, pairs encoded together, mean
pooling, one thread. Each method takes the same batches from the same first weights, right after plain steps on them. Prints a row of
a Markdown table for each; ``--methods`` are names of this table. Processor time changes less than wall time where other programs run.
"""

import argparse
import statistics
import time

from swissbert.config import make_config
from swissbert.mtl import METHODS, method_names
from swissbert.setting_tables import merged
from swissbert.settings import Settings
from swissbert.training.preparation import prepare

WARMUP = 2
"""Steps that are not counted."""
OTHERS: dict[str, Settings] = {
    "train.ema": {"train": {"ema": 0.99}},
    "data.swap_pairs": {"data": {"swap_pairs": True}},
    "regularisation.proximal": {"regularisation": {"proximal": 1.0, "proximal_start": 0.0}},
    "regularisation.smoothness": {"regularisation": {"smoothness": 1.0}},
    "both": {"regularisation": {"smoothness": 1.0, "proximal": 1.0, "proximal_start": 0.0}},
    "model.pair_encoding = false": {"model": {"pair_encoding": False}},
}
"""Settings that are not balancing methods, by the name that is printed."""


def settings_of(name: str) -> Settings:
    """Return what a method changes in the plain settings."""
    if name in OTHERS:
        return OTHERS[name]
    return {"loss": {"surgery" if METHODS[name].needs == "gram" else "weighting": name}}


def seconds_of_steps(options: argparse.Namespace, changes: Settings) -> list[float]:
    """Take steps with these settings; return the processor time of each that counts."""
    table: Settings = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": options.data, "limit": 2000},
        "encoder": {"name": "minilm"},
        "train": {"batch_size": 32, "threads": 1, "device": "cpu", "precision": options.precision},
    }
    prepared = prepare(make_config(merged(table, changes), "method_cost.py"))
    step, batches = prepared.training_step(), prepared.batches()
    times = []
    for number in range(WARMUP + options.steps):
        batch = batches(number)
        began = time.process_time()
        step(number, batch)
        times.append(time.process_time() - began)
    return times[WARMUP:]


def main() -> None:
    """Measure each method beside plain steps."""
    names = [name for name in method_names("own loss", "all losses", "gram") if name != "sum"] + list(OTHERS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--methods", nargs="+", choices=names, default=names, metavar="METHOD")
    options = parser.parse_args()
    print("| method | plain step, s | its step, s | multiple |\n|---|---|---|---|")
    for name in options.methods:
        plain, own = seconds_of_steps(options, {}), seconds_of_steps(options, settings_of(name))
        multiple = statistics.median(b / a for a, b in zip(plain, own, strict=True))
        print(
            f"| `{name}` | {statistics.median(plain):.2f} | {statistics.median(own):.2f} | {multiple:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
