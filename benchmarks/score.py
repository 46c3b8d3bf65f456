"""Scores for the pairs of quora-dev from raw text, tokenisation included, best of two passes, as the peer program has it.

    python benchmarks/score.py --data DIR [--precision int8] [--threads 2]

Prints one JSON line. The pairs are read from the file as the peer reads them, before the time.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import torch

import swissbert


def main() -> None:
    """Time both passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--precision", choices=["fp32", "int8"], default="int8")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with (Path(options.data) / "quora-dev.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = [
        (row["sentence1"], row["sentence2"]) for row in rows if row["sentence1"].strip() and row["sentence2"].strip()
    ]
    model = swissbert.load("mini", device="cpu", precision=options.precision)
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        model.predict("para", pairs)
        best = min(best, time.perf_counter() - began)
    print(json.dumps({"program": f"swissbert {options.precision}", "pairs_per_s": round(len(pairs) / best, 1)}))


if __name__ == "__main__":
    main()
