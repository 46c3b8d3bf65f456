"""What the rows of each synthesising rule do by themselves to the bucket they aim at, and to their task as a whole.

Usage: ``python results/synthesis/rules.py DATA RUNS BEFORE``, where DATA is the directory of the course's files, RUNS the folder
``runs`` that ``swissbert reproduce`` wrote, and BEFORE the row without synthesised rows. A rule has the row of its name, with
hyphens for underscores. Models of the same seeds are compared.
"""

import sys
from pathlib import Path

import numpy as np
from buckets import by_seed, difference, in_bucket

from swissbert.data.synthesis import RULES


def main(data: Path, runs: Path, before: str) -> None:
    """Print a table of the rules whose row was run: errors before and after, and how far other seeds are from one another."""
    plain = by_seed(runs, before, data)
    print(
        "| task | rule | bucket | dev rows | error, plain | with the rule | difference | between seeds | task as a whole |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for rule in RULES:
        row = rule.name.replace("_", "-")
        if not (runs / row).is_dir():
            continue
        after = by_seed(runs, row, data)
        if not (seeds := sorted(plain.keys() & after.keys())):
            sys.exit(f"{runs}: the rows {before!r} and {row!r} have no seed in common")
        old, new = (np.mean([models[seed][rule.task].errors for seed in seeds], axis=0) for models in (plain, after))
        mask = in_bucket(plain[seeds[0]][rule.task], rule.bucket)
        others = [models[rule.task].errors[mask].mean() for models in plain.values()]
        between = f"{np.ptp(others):.3f}" if len(others) > 1 else "–"
        rng = np.random.default_rng(0)
        print(
            f"| {rule.task} | `{rule.name}` | {rule.bucket} | {mask.sum():,} | {old[mask].mean():.3f} | {new[mask].mean():.3f} "
            f"| {difference(old[mask], new[mask], rng)} | {between} | {difference(old, new, rng)} |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
