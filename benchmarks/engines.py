"""The sharded job in one process and on Ray, on one machine: answers of mini to sentences.

    python benchmarks/engines.py --data DIR [--rows 4000] [--rounds 3] [--workers 2]

Each round runs every program on N rows and on 3 N, every other round in reverse order: the difference tells the rate, and what
is left the time to start. Both write the same bytes, which is checked. Prints a line of JSON for each run, and a table of
medians at the end.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

GROWTH = 3
"""How many times as many rows the long runs have."""


def write_rows(data: str, path: Path, rows: int) -> None:
    """Write sentences of SST, repeated if there are fewer."""
    with (Path(data) / "ids-sst-train.csv").open(encoding="utf-8", newline="") as file:
        sentences = [row["sentence"] for row in csv.DictReader(file, delimiter="\t")]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "text"])
        writer.writerows(enumerate(islice(cycle(sentences), rows)))


def seconds(source: Path, folder: Path, words: list[str]) -> float:
    """Run a job as a user does, and return how long it took."""
    command = [sys.executable, "-m", "swissbert", "predict", "mini", "--task", "sst", "--input", str(source)]
    start = time.perf_counter()
    subprocess.run([*command, "--output-dir", str(folder), *words], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure both programs in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    programs = {"one process": [], "Ray": ["--engine", "ray", "--workers", str(options.workers)]}
    sizes = (options.rows, GROWTH * options.rows)
    times: dict[tuple[str, int], list[float]] = {(name, size): [] for name in programs for size in sizes}
    for number in range(options.rounds):
        for name, size in times if number % 2 == 0 else reversed(times):
            with tempfile.TemporaryDirectory() as folder:
                source, out = Path(folder) / "rows.csv", Path(folder) / name
                write_rows(options.data, source, size)
                taken = seconds(source, out, programs[name])
                digest = hash((out / "part-00000.jsonl").read_bytes())  # equal within one run of this program
            times[name, size].append(taken)
            print(
                json.dumps({"program": name, "rows": size, "seconds": round(taken, 2), "answers": digest}), flush=True
            )
    print("\n| program | seconds to start | rows per second |\n|---|---|---|")
    for name in programs:
        short, long = (statistics.median(times[name, size]) for size in sizes)
        each = (long - short) / (sizes[1] - sizes[0])
        print(f"| {name} | {short - each * sizes[0]:.1f} | {1 / each:.0f} |")


if __name__ == "__main__":
    main()
