"""What a sweep is about: the recipe with all that it leaves out, and what would be tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swissbert.config import RunConfig, load_config
from swissbert.display import Display
from swissbert.sweeps.drawing import first_values
from swissbert.sweeps.journal import quiet_optuna
from swissbert.sweeps.setting_values import own_value, value_of
from swissbert.sweeps.space import Dimension, read_space, value_text
from swissbert.training.preparation import prepare
from swissbert.training.teachers import teacher_checksums

FIRST_SHOWN = 10
"""Number of trials whose settings depend on the seed alone, because Optuna draws them at random."""


@dataclass(frozen=True)
class Start:
    """A recipe that is ready to vary.

    Attributes:
        config: Its settings, with those that it leaves out chosen.
        dimensions: Settings that vary.
        rows: Checksum of the rows of each split.
        models: Checksums of the encoder's weights, of the tokenizer and of each teacher.
        steps: Number of optimizer steps.
        evaluations: Number of evaluations.
        recipe: Its values of the settings that vary, as the space writes them; None for those that it does not have.
        outside: Sentences about values that are not in the search space.
    """

    config: RunConfig
    dimensions: list[Dimension]
    rows: dict[str, str]
    models: dict[str, str]
    steps: int
    evaluations: int
    recipe: dict[str, Any]
    outside: list[str] = field(default_factory=list)

    @property
    def first(self) -> dict[str, Any] | None:
        """Values of the first trial; None if the recipe is not in the search space."""
        return None if self.outside else self.recipe


def start_of(config: RunConfig | str | Path, space: str | Path | Mapping[str, Any], display: Display) -> Start:
    """Check the search space, and choose what a recipe leaves out; arguments and errors as for `plan_sweep`."""
    config = config if isinstance(config, RunConfig) else load_config(config)
    dimensions = read_space(space, config)
    with display.waiting("preparing the recipe"):
        prepared = prepare(config, display, answers=False)
    config = prepared.config
    recipe = {one.name: own_value(config, one) for one in dimensions}
    outside = [
        f"the recipe itself is not tried: its {one.name} is {value_text(value_of(config, one.name))}, but the space has "
        f"{one.in_words()}"
        for one in dimensions
        if recipe[one.name] is None
    ]
    models = {
        "encoder": prepared.encoder_fingerprint(),
        "tokenizer": prepared.tokenizer.fingerprint,
        **{f"teacher {number}": checksum for number, checksum in enumerate(teacher_checksums(config), 1)},
    }
    return Start(
        config, dimensions, prepared.fingerprints(), models, prepared.total, len(prepared.plan.ends), recipe, outside
    )


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do.

    Attributes:
        dimensions: Settings that vary.
        recipe: Values that the recipe has for them; None for those that the space does not have.
        notes: Sentences for a person, such as why the recipe is not tried.
        first: Values of the trials of a new sweep that depend on the seed alone.
        has_recipe: Whether the first trial is the recipe as it is.
        steps: Number of optimizer steps of the recipe.
        evaluations: Number of its evaluations.
    """

    dimensions: list[Dimension]
    recipe: dict[str, Any]
    notes: list[str]
    first: list[dict[str, Any]]
    has_recipe: bool
    steps: int
    evaluations: int


def plan_sweep(
    config: RunConfig | str | Path,
    space: str | Path | Mapping[str, Any],
    *,
    trials: int = 20,
    display: Display | None = None,
) -> SweepPlan:
    """Return what a new sweep would try; nothing is trained, and nothing but tokens in the cache is written.

    Args:
        config: As for `sweep`.
        space: As for `sweep`.
        trials: As for `sweep`.
        display: Receives progress; nothing is shown if left out.

    Raises:
        SwissbertError: If the space is not valid or rows are missing.
    """
    start = start_of(config, space, display or Display(quiet=True))
    with quiet_optuna():
        first = first_values(start.dimensions, start.config.seed, start.first, min(trials, FIRST_SHOWN))
    return SweepPlan(
        start.dimensions,
        start.recipe,
        start.outside,
        first,
        start.first is not None,
        start.steps,
        start.evaluations,
    )
