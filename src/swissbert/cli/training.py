"""Commands that train: quickstart, train, reproduce, and what they can be given."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.answering import score
from swissbert.cli.program import DataOption, JsonOption, SetOption, app, program_name
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.config import RunConfig


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="Run folder; a number is added if it is taken.")] = Path("runs/quickstart"),
) -> None:
    """Train, score and predict on what ships.

    Three tasks at once, on a small corpus written for this: about two minutes on two cores.
    """
    from swissbert.cli.tables import scores_table
    from swissbert.config import load_config
    from swissbert.files import need_name
    from swissbert.inference.model import load

    need_name(out, "runs/quickstart")
    config = load_config("quickstart")
    folder, number = out, 2
    while folder.exists():
        folder, number = out.with_name(f"{out.name}-{number}"), number + 1
    trained = load(_train(config, folder, resume=False))
    print(scores_table(score(trained, "dev", None)))
    examples: list[tuple[str, str | tuple[str, str]]] = [
        ("sst", "A slow start, but the last half hour is wonderful."),
        ("para", ("How do I keep basil alive indoors?", "What helps a basil plant survive in a kitchen?")),
        ("sts", ("A man is repairing a bicycle.", "Somebody fixes a bike.")),
    ]
    print("\nPredictions")
    for name, text in examples:
        found = trained.predict(name, text)
        said = found.label_name or f"{found.score:.2f} of 5"
        print(f"  {name:5} {said:18} {text if isinstance(text, str) else ' | '.join(text)}")
    print(f'\nYour own text:  {program_name()} predict {shlex.quote(str(folder))} --task sst "Not bad at all."')


@app.command()
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A shipped recipe (see 'swissbert recipes') or a TOML file; may be left out with --resume."
        ),
    ] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, runs/NAME if not given.")] = None,
    settings: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, show what would run, write nothing but tokens to the cache."),
    ] = False,
) -> None:
    """Train one encoder on the tasks of a recipe."""
    from swissbert.config import dump_config, load_config
    from swissbert.display import Display
    from swissbert.training.prepare import prepare
    from swissbert.training.start import stored_config

    if recipe is None:
        if not (resume and out):
            raise SwissbertError("train needs a recipe (see 'swissbert recipes'), or --resume with --out RUN")
        if settings or data:
            raise SwissbertError(
                "--set and --data go with a recipe; a run that is resumed without one keeps its settings"
            )
        config = stored_config(out)
    else:
        config = load_config(recipe, settings, data if data is None or data == "starter" else str(Path(data).resolve()))
    if dry_run:
        prepared = prepare(config, Display())
        learned = sum(p.numel() for p in prepared.network.parameters() if p.requires_grad)
        print(dump_config(config))
        epochs = len(prepared.plan.ends)
        print(f"# {prepared.total:,} steps in {epochs} epochs; {learned:,} parameters learn")
        return
    folder = out or Path("runs") / config.name
    model = _train(config, folder, resume=resume)
    print(model)


def _train(config: "RunConfig", out: Path, *, resume: bool) -> Path:
    from swissbert.display import Display
    from swissbert.training.loop import Stopped
    from swissbert.training.loop import train as run

    display = Display()
    try:
        result = run(config, out, resume=resume, display=display)
    except Stopped as stopped:
        display.say(f"{stopped}; go on with: {program_name()} train --resume --out {shlex.quote(str(stopped.out))}")
        raise typer.Exit(130) from stopped
    progress = result.progress
    display.say(
        f"{progress.step} steps, {progress.tokens:,} tokens, {progress.seconds:.0f} s in steps; best at step {progress.best_step}: {result.model}"
    )
    return result.model


@app.command()
def reproduce(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="table1, table2, table3 or table4.")],
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder of rows, runs and tables; the tables may share it.")] = Path(
        "runs/reproduce"
    ),
    rows: Annotated[
        list[str] | None, typer.Option("--rows", metavar="NAME,...", help="Only these rows. Repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many seeds, from 0.")] = 1,
    small: Annotated[
        bool, typer.Option("--small", help="Budget of a plain machine: MiniLM encoder, few epochs.")
    ] = False,
    encoder: Annotated[str | None, typer.Option(help="Another encoder: minilm, a folder or a hub id.")] = None,
    settings: SetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the rows and how long they take; run none.")] = False,
) -> None:
    """Make a table of the paper again, row by row.

    Finished rows are kept and a stopped one goes on where it was. Markdown and HTML with the paper's figures beside
    ours are written after each row.
    """
    from swissbert.display import Display
    from swissbert.experiments.paper import Choices, find_table
    from swissbert.experiments.runner import reproduce as run
    from swissbert.training.loop import Stopped

    chosen = [name.strip() for given in rows or [] for name in given.split(",")]
    directory = data if data in (None, "starter") else str(Path(data).resolve())
    choices = Choices(small=small, encoder=encoder, overrides=settings or [], data=directory)
    display = Display()
    found = find_table(table)
    try:
        text = run(table, found, found.pick(chosen), list(range(seeds)), choices, out, display, dry_run=dry_run)
    except Stopped as stopped:
        display.say(f"{stopped} of {stopped.out}; the same command goes on there")
        raise typer.Exit(130) from stopped
    print(text)


@app.command()
def recipes() -> None:
    """List the recipes that ship."""
    from swissbert.config import recipes as shipped

    for name, about in shipped().items():
        print(f"{name:20} {about}")


@app.command()
def env(as_json: JsonOption = False) -> None:
    """Say what is in use here: versions, device."""
    from swissbert.environment import environment

    found = environment()
    print(json.dumps(found) if as_json else "\n".join(f"{key:12} {value}" for key, value in found.items()))
