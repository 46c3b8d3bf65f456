"""What the rows of each synthesising rule do by themselves to the bucket they aim at, and to their task as a whole.

Usage: ``python results/synthesis/rules.py DATA RUNS BEFORE``, where DATA is the directory of the course's files, RUNS the folder
``runs`` that ``swissbert reproduce`` wrote, and BEFORE the row without synthesised rows. A rule has the row of its name, with
hyphens for underscores. Models of the same seeds are compared.
"""

import sys
from pathlib import Path

import numpy as np
from buckets import by_seed, difference, in_bucket

from swissbert.analysis.answered import AnsweredSplit
from swissbert.data.synthesis import RULES, Rule

Models = dict[str, dict[str, AnsweredSplit]]
"""The answered dev rows of each task, by the seeds of the models."""


def errors(models: Models, rule: Rule, seeds: list[str]) -> np.ndarray:
    """Return the error of each dev row of the rule's task, a mean over seeds."""
    return np.mean([models[seed][rule.task].errors for seed in seeds], axis=0)


def compared(old: np.ndarray, new: np.ndarray, mask: np.ndarray) -> str:
    """Return three cells: the mean error of some rows before and after, and the difference."""
    change = difference(old[mask], new[mask], np.random.default_rng(0))
    return f"{old[mask].mean():.3f} | {new[mask].mean():.3f} | {change}"


def by_rule(plain: Models, rule: Rule, after: Models) -> tuple[str, str]:
    """Return the line of a rule in the first table, and in the second one if its rows have a class for a label."""
    seeds = sorted(plain.keys() & after.keys())
    old, new = errors(plain, rule, seeds), errors(after, rule, seeds)
    split = plain[seeds[0]][rule.task]
    mask = in_bucket(split, rule.bucket)
    others = [models[rule.task].errors[mask].mean() for models in plain.values()]
    between = f"{np.ptp(others):.3f}" if len(others) > 1 else "–"
    whole = difference(old, new, np.random.default_rng(0))
    start = f"| {rule.task} | `{rule.name}` | {rule.bucket} |"
    first = f"{start} {mask.sum():,} | {compared(old, new, mask)} | {between} | {whole} |"
    if rule.label is None or not split.task.labels:
        return first, ""
    has_label = mask & (split.labels == rule.label)
    same, other = compared(old, new, has_label), compared(old, new, mask & ~has_label)
    return first, f"{start} {split.task.labels[int(rule.label)]} | {has_label.sum():,} | {same} | {other} |"


def main(data: Path, runs: Path, before: str) -> None:
    """Print two tables of the rules whose row was run: errors in the bucket, and of its rows with the rule's label and without."""
    plain = by_seed(runs, before, data)
    lines = []
    for rule in RULES:
        row = rule.name.replace("_", "-")
        if not (runs / row).is_dir():
            continue
        after = by_seed(runs, row, data)
        if not plain.keys() & after.keys():
            sys.exit(f"{runs}: the rows {before!r} and {row!r} have no seed in common")
        lines.append(by_rule(plain, rule, after))
    print(
        "| task | rule | bucket | dev rows | error, plain | with the rule | difference | between seeds | task as a whole |"
    )
    print("|---|---|---|---|---|---|---|---|---|", *(first for first, _ in lines), "", sep="\n")
    print(
        "| task | rule | bucket | its label | rows with it | error, plain | with the rule | difference "
        "| error of others, plain | with the rule | difference |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|", *(second for _, second in lines if second), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
