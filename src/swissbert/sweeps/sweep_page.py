"""The page of a sweep: history of the scores, importance of the settings, parallel coordinates, and all trials."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from swissbert.analysis.page import Part, Picture, Section, Table, page_text
from swissbert.config import RunConfig
from swissbert.files import write_text
from swissbert.sweeps.space import Dimension, value_text
from swissbert.sweeps.sweep_figures import importance_figure, parallel_figure, sweep_history_figure
from swissbert.sweeps.trials import FINISHED, Trial, score_text, short_names
from swissbert.version import __version__
from swissbert.wording import counted

IMPORTANCE = (
    "The importance of a setting is its share in reaching the best tenth of the scores (PED-ANOVA). It is an estimate from these "
    "trials, and says little with few of them."
)
NO_IMPORTANCE = "The importance of the settings is estimated from 10 complete trials on."
FOOTER = "study.log beside this page is an Optuna journal: optuna-dashboard study.log shows it. Click a column head to sort a table."


def write_sweep_page(
    path: Path,
    config: RunConfig,
    dimensions: Sequence[Dimension],
    trials: Sequence[Trial],
    best: Trial | None,
    importance: Mapping[str, float],
) -> None:
    """Write the page of a sweep: one file that loads nothing.

    Args:
        path: The file.
        config: Settings of the recipe.
        dimensions: Settings that vary.
        trials: All trials.
        best: The best one.
        importance: Share of each setting in reaching the best scores; empty where it is not known.
    """
    best_by = config.train.best_by
    table, space = _table(trials, dimensions, best, best_by), [[one.name, one.in_words()] for one in dimensions]
    history: list[Part] = [table]
    settings: list[Part] = [Table("space", "Search space", ["setting", "values"], space)]
    if any(trial.score is not None for trial in trials):
        drawn = parallel_figure(trials, dimensions, best, best_by)
        settings.insert(0, Picture("parallel", drawn, "Settings and score of each trial"))
        history.insert(
            0, Picture("history", sweep_history_figure(trials, best_by), "Score of each trial, and the best so far")
        )
    if importance:
        settings.insert(0, Picture("importance", importance_figure(importance), "Importance of each setting"))
    counts = ", ".join(f"{sum(trial.state == state for trial in trials)} {state}" for state in FINISHED)
    sections = [
        Section(
            "trials",
            "Trials",
            f"{counted(len(trials), 'trial')}: {counts}. Each is a run in trials/ beside this page; they are compared by {best_by} on "
            "dev rows.",
            history,
            _reading(trials, best, best_by),
        ),
        Section("settings", "Settings", IMPORTANCE if importance else NO_IMPORTANCE, settings),
    ]
    encoder = config.encoder.name
    facts = [
        ("recipe", config.name),
        ("tasks", ", ".join(task.name for task in config.tasks)),
        ("encoder", Path(encoder).name if Path(encoder).is_absolute() else encoder),
        ("seed", str(config.seed)),
        ("swissbert", __version__),
    ]
    write_text(path, page_text(f"Sweep: {config.name}", facts, sections, footer=FOOTER))


def _table(trials: Sequence[Trial], dimensions: Sequence[Dimension], best: Trial | None, best_by: str) -> Table:
    names = [one.name for one in dimensions]
    short = short_names(names)
    rows: list[list[object]] = []
    for trial in sorted(trials, key=lambda one: (one is not best, one.number)):
        state = "best" if trial is best else trial.state
        note = "the recipe as it was" if trial.is_recipe else trial.reason
        rows.append(
            [
                trial.number,
                float("nan") if trial.score is None else trial.score,
                *(_cell(trial.values.get(name)) for name in names),
                state,
                float("nan") if trial.seconds is None else trial.seconds,
                note,
            ]
        )
    return Table(
        "trials", "All trials", ["trial", best_by, *short.values(), "state", "seconds", "note"], rows, digits=4
    )


def _cell(value: object) -> object:
    """Return the cell of a value: whole numbers as they are, so that they sort as numbers, others as text."""
    return value if isinstance(value, int) and not isinstance(value, bool) else value_text(value)


def _reading(trials: Sequence[Trial], best: Trial | None, best_by: str) -> list[str]:
    """Say what the best trial gained, and what its score is worth."""
    if best is None:
        return ["No trial is complete."]
    values = ", ".join(f"{name} {value_text(value)}" for name, value in best.values.items())
    points = [f"The best is trial {best.number} with {best_by} {score_text(best_by, best.score)}: {values}."]
    recipe = next((trial for trial in trials if trial.is_recipe and trial.state == "complete"), None)
    if recipe is best:
        points.append("It is the recipe as it was: no other trial is better.")
    elif recipe is not None and recipe.score is not None and best.score is not None:
        difference = f"{best.score - recipe.score:+.3f}".replace("-", "−")
        points.append(
            f"The recipe as it was has {score_text(best_by, recipe.score)}, which is a difference of {difference}."
        )
    points.append(
        "The best of many trials is chosen on dev rows, so its dev score is too high, and more so with more trials; other seeds "
        "or test rows tell what is left of the difference."
    )
    return points
