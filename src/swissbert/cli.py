"""The command line: every command is one call of the library.

Results go to standard output, all else to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from swissbert import __version__
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.config import RunConfig
    from swissbert.evaluation import Scores
    from swissbert.model_folder import Trained
    from swissbert.tasks import Split, Task

app = typer.Typer(
    name="swissbert",
    help="One BERT encoder for several sentence-level tasks at once: train, score, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is quick help: boxes cost a tenth of a second
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at data before training on it.")
app.add_typer(data_app, name="data")

DataOption = Annotated[
    str | None, typer.Option("--data", help="Directory with the tasks' files, or 'starter' for the corpus that ships.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for instance train.lr=1e-4. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
InputFormat = Literal["auto", "text", "tsv", "csv", "jsonl", "parquet"]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder or a run folder.")]


def main() -> None:
    """Run the command line. A person's mistake ends in one sentence and exit status 2; ``--debug`` shows the traceback."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except SwissbertError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has gone
        sys.exit(141)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """One BERT encoder for several sentence-level tasks at once: train, score, predict."""
    if show:
        print(f"swissbert {__version__}")
        raise typer.Exit


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="Run folder; a number is added if it is taken.")] = Path("runs/quickstart"),
) -> None:
    """Train, score and predict on what ships.

    Three tasks at once, on a small corpus written for this: about two minutes on two cores.
    """
    from swissbert.config import load_config
    from swissbert.model_folder import load_model
    from swissbert.prediction import predict as answer
    from swissbert.tables import scores_table

    config = load_config("quickstart")
    folder, number = out, 2
    while folder.exists():
        folder, number = out.with_name(f"{out.name}-{number}"), number + 1
    trained = load_model(_train(config, folder, resume=False))
    print(scores_table(_evaluate(trained, "dev", None)))
    examples: list[tuple[str, str | tuple[str, str]]] = [
        ("sst", "A slow start, but the last half hour is wonderful."),
        ("para", ("How do I keep basil alive indoors?", "What helps a basil plant survive in a kitchen?")),
        ("sts", ("A man is repairing a bicycle.", "Somebody fixes a bike.")),
    ]
    print("\nPredictions")
    for name, text in examples:
        found = next(answer(trained, name, [text]))
        said = found.label_name or f"{found.score:.2f} of 5"
        print(f"  {name:5} {said:18} {text if isinstance(text, str) else ' | '.join(text)}")
    print(f'\nYour own text:  .venv/bin/swissbert predict {folder} --task sst "Not bad at all."')


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
        bool, typer.Option("--dry-run", help="Check everything, show what would run, write nothing.")
    ] = False,
) -> None:
    """Train one encoder on the tasks of a recipe."""
    from swissbert.config import dump_config, load_config
    from swissbert.training.loop import stored_config
    from swissbert.training.prepare import prepare
    from swissbert.training.progress import Display

    if recipe is None:
        if not (resume and out):
            raise SwissbertError("train needs a recipe (see 'swissbert recipes'), or --resume with --out RUN")
        config = stored_config(out)
    else:
        overrides = list(settings or [])
        if data is not None:
            overrides.append(f"data.dir={json.dumps(data if data == 'starter' else str(Path(data).resolve()))}")
        config = load_config(recipe, overrides)
    if dry_run:
        prepared = prepare(config, Display())
        learned = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
        print(dump_config(config))
        print(f"# {prepared.total:,} steps, {prepared.steps:,} an epoch; {learned:,} parameters learn")
        return
    folder = out or Path("runs") / config.name
    model = _train(config, folder, resume=resume)
    print(model)


def _train(config: "RunConfig", out: Path, *, resume: bool) -> Path:
    from swissbert.training.loop import Stopped
    from swissbert.training.loop import train as run
    from swissbert.training.progress import Display

    display = Display()
    try:
        result = run(config, out, resume=resume, display=display)
    except Stopped as stopped:
        display.say(str(stopped))
        raise typer.Exit(130) from stopped
    progress = result.progress
    display.say(
        f"{progress.step} steps, {progress.tokens:,} tokens, {progress.seconds:.0f} s in steps; best at step {progress.best_step}: {result.model}"
    )
    return result.model


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which split.")] = "dev",
    as_json: JsonOption = False,
) -> None:
    """Score a model on labelled rows.

    Every metric with its 95 % interval, and a confusion matrix where there are classes.
    """
    from swissbert.model_folder import load_model
    from swissbert.tables import scores_table

    trained = load_model(model)
    scores = _evaluate(trained, split, data)
    print(json.dumps(scores.as_json()) if as_json else scores_table(scores))


