"""Score the pairs of quora-dev from raw text, tokenisation included, the better of two passes, as the peer program does.

    python benchmarks/score.py --data DIR [--precision int8] [--threads 2]

Prints one JSON line. Rows are read before the time starts.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import torch

import swissbert


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read the pairs without empty sentences."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["sentence1"].strip(), row["sentence2"].strip()) for row in csv.DictReader(file, delimiter="\t")]
    return [(first, second) for first, second in rows if first and second]


def main() -> None:
    """Time both passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--precision", choices=["fp32", "int8"], default="int8")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = read_pairs(options.data / "quora-dev.csv")
    model = swissbert.load("mini", device="cpu", precision=options.precision)
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        model.predict("para", pairs)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"program": f"swissbert {options.precision}", "pairs_per_s": round(len(pairs) / best, 1)}))


if __name__ == "__main__":
    main()
