"""Trials of a sweep: records, the best of them, and how they are shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swissbert.bars import clock
from swissbert.metrics import shown_as
from swissbert.sweeps.space import value_text

RUNNING, STOPPED = "running", "stopped"
"""States of a trial that a process runs, and of one that was interrupted."""
FINISHED = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Attributes:
        number: Its number, from 0.
        state: ``complete``, ``pruned``, ``failed``, ``running``, ``stopped`` (interrupted, and resumed by the next process) or
            ``waiting``.
        score: Score of its model on dev rows, or of the last evaluation of a pruned one.
        values: Values of the settings that vary, by dotted name.
        seconds: Its duration, as far as it is known.
        reason: Why it failed.
        is_recipe: Whether it is the recipe as it is.
        evaluations: Score of each evaluation.
        folder: Its run folder.
    """

    number: int
    state: str
    score: float | None
    values: dict[str, Any]
    seconds: float | None
    reason: str
    is_recipe: bool
    evaluations: list[float]
    folder: Path


def ranked(trials: Sequence[Trial], *, is_higher_better: bool) -> list[Trial]:
    """Return trials from the best score to the worst, then those that are not complete; equal ones by number."""
    sign = -1 if is_higher_better else 1

    def rank(trial: Trial) -> tuple[bool, float, int]:
        is_complete = trial.state == "complete" and trial.score is not None
        return not is_complete, sign * (trial.score or 0.0) if is_complete else 0.0, trial.number

    return sorted(trials, key=rank)


def best_of(trials: Sequence[Trial], *, is_higher_better: bool) -> Trial | None:
    """Return the complete trial with the best score, the first of equal ones; None if none is complete."""
    first = next(iter(ranked(trials, is_higher_better=is_higher_better)), None)
    return first if first is not None and first.state == "complete" else None


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the last parts of dotted names, as few as tell them apart: ``lr`` for ``train.lr``, if no other ends like that.

    Of names of more than two parts, such as ``loss.scale.sst``, two are kept.
    """
    short = {}
    for name in names:
        parts = name.split(".")
        for count in range(1 if len(parts) <= 2 else 2, len(parts) + 1):
            end = ".".join(parts[-count:])
            if sum(f".{other}".endswith(f".{end}") for other in names) == 1:
                break
        short[name] = end
    return short


def settings_text(values: dict[str, Any], short: dict[str, str]) -> str:
    """Format values of settings: ``lr 0.0003, batch_size 16``."""
    return ", ".join(f"{short.get(name, name)} {_digits(value)}" for name, value in values.items())


def _digits(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value_text(value)


def score_text(best_by: str, score: float | None) -> str:
    """Format a score; nothing for None."""
    return "" if score is None else shown_as(best_by.rpartition(".")[2], score)


def trial_cells(
    trials: Sequence[Trial], best: Trial | None, best_by: str, names: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells of a table of trials, of which the first three columns are text."""
    short = short_names(names)
    rows = []
    for trial in trials:
        state = "best" if trial is best else trial.state
        notes = ["recipe"] * trial.is_recipe + [trial.reason.partition(";")[0]] * bool(trial.reason)
        rows.append(
            [
                str(trial.number),
                settings_text(trial.values, short),
                ": ".join(filter(None, [state, ", ".join(notes)])),
                score_text(best_by, trial.score),
                "" if trial.seconds is None else clock(trial.seconds),
            ]
        )
    return ["trial", "settings", "state", best_by, "time"], rows


def seconds_left(trials: Sequence[Trial], most: int) -> float | None:
    """Estimate how long the trials that are left take, with the processes that run trials now and the present one.

    Returns:
        Seconds; None if no trial is finished.
    """
    took = [trial.seconds for trial in trials if trial.state in FINISHED and trial.seconds]
    if not took:
        return None
    running = sum(trial.state == RUNNING for trial in trials)
    left = max(0, most - sum(trial.state in FINISHED for trial in trials))
    return left * math.fsum(took) / len(took) / (running + 1)
