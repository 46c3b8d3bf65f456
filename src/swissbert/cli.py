"""The command line: every command is one call of the library.

Results go to standard output, all else to standard error.
"""

import errno
import io
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from swissbert import __version__
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.config import RunConfig
    from swissbert.data.dataset import TaskData
    from swissbert.data.reader import BadRow
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
InputFormat = Literal["auto", "text", "tsv", "csv", "cs224n", "jsonl", "parquet"]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder or a run folder.")]


def main() -> None:
    """Run the command line. A person's mistake ends in one sentence and exit status 2; ``--debug`` shows the traceback."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
    if sys.stderr is None:  # closed: what is said there goes nowhere, least of all among the results
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    if sys.stdout is None:
        _fail("standard output: it is closed, so there is nowhere for results to go")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever the locale says
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SwissbertError as error:
        if debug:
            raise
        _fail(str(error))
    except BrokenPipeError:
        _drop_output()  # its reader has gone
        sys.exit(141)
    except OSError as error:
        if debug:
            raise
        if error.filename is not None:
            _fail(f"{error.filename}: cannot be used ({error.strerror})")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _drop_output()  # all that is written elsewhere says its name
        _fail(f"standard output: cannot be written ({error.strerror})")


def _fail(sentence: str) -> NoReturn:
    with suppress(OSError):
        print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _drop_output() -> None:
    """Let what could not be written to standard output go nowhere, so that Python does not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _program() -> str:
    """What a person types here to call this program: its name if the shell finds it, else its path."""
    from shutil import which

    called, found = sys.argv[0], which("swissbert")
    if Path(called).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "swissbert"])
    if found and Path(found).exists() and Path(called).exists() and Path(found).samefile(called):
        return "swissbert"
    return shlex.quote(called)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a mistake.")] = False,  # see `main`
) -> None:
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
    from swissbert.files import need_name
    from swissbert.model_folder import load_model
    from swissbert.prediction import predict as answer
    from swissbert.tables import scores_table

    need_name(out, "runs/quickstart")
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
    print(f'\nYour own text:  {_program()} predict {shlex.quote(str(folder))} --task sst "Not bad at all."')


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
    from swissbert.display import Display
    from swissbert.training.loop import stored_config
    from swissbert.training.prepare import prepare

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
        learned = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
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
        display.say(f"{stopped}; go on with: {_program()} train --resume --out {shlex.quote(str(stopped.out))}")
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

    def told() -> "Iterator[TaskData]":
        for each in labelled_splits(trained, split, _directory(trained, data)):
            _left_out(f"{each.task.name} {split}", each.rows.bad)
            yield each

    return score(trained.model, told(), full=True)


def _left_out(what: str, rows: "list[BadRow]") -> None:
    """Say on standard error which rows could not be used."""
    if rows:
        more = [f"and {len(rows) - 5:,} more"] if len(rows) > 5 else []
        lines = [f"{what}: {len(rows):,} bad row(s) left out", *map(str, rows[:5]), *more]
        print("\n  ".join(lines), file=sys.stderr)


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
    from swissbert.files import whole_file
    from swissbert.model_folder import load_model
    from swissbert.prediction import predict as answer
    from swissbert.prediction import read_inputs, records

    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    if source is None and format != "auto":
        raise SwissbertError(f"--format is {format}, but only --input has a format; a text is taken as it stands")
    trained = load_model(model)
    chosen = trained.task(task)
    bad = 0
    with whole_file(output) if output else nullcontext(sys.stdout) as out:
        found: Iterable[dict[str, Any]]
        if source is not None:
            found = records(trained, chosen, read_inputs(source, chosen, format))
        else:
            assert text is not None
            given = text if text_pair is None else (text, text_pair)
            found = (each.as_json() for each in answer(trained, chosen.name, [given]))
        for record in found:
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
        _left_out(path.name, bad)


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
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Directory with data files, or 'starter' for the corpus that ships.")
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", help="A task, a recipe or a declaration (TOML) beside the tasks that ship. Repeatable."
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="Whose tokens the lengths are counted in.")] = "minilm",
    as_json: JsonOption = False,
) -> None:
    """Say what a data directory holds.

    Rows, bad rows, label balance, lengths in tokens, and rows shared between train and the other splits. The exit
    status is 1 where a file cannot be used.
    """
    from dataclasses import asdict

    from swissbert.config import data_path
    from swissbert.data.check import check
    from swissbert.data.tokens import Tokenizer
    from swissbert.encoder.source import encoder_folder
    from swissbert.tables import check_text

    folder = data_path(directory) or Path(directory)
    report = check(folder, _declared(tasks or []), Tokenizer(encoder_folder(encoder)))
    print(json.dumps(asdict(report)) if as_json else check_text(report))
    if report.problems:
        raise typer.Exit(1)


def _declared(sources: list[str]) -> "list[Task]":
    """The shipped tasks and those of recipes and declaration files; a later one replaces one of the same name."""
    from swissbert.config import load_config
    from swissbert.tasks import find_task, read_toml, shipped_tasks

    tasks = {name: find_task(name) for name in shipped_tasks()}
    for source in sources:
        single = source in shipped_tasks() or (source.endswith(".toml") and "tasks" not in read_toml(Path(source)))
        for task in [find_task(source)] if single else load_config(source).tasks:
            tasks[task.name] = task
    return list(tasks.values())


@app.command()
def analyse(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which labelled split.")] = "dev",
    against: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Another model to set beside it, on the same rows.")
    ] = None,
) -> None:
    """Look inside a model: one page of figures.

    Scores, errors, attention, training, architecture and labels, as a page that opens from disk, with every figure as
    PNG and SVG and every table as CSV.
    """
    _need("matplotlib", "jinja2", extra="report")
    from swissbert.analysis.report import analyse as report
    from swissbert.display import Display
    from swissbert.model_folder import load_model

    trained = load_model(model)
    other = load_model(against) if against else None
    print(report(trained, _directory(trained, data), out, split=split, against=other, display=Display()))


@app.command()
def serve(
    model: ModelArgument,
    host: Annotated[
        str, typer.Option(help="Address; any but this machine's own needs SWISSBERT_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    deadline: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds a request may take.")] = 30.0,
) -> None:
    """Answer over HTTP.

    Requests of different clients and tasks share encoder passes. /openapi.json describes the interface.
    """
    _need("fastapi", "uvicorn", "prometheus_client", extra="serve")
    from swissbert.ready import load
    from swissbert.serving.app import make_app
    from swissbert.serving.server import key_for
    from swissbert.serving.server import serve as run

    key = key_for(host)
    run(
        make_app(load(model), key=key, deadline=deadline),
        host,
        port,
        lambda url: print(f"serving on {url}", flush=True),
    )


def _need(*modules: str, extra: str) -> None:
    """Raise SwissbertError where one of some optional libraries is not installed."""
    from importlib.util import find_spec

    for name in modules:
        if find_spec(name) is None:
            raise SwissbertError(f"this needs {name}, which is not installed: pip install 'swissbert[{extra}]'")


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
