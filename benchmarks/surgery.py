"""What gradient surgery costs a training step: the loop's own steps, plain and with surgery in turn, same batches.

    python benchmarks/surgery.py --data DIR [--steps 30] [--threads N]

Prints medians, their ratio, and what surgery found (cosines and share of conflicts).
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from swissbert.config import load_config
from swissbert.display import Display
from swissbert.environment import environment
from swissbert.training.loop import _Run
from swissbert.training.prepare import prepare


def main() -> None:
    """Time both and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="starter")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    quiet = Display(quiet=True)
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("plain", "surgery"):
            settings = [f"train.threads={options.threads}", f"loss.surgery={str(name == 'surgery').lower()}"]
            prepared = prepare(load_config("minilm", settings, options.data), quiet)
            prepared.model.train()
            runs[name] = _Run(prepared, Path(folder), quiet)
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        shares, cosines = [], []
        for step in range(options.steps):
            for name in sorted(runs, reverse=bool(step % 2)):
                began = time.perf_counter()
                record, _ = runs[name]._step(step)
                seconds[name].append(time.perf_counter() - began)
                if name == "surgery":
                    shares.append(record["conflicts"]["share"])
                    cosines += record["cosine"].values()
    median = {name: statistics.median(values[2:]) for name, values in seconds.items()}  # the first two warm up
    print("  ".join(f"{key} {value}" for key, value in environment().items()))
    print(
        f"plain {median['plain']:.3f} s  surgery {median['surgery']:.3f} s  ratio {median['surgery'] / median['plain']:.3f}"
    )
    print(f"share of conflicts {statistics.mean(shares):.2f}, cosines {min(cosines):+.3f} to {max(cosines):+.3f}")


if __name__ == "__main__":
    main()
