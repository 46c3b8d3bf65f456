"""Cost of gradient surgery: training steps of a run, plain and with surgery in turn, on the same batches.

    python benchmarks/surgery.py --data DIR [--steps 30] [--threads N]

Prints the median durations, their ratio, the cosines and the share of conflicts.
"""

import argparse
import statistics

from swissbert.config import load_config
from swissbert.environment import environment
from swissbert.training.prepare import prepare


def main() -> None:
    """Time both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="starter")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    steps, batches = {}, None
    for name in ("plain", "surgery"):
        settings = [f"train.threads={options.threads}", f"loss.surgery={str(name == 'surgery').lower()}"]
        prepared = prepare(load_config("minilm", settings, options.data))
        steps[name], batches = prepared.training_step(), prepared.batches()
    assert batches is not None
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    shares: list[float] = []
    cosines: list[float] = []
    for number in range(options.steps):
        for name in sorted(steps, reverse=bool(number % 2)):
            record = steps[name](number, batches(number))
            seconds[name].append(record.seconds)
            if record.cosine and record.conflicts:
                shares.append(record.conflicts["share"])
                cosines += record.cosine.values()
    median = {name: statistics.median(values[2:]) for name, values in seconds.items()}  # the first two warm up
    print("  ".join(f"{key} {value}" for key, value in environment().items()))
    print(
        f"plain {median['plain']:.3f} s  surgery {median['surgery']:.3f} s  ratio {median['surgery'] / median['plain']:.3f}"
    )
    print(f"share of conflicts {statistics.mean(shares):.2f}, cosines {min(cosines):+.3f} to {max(cosines):+.3f}")


if __name__ == "__main__":
    main()
