"""The command ``train``: train an encoder on the tasks of a recipe."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.program import DataOption, SetOption, program_name
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.config import RunConfig


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A shipped recipe (see 'swissbert recipes') or a TOML file; optional with --resume."),
    ] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, runs/NAME if not given.")] = None,
    settings: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and show the plan; write nothing but tokens to the cache."),
    ] = False,
) -> None:
    """Train one encoder on the tasks of a recipe."""
    config = _config(recipe, data, out, settings, resume)
    if dry_run:
        _show_plan(config)
        return
    print(run(config, out or Path("runs") / config.name, resume=resume))


def _config(
    recipe: str | None, data: str | None, out: Path | None, settings: list[str] | None, resume: bool
) -> "RunConfig":
    """Return the settings of a recipe, or without one those of the run that is resumed."""
    from swissbert.config import load_config
    from swissbert.training.start import stored_config

    if recipe is not None:
        return load_config(recipe, settings, data_argument(data))
    if not (resume and out):
        raise SwissbertError("train needs a recipe (see 'swissbert recipes'), or --resume with --out RUN")
    if settings or data:
        raise SwissbertError("--set and --data need a recipe; a run that is resumed without one keeps its settings")
    return stored_config(out)


def data_argument(data: str | None) -> str | None:
    """Return a data directory as an absolute path without symbolic links; ``starter`` stays."""
    return data if data is None or data == "starter" else str(Path(data).resolve())


def _show_plan(config: "RunConfig") -> None:
    """Print the effective settings, steps and parameters of a run."""
    from swissbert.config import dump_config
    from swissbert.display import Display
    from swissbert.training.preparation import prepare

    prepared = prepare(config, Display())
    trainable = sum(p.numel() for p in prepared.network.parameters() if p.requires_grad)
    print(dump_config(prepared.config))
    epochs = len(prepared.plan.ends)
    print(f"# {prepared.total:,} steps in {epochs} epochs; {trainable:,} trainable parameters")


def run(config: "RunConfig", out: Path, *, resume: bool) -> Path:
    """Train and return the model folder; after an interrupt, print how to resume."""
    from swissbert.display import Display
    from swissbert.training.loop import Stopped
    from swissbert.training.loop import train as fit

    display = Display()
    try:
        result = fit(config, out, resume=resume, display=display)
    except Stopped as stopped:
        command = f"{program_name()} train --resume --out {shlex.quote(str(stopped.out))}"
        display.say(f"{stopped}; resume with: {command}")
        raise typer.Exit(130) from stopped
    progress = result.progress
    display.say(
        f"{progress.step} steps, {progress.tokens:,} tokens, {progress.seconds:.0f} s in steps; best at step {progress.best_step}: {result.model}"
    )
    return result.model
