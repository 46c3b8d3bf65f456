"""Cost of gradient surgery: the same training steps with and without it, in turn, on the same batches.

    python benchmarks/surgery.py [--data DIR] [--steps 30] [--threads N]

Prints medians, their ratio, the cosines of the task gradients and the share of conflicts.
"""

import argparse
import statistics

import swissbert
from swissbert.environment import environment
from swissbert.training.preparation import prepare

WARMUP = 2
"""Steps of each that are not counted."""


def main() -> None:
    """Time both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="starter")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    runs = {}
    for name in ("plain", "surgery"):
        settings = [f"train.threads={options.threads}", f"loss.surgery={str(name == 'surgery').lower()}"]
        settings.append("model.pooling=pooler")  # as in the figures of earlier runs
        prepared = prepare(swissbert.load_config("minilm", settings, options.data))
        runs[name] = (prepared.training_step(), prepared.batches())
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    shares, cosines = [], []
    for number in range(options.steps):
        for name in sorted(runs, reverse=bool(number % 2)):
            step, batches = runs[name]
            record = step(number, batches(number))
            seconds[name].append(record.seconds)
            if record.conflicts is not None and record.cosine is not None:
                shares.append(record.conflicts["share"])
                cosines += record.cosine.values()
    median = {name: statistics.median(values[WARMUP:]) for name, values in seconds.items()}
    print("  ".join(f"{key} {value}" for key, value in environment().items()))
    ratio = median["surgery"] / median["plain"]
    print(f"plain {median['plain']:.3f} s  surgery {median['surgery']:.3f} s  ratio {ratio:.3f}")
    print(f"share of conflicts {statistics.mean(shares):.2f}, cosines {min(cosines):+.3f} to {max(cosines):+.3f}")


if __name__ == "__main__":
    main()