def _evaluate(trained: "Trained", split: "Split", data: str | None) -> "Scores":
    from swissbert.evaluation import evaluate as score
    from swissbert.evaluation import labelled_splits

    return score(trained.model, labelled_splits(trained, split, _directory(trained, data)), full=True)


def _directory(trained: "Trained", data: str | None) -> Path | None:
    """The data directory given, else the one that the model was trained on if it is there."""
    from swissbert.config import data_path

    stored = data or trained.description.provenance.get("data")
    path = data_path(str(stored)) if stored else None
    return path if path and (data or path.is_dir()) else None


@app.command()
def predict(
    model: ModelArgument,
    text: Annotated[str | None, typer.Argument(help="A sentence.")] = None,
    text_pair: Annotated[str | None, typer.Argument(help="The second sentence of a pair.")] = None,
    task: Annotated[str | None, typer.Option(help="Which task; may be left out where there is only one.")] = None,
    source: Annotated[str | None, typer.Option("--input", help="A file, or - for standard input.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; standard output if not given.")] = None,
    format: Annotated[InputFormat, typer.Option(help="Format of --input.")] = "auto",
) -> None:
    """Predict a text, a file or standard input.

    One JSON object a line, in input order.
    """
    from contextlib import nullcontext

    from swissbert.files import whole_file
    from swissbert.model_folder import load_model
    from swissbert.prediction import predict as answer
    from swissbert.prediction import read_inputs, records

    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    trained = load_model(model)
    chosen = trained.task(task)
    if text is not None:
        found = next(answer(trained, chosen.name, [text if text_pair is None else (text, text_pair)]))
        print(json.dumps(found.as_json(), ensure_ascii=False))
        return
    assert source is not None
    bad = 0
    with whole_file(output) if output else nullcontext(sys.stdout) as out:
        for record in records(trained, chosen, read_inputs(source, chosen, format)):
            bad += "error" in record
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    if bad:
        print(f"{bad} row(s) could not be used; each says why in its place", file=sys.stderr)


@app.command()
def submit(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("predictions"),
) -> None:
    """Write the course's prediction files.

    TASK-dev-output.csv and TASK-test-output.csv of every task that has such rows.
    """
    from swissbert.evaluation import submission
    from swissbert.files import writing
    from swissbert.model_folder import load_model

    trained = load_model(model)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    for path, rows, bad in submission(trained, _directory(trained, data), out):
        print(f"{path}  {rows:,} rows")
        for row in bad[:20]:
            print(f"left out: {row}", file=sys.stderr)


@app.command()
def recipes() -> None:
    """List the recipes that ship."""
    from swissbert.config import recipes as shipped

    for name, about in shipped().items():
        print(f"{name:20} {about}")


@app.command()
def env(as_json: JsonOption = False) -> None:
    """Say what is in use here: versions, device."""
    from swissbert.training.prepare import environment

    found = environment()
    print(json.dumps(found) if as_json else "\n".join(f"{key:12} {value}" for key, value in found.items()))


@data_app.command("check")
def data_check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory with data files.")],
    tasks: Annotated[
        list[str] | None,
        typer.Option("--tasks", help="A recipe or a task declaration (TOML) beside the tasks that ship. Repeatable."),
    ] = None,
    encoder: Annotated[str, typer.Option(help="Whose tokens the lengths are counted in.")] = "minilm",
    as_json: JsonOption = False,
) -> None:
    """Say what a data directory holds.

    Rows, bad rows, label balance, lengths in tokens, and rows shared between train and the other splits.
    """
    from dataclasses import asdict

    from swissbert.data.check import check
    from swissbert.data.tokens import Tokenizer
    from swissbert.encoder.source import encoder_folder
    from swissbert.tables import check_text

    report = check(directory, _declared(tasks or []), Tokenizer(encoder_folder(encoder)))
    print(json.dumps(asdict(report)) if as_json else check_text(report))


def _declared(sources: list[str]) -> "list[Task]":
    """The shipped tasks and those of recipes and declaration files; a later one replaces one of the same name."""
    from swissbert.config import load_config
    from swissbert.tasks import find_task, read_toml, shipped_tasks

    tasks = {name: find_task(name) for name in shipped_tasks()}
    for source in sources:
        single = source.endswith(".toml") and "tasks" not in read_toml(Path(source))
        for task in [find_task(source)] if single else load_config(source).tasks:
            tasks[task.name] = task
    return list(tasks.values())
