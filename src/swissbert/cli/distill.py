"""The command ``distill``: train a recipe with trained models as teachers."""

import json
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.processes import together
from swissbert.cli.program import DataOption, SetOption
from swissbert.cli.results import waiting
from swissbert.cli.train import TomlOption, data_argument, need_dry_run, plan_or_run


def distill(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A shipped recipe (see 'swissbert recipes') or a TOML file.")
    ],
    teacher: Annotated[
        list[str],
        typer.Option(
            metavar="MODEL",
            help="A trained model: a run folder, a model folder, a hub id or mini. Repeatable: the mean of all teaches.",
        ),
    ],
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, runs/NAME if not given.")] = None,
    settings: SetOption = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, as train.epochs.")] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and show the plan; write nothing but tokens to the cache."),
    ] = False,
    toml: TomlOption = False,
) -> None:
    """Train one model on the answers of others.

    Trains a recipe with its table [distillation] filled in; the mean of the answers of all teachers counts.

    For instance:  swissbert distill minilm --teacher runs/a --teacher runs/b --out runs/student

    Targets begin as the answers of the teachers and end as the labels (teacher annealing); distillation.annealing,
    distillation.weight and distillation.temperature change that. 'swissbert train --resume --out RUN' goes on with a run.
    """
    need_dry_run(toml, dry_run)
    with waiting("reading the recipe"):
        from swissbert.config import load_config

    overrides = [f"distillation.teachers={json.dumps(teacher, ensure_ascii=False)}", *(settings or [])]
    overrides += [] if epochs is None else [f"train.epochs={epochs}"]
    with together() as world:
        config = load_config(recipe, overrides, data_argument(data))
        plan_or_run("distill", config, out, dry_run=dry_run, toml=toml, world=world)
