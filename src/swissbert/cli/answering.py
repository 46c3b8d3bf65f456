"""Commands that ask a trained model: evaluate, predict, submit."""

import json
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from swissbert.cli.program import (
    DataOption,
    JsonOption,
    ModelArgument,
    PrecisionOption,
    app,
    collector_at_rest,
    directory_of,
    program_name,
)
from swissbert.data.formats import FORMATS, unknown_format
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.data.dataset import TaskData
    from swissbert.data.rows import BadRow
    from swissbert.evaluation import Scores
    from swissbert.inference.model import Model, Precision
    from swissbert.tasks import Split

FORMAT_NAMES = ("auto", *FORMATS)


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which split.")] = "dev",
    precision: PrecisionOption = "fp32",
    as_json: JsonOption = False,
) -> None:
    """Score a model on labelled rows.

    Every metric with its 95 % interval, and a confusion matrix where there are classes.
    """
    from swissbert.cli.tables import scores_table
    from swissbert.inference.model import load

    trained = load(model, precision=precision)
    scores = score(trained, split, data)
    print(json.dumps(scores.as_json()) if as_json else scores_table(scores))


def score(trained: "Model", split: "Split", data: str | None) -> "Scores":
    """Scores of a split, once what was left out of it is told."""
    from swissbert.evaluation import evaluate as all_scores

    def told() -> "Iterator[TaskData]":
        for each in trained.labelled_splits(split, directory_of(trained, data)):
            _left_out(f"{each.task.name} {split}", each.bad)
            yield each

    return all_scores(trained.network, told(), full=True)


def _left_out(what: str, rows: "list[BadRow]") -> None:
    """Say on standard error which rows could not be used."""
    if rows:
        more = [f"and {len(rows) - 5:,} more"] if len(rows) > 5 else []
        lines = [f"{what}: {len(rows):,} bad row(s) left out", *map(str, rows[:5]), *more]
        print("\n  ".join(lines), file=sys.stderr)


@app.command()
def predict(
    model: ModelArgument,
    text: Annotated[str | None, typer.Argument(help="A sentence.")] = None,
    text_pair: Annotated[str | None, typer.Argument(help="The second sentence of a pair.")] = None,
    task: Annotated[str | None, typer.Option(help="Which task; may be left out where there is only one.")] = None,
    source: Annotated[str | None, typer.Option("--input", help="A file, or - for standard input.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; standard output if not given.")] = None,
    format: Annotated[str, typer.Option(help=f"Format of --input: {', '.join(FORMAT_NAMES)}.")] = "auto",
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder for the answers of a large file, in shards; can be resumed.")
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of each shard in --output-dir, 100,000 if not given.")
    ] = None,
    precision: PrecisionOption = "fp32",
) -> None:
    """Predict a text, a file or standard input.

    One JSON object a line, in input order. With --output-dir, part-00000.jsonl and so on, each whole or absent; the
    same command goes on after a stop.
    """
    with collector_at_rest():
        from swissbert.files import whole_file
        from swissbert.inference.inputs import read_inputs
        from swissbert.inference.model import load
        from swissbert.inference.stream import records

    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    if format not in FORMAT_NAMES:
        raise SwissbertError(f"--format: {unknown_format(format)}")
    if source is None and format != "auto":
        raise SwissbertError(f"--format is {format}, but only --input has a format; a text is taken as it stands")
    if output_dir is not None:
        if source is None or source == "-":
            raise SwissbertError("--output-dir takes --input FILE: what is to go on after a stop has to be read again")
        if output is not None:
            raise SwissbertError("--output and --output-dir exclude each other: one file, or a folder of shards")
        _in_shards(model, precision, task, Path(source), output_dir, format, shard_rows)
        return
    if shard_rows is not None:
        raise SwissbertError("--shard-rows is given, but only --output-dir has shards")
    trained = load(model, precision=precision)
    chosen = trained.task(task)
    bad = 0
    with whole_file(output) if output else nullcontext(sys.stdout) as out:
        found: Iterable[dict[str, Any]]
        if source is not None:
            found = records(trained, chosen, read_inputs(source, chosen, format))
        else:
            assert text is not None
            given = text if text_pair is None else (text, text_pair)
            found = (trained.predict(chosen.name, each).as_json() for each in [given])
        for record in found:
            bad += "error" in record
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    if bad:
        print(f"{bad} row(s) could not be used; each says why in its place", file=sys.stderr)


def _in_shards(
    model: Path,
    precision: "Precision",
    name: str | None,
    source: Path,
    folder: Path,
    format: str,
    shard_rows: int | None,
) -> None:
    """Answer a file into a folder of shards, or say how to go on where it was stopped."""
    from swissbert.display import Display
    from swissbert.inference.bulk import SHARD_ROWS, answer_file
    from swissbert.inference.model import load

    display = Display()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends as Ctrl-C does
    try:
        trained = load(model, precision=precision)
        task = trained.task(name)
        rows = shard_rows or SHARD_ROWS
        done = answer_file(trained, task, source, folder, format=format, shard_rows=rows, display=display)
    except KeyboardInterrupt as interrupt:
        whole = len(list(folder.glob("part-*.jsonl")))
        again = f"{program_name()} {shlex.join(sys.argv[1:])}"
        display.say(f"stopped; {whole:,} shards are whole; go on with: {again}")
        raise typer.Exit(130) from interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    unused = f"; {done.bad_rows:,} could not be used, and each says why in its place" if done.bad_rows else ""
    display.say(f"{done.rows:,} rows in {done.shards:,} shards in {folder}{unused}")


@app.command()
def submit(
    model: ModelArgument,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("predictions"),
) -> None:
    """Write the course's prediction files.

    TASK-dev-output.csv and TASK-test-output.csv of every task that has such rows.
    """
    from swissbert.files import writing
    from swissbert.inference.model import load
    from swissbert.inference.submission import submission

    trained = load(model)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    for path, rows, bad in submission(trained, directory_of(trained, data), out):
        print(f"{path}  {rows:,} rows")
        _left_out(path.name, bad)
