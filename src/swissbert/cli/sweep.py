"""The command ``sweep``: search for good settings of a recipe."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.program import DataOption, SetOption, need, program_name
from swissbert.cli.results import fitted, next_lines, next_steps, result_table, waiting
from swissbert.cli.train import data_argument

if TYPE_CHECKING:
    from swissbert.config import RunConfig
    from swissbert.display import Display
    from swissbert.sweeps import Sweep, SweepPlan

MOST_SHOWN = 25
"""Number of trials up to which the table has all of them."""


def sweep(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A shipped recipe (see 'swissbert recipes') or a TOML file.")
    ],
    space: Annotated[
        Path,
        typer.Option(
            help="TOML file with the settings that vary, such as train.lr = { low = 1e-5, high = 1e-3, log = true }."
        ),
    ],
    trials: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of trials in the folder, of all processes together.")
    ] = 20,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Sweep folder, runs/NAME-sweep if not given.")] = None,
    settings: SetOption = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial, as train.epochs.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be tried; write nothing but tokens to the cache.")
    ] = False,
) -> None:
    """Search for good settings of a recipe.

    Trains the recipe with other settings, trial by trial, chosen by Optuna from the scores so far; the first trial is the recipe
    as it is, and trials that fall behind are pruned. The best recipe is written as best.toml, with a page of all trials.

    For instance:  swissbert sweep minilm --space space.toml --trials 20 --out runs/rates

    The same command goes on after an interrupt, and may be started several times at once, on one machine or several that
    share the folder: the processes share the trials.
    """
    need("optuna", "matplotlib", "jinja2", extra="sweep")
    from swissbert.display import Display

    with waiting("starting"):
        from swissbert.config import load_config
        from swissbert.sweeps import plan_sweep
        from swissbert.sweeps import sweep as search
        from swissbert.training.result import Stopped

    display = Display()
    again = [word for word in sys.argv[1:] if word != "--debug"]
    overrides = [*(settings or []), *([] if epochs is None else [f"train.epochs={epochs}"])]
    config = load_config(recipe, overrides, data_argument(data))
    folder = out or Path("runs") / f"{config.name}-sweep"
    if dry_run:
        _show_plan(config, plan_sweep(config, space, trials=trials, display=display), trials)
        next_steps("sweep dry run", again=[word for word in again if word != "--dry-run"])
        return
    try:
        result = search(config, space, folder, trials=trials, display=display)
    except (Stopped, KeyboardInterrupt) as stopped:
        text = str(stopped) if isinstance(stopped, Stopped) else "stopped"
        display.command(f"{text}; go on with", f"{program_name()} {shlex.join(again)}")
        raise typer.Exit(130) from stopped
    _show_result(result, config.name, display)


def _show_plan(config: "RunConfig", plan: "SweepPlan", trials: int) -> None:
    """Print the search space, what a trial is, and the settings of the first trials."""
    from swissbert.sweeps.space import value_text
    from swissbert.sweeps.trials import settings_text, short_names
    from swissbert.wording import counted

    title = f"Search space of '{config.name}'; nothing is trained"
    rows = [
        [one.name, one.in_words(), "" if (own := plan.recipe[one.name]) is None else value_text(own)]
        for one in plan.dimensions
    ]
    print(result_table(title, ["setting", "values", "recipe"], rows, left=3))
    short = short_names([one.name for one in plan.dimensions])
    first = [[str(number), settings_text(values, short)] for number, values in enumerate(plan.first)]
    if plan.has_recipe:
        first[0][1] += " (the recipe)"
    print(f"\n{result_table('First trials', ['trial', 'settings'], first, left=2)}")
    length = f"{counted(plan.steps, 'step')} and {counted(plan.evaluations, 'evaluation')}"
    lines = [f"{counted(trials, 'trial')}; the recipe has {length}", *plan.notes]
    if trials > len(first):
        lines.append(f"Settings of trials from {len(first)} on depend on the scores of those before.")
    print("\n" + "\n".join(map(fitted, lines)))


def _show_result(result: "Sweep", name: str, display: "Display") -> None:
    """Print the trials and the path of the best recipe, and say what can be done next."""
    from swissbert.selection import is_better_higher
    from swissbert.sweeps.trials import ranked, trial_cells

    shown = list(result.trials)
    if len(shown) > MOST_SHOWN:
        shown = ranked(shown, is_higher_better=is_better_higher(result.best_by))[:MOST_SHOWN]
    header, cells = trial_cells(shown, result.best, result.best_by, result.names)
    print(result_table("Trials", header, cells, left=3))
    if len(shown) < len(result.trials):
        print(fitted(f"The best of {len(result.trials):,} trials; {result.page} has all"))
    if result.best is None or result.recipe is None:
        display.say(f"no trial is complete, so there is no best recipe; {result.page} has the reasons")
        return
    print(f"\n{result.recipe}")
    again = Path("runs") / f"{name}-best"
    next_steps("sweep", run=result.best.folder, recipe=result.recipe, out=again)
    next_lines([("look at it", f"python -m webbrowser {shlex.quote(result.page.absolute().as_uri())}")])
