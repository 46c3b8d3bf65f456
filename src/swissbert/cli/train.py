"""The command ``train``: train an encoder on the tasks of a recipe."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swissbert.cli.from_table import (
    declared_cells,
    declared_notes,
    declared_recipe,
    file_options,
    is_data_file,
    recipe_text,
    refuse_options,
)
from swissbert.cli.init import (
    DelimiterOption,
    EncodingOption,
    FormatOption,
    KindOption,
    LabelOption,
    NoHeaderOption,
    PairOption,
    TextOption,
)
from swissbert.cli.processes import resume_command, together
from swissbert.cli.program import DataOption, SetOption, program_name
from swissbert.cli.results import load_model, next_steps, waiting
from swissbert.distributed.launch import is_first_process
from swissbert.errors import SwissbertError
from swissbert.wording import printable

if TYPE_CHECKING:
    from swissbert.config import RunConfig
    from swissbert.data.declare import Declared
    from swissbert.distributed import World

TomlOption = Annotated[
    bool, typer.Option("--toml", help="With --dry-run: print all effective settings as TOML instead of a summary.")
]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A shipped recipe (see 'swissbert recipes'), a TOML file, or a data file; optional with --resume."
        ),
    ] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, runs/NAME if not given.")] = None,
    settings: SetOption = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, as train.epochs; more of them with --resume.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything and show the plan; only tokens for the cache, and the recipe of a data file, are written.",
        ),
    ] = False,
    text: TextOption = None,
    text_pair: PairOption = None,
    label: LabelOption = None,
    kind: KindOption = None,
    format: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    no_header: NoHeaderOption = False,
    toml: TomlOption = False,
) -> None:
    """Train one encoder on the tasks of a recipe, or on the label columns of a data file.

    Several processes train together:  torchrun --nproc-per-node 2 -m swissbert train minilm

    Of a data file such as messages.csv the declaration is inferred, shown, and written as recipe.toml into the run
    folder, by a dry run too.
    """
    need_dry_run(toml, dry_run)
    overrides = [*(settings or []), *([] if epochs is None else [f"train.epochs={epochs}"])]
    with together() as world:
        if recipe is not None and is_data_file(recipe):
            if data is not None:
                raise SwissbertError(f"--data is given, but {recipe} is the data; --data goes with a recipe")
            options = file_options(kind, format, delimiter, encoding, no_header)
            table, declared = declared_recipe(Path(recipe), text, text_pair, label or [], options)
            _train_table(
                Path(recipe), table, declared, out, overrides, resume=resume, dry_run=dry_run, toml=toml, world=world
            )
            return
        refuse_options(
            {
                "--text": text,
                "--text-pair": text_pair,
                "--label": label,
                "--kind": kind,
                "--format": format,
                "--delimiter": delimiter,
                "--encoding": encoding,
                "--no-header": no_header,
            }
        )
        config = _config(recipe, data, out, overrides, resume)
        try:
            plan_or_run("train", config, out, resume=resume, dry_run=dry_run, toml=toml, world=world, report="report")
        except SwissbertError as error:
            if error.argument in ("format", "delimiter", "encoding", "header"):
                error.argument = None  # a setting of a task; the option of that name is for a data file
            raise


def _train_table(
    path: Path,
    table: "dict[str, Any]",
    declared: "list[Declared]",
    out: Path | None,
    settings: list[str],
    *,
    resume: bool,
    dry_run: bool,
    toml: bool,
    world: "World | None",
) -> None:
    """Train a recipe that was inferred from a data file, and show its scores on held-out rows."""
    from swissbert.cli.evaluate import score
    from swissbert.config import make_config
    from swissbert.display import Display
    from swissbert.files import locked, write_text
    from swissbert.model_folder.layout import RUN_CONFIG, RUN_RECIPE
    from swissbert.setting_tables import apply_overrides

    sources = apply_overrides(table, settings)
    if "data.dir" in sources:
        raise SwissbertError(f"{sources['data.dir']} is given, but {path} is the data; data.dir goes with a recipe")
    is_first = is_first_process()
    display = Display(quiet=not is_first)
    display.table(*declared_cells(path, declared))
    for note in declared_notes(declared):
        display.say(note)
    folder = out or Path("runs") / table["name"]
    target = folder / RUN_RECIPE
    config = make_config(table, str(path), sources)
    if isinstance(table.get("encoder"), dict):
        table["encoder"] = {**table["encoder"], "name": config.encoder.name}  # an absolute path
    recipe_file = recipe_text(table, path, target)
    if not resume and is_first:
        with locked(folder):
            if (folder / RUN_CONFIG).exists():
                raise SwissbertError(
                    f"{folder}: holds a run already; resume it, or choose another folder", argument="out"
                )
            is_other = target.exists() and target.read_text(encoding="utf-8") != recipe_file
            if is_other and not dry_run:
                raise SwissbertError(
                    f"{target}: is not the recipe that this command makes; train it ({program_name()} train "
                    f"{shlex.quote(str(target))} --out {shlex.quote(str(folder))}), or remove it"
                )
            if not is_other:
                write_text(target, recipe_file)
        is_kept = "holds another declaration than this command makes, and stays as it is"
        display.say(f"{target}: {is_kept if is_other else 'the declaration, to look over and train again'}")
    if dry_run:
        show_plan(config, toml=toml)
        return
    trained = run(config, folder, resume=resume, world=world)
    if not is_first:
        return
    model = load_model(trained)
    from swissbert.cli.tables import scores_table

    print(scores_table(score(model, "dev", None)))
    next_steps("train a table", run=folder, texts=["TEXT", "SECOND_TEXT"] if declared[0].task.is_pair else ["TEXT"])


def _config(
    recipe: str | None, data: str | None, out: Path | None, settings: list[str] | None, resume: bool
) -> "RunConfig":
    """Return the settings of a recipe, or without one those of the run that is resumed."""
    with waiting("reading the recipe"):
        from swissbert.config import load_config

    if recipe is not None:
        return load_config(recipe, settings, data_argument(data))
    if not (resume and out):
        raise SwissbertError("train needs a recipe (see 'swissbert recipes'), or --resume with --out RUN")
    from swissbert.training.stored_settings import resumable_config

    return resumable_config(out, settings, data_argument(data))


def need_dry_run(toml: bool, dry_run: bool) -> None:
    """Raise SwissbertError if the settings are asked for, but not what a run would do."""
    if toml and not dry_run:
        raise SwissbertError(
            "--toml is given, but only --dry-run prints settings; config.toml in a run folder has them"
        )


def data_argument(data: str | None) -> str | None:
    """Return a data directory as an absolute path without symbolic links; ``starter`` stays."""
    return data if data is None or data == "starter" else str(Path(data).resolve())


def plan_or_run(
    command: str,
    config: "RunConfig",
    out: Path | None,
    *,
    resume: bool = False,
    dry_run: bool,
    toml: bool,
    world: "World | None",
    **values: str,
) -> None:
    """Show the plan of a run, or train it and print its model folder and the next commands.

    Args:
        command: The command that is run, for the next ones.
        config: The settings.
        out: The run folder; ``runs/NAME`` if left out.
        resume: Whether the run is resumed.
        dry_run: Show the plan only.
        toml: Show the plan as TOML.
        world: Processes that train together.
        values: Further values for `next_steps`.
    """
    if dry_run:
        show_plan(config, toml=toml)
        return
    folder = out or Path("runs") / config.name
    run(config, folder, resume=resume, world=world, prints=True)
    if is_first_process():
        next_steps(command, run=folder, **values)


def show_plan(config: "RunConfig", *, toml: bool) -> None:
    """Print a summary of a run, or its effective settings as TOML."""
    from swissbert.cli.plan import plan_summary, plan_toml
    from swissbert.display import Display

    if not is_first_process():
        return
    display = Display()
    with display.waiting("preparing the run"):
        from swissbert.training.preparation import prepare

        prepared = prepare(config, display, answers=False)
    if toml:
        print(printable(plan_toml(prepared)))
        return
    print(plan_summary(prepared))
    again = [word for word in sys.argv[1:] if word != "--debug"]
    next_steps("dry run", again=again)


def run(config: "RunConfig", out: Path, *, resume: bool, world: "World | None" = None, prints: bool = False) -> Path:
    """Train and return the model folder; after an interrupt, print how to resume.

    Args:
        config: The settings.
        out: The run folder.
        resume: Whether the run is resumed.
        world: Processes that train together, of which the first prints.
        prints: Print the model folder to standard output.
    """
    from swissbert.display import Display

    display = Display(quiet=not is_first_process())
    with display.waiting("starting"):
        from swissbert.training.loop import train as fit
        from swissbert.training.result import Stopped

    try:
        result = fit(config, out, resume=resume, display=display, world=world)
    except Stopped as stopped:
        display.command(f"{stopped}; resume with", resume_command(stopped.out))
        raise typer.Exit(130) from stopped
    progress = result.progress
    display.say(
        f"{progress.step} steps, {progress.tokens:,} tokens, {progress.seconds:.0f} s in steps; "
        f"best at step {progress.best_step}: {result.model}"
    )
    if prints and is_first_process():
        print(result.model)
    return result.model
