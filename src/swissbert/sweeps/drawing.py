"""Values of the settings in a trial, drawn by Optuna."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from swissbert.sweeps.space import Dimension


def sampler_of(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of a trial, whose draws depend on seed, number, and the trials that are finished by then."""
    return optuna.samplers.TPESampler(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def drawn_value(trial: optuna.Trial, dimension: Dimension) -> Any:
    """Return the value of a setting in a trial; a value that was drawn before is kept."""
    name, values = dimension.name, dimension.values
    if values.choices is not None:
        return trial.suggest_categorical(name, values.choices)
    assert values.low is not None
    assert values.high is not None
    if isinstance(values.low, int) and isinstance(values.high, int):
        return trial.suggest_int(name, values.low, values.high, step=int(values.step or 1), log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def first_values(
    dimensions: Sequence[Dimension], seed: int, first: Mapping[str, Any] | None, count: int
) -> list[dict[str, Any]]:
    """Return the values of the first trials of a new sweep, which depend on the seed alone: they are drawn at random.

    Args:
        dimensions: Settings that vary.
        seed: Seed of the sampler.
        first: Values of the first trial; None if they are drawn too.
        count: Number of trials; later ones depend on scores.
    """
    study, values = optuna.create_study(), []
    if first is not None:
        study.enqueue_trial(dict(first))
    for number in range(count):
        study.sampler = sampler_of(seed, number)
        trial = study.ask()
        values.append({one.name: one.rounded(drawn_value(trial, one)) for one in dimensions})
    return values
