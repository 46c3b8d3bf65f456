"""What synthesised rows do to the errors of each bucket: models trained with them beside models trained without.

Usage: ``python results/synthesis/buckets.py DATA RUNS BEFORE AFTER``, where DATA is the directory of the course's files, RUNS
the folder ``runs`` that ``swissbert reproduce`` wrote, and BEFORE and AFTER are names of two of its rows, of which models
of the same seeds are compared.
"""

import sys
from pathlib import Path

import numpy as np

import swissbert
from swissbert.analysis.answered import AnsweredSplit, answer_split
from swissbert.evaluation import percentiles

RESAMPLES = 2000
"""Bootstrap samples of the rows of a bucket."""


def answered(model: Path, data: Path) -> dict[str, AnsweredSplit]:
    """Answer the dev rows of every task."""
    loaded = swissbert.load(model)
    return {name: answer_split(loaded, task, "dev", data) for name, task in loaded.tasks.items()}


def by_seed(runs: Path, row: str, data: Path) -> dict[str, dict[str, AnsweredSplit]]:
    """Answer the dev rows of every task with the models of a row, by the names of their folders; exit if there are none."""
    folders = sorted((runs / row).glob("seed-*/model"))
    if not folders:
        sys.exit(f"{runs}: there are no models of the row {row!r}")
    return {folder.parent.name: answered(folder, data) for folder in folders}


def in_bucket(split: AnsweredSplit, name: str) -> np.ndarray:
    """Return whether each row is in a bucket."""
    return split.flags[:, [bucket.name for bucket in split.buckets].index(name)]


def difference(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> str:
    """Word the difference of two means of the same rows with its 95 % interval from a paired bootstrap."""
    change = after - before
    low, high = percentiles([change[rng.integers(0, len(change), len(change))].mean() for _ in range(RESAMPLES)])
    value = change.mean()
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


def main(data: Path, runs: Path, before: str, after: str) -> None:
    """Print a table of tasks and buckets: the mean error before and after, each a mean over the seeds."""
    models = {row: by_seed(runs, row, data) for row in (before, after)}
    if not (seeds := sorted(models[before].keys() & models[after].keys())):
        sys.exit(f"{runs}: the rows {before!r} and {after!r} have no seed in common")
    splits = {row: [by_name[seed] for seed in seeds] for row, by_name in models.items()}
    rng = np.random.default_rng(0)
    print(f"| task | bucket | dev rows | error, {before} | error, {after} | difference |\n|---|---|---|---|---|---|")
    for name, first in splits[before][0].items():
        old, new = (np.mean([split[name].errors for split in splits[row]], axis=0) for row in (before, after))
        everywhere = {"all rows": np.ones(len(old), bool)}
        for bucket, mask in {
            **everywhere,
            **dict(zip([b.name for b in first.buckets], first.flags.T, strict=True)),
        }.items():
            if mask.sum() > 1:
                cells = f"{mask.sum():,} | {old[mask].mean():.3f} | {new[mask].mean():.3f}"
                print(f"| {name} | {bucket} | {cells} | {difference(old[mask], new[mask], rng)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:5])
