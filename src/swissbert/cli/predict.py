"""The command ``predict``: answers to a text, a file or standard input."""

import json
import shlex
import signal
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swissbert.cli.program import ModelArgument, PrecisionOption, program_name, without_garbage_collector
from swissbert.data.formats import FORMATS, unknown_format
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.inference.model import Precision

FORMAT_NAMES = ("auto", *FORMATS)


def predict(
    model: ModelArgument,
    text: Annotated[str | None, typer.Argument(help="A sentence.")] = None,
    text_pair: Annotated[str | None, typer.Argument(help="The second sentence of a pair.")] = None,
    task: Annotated[str | None, typer.Option(help="Which task; not needed if the model has only one.")] = None,
    source: Annotated[str | None, typer.Option("--input", help="A file, or - for standard input.")] = None,
    output: Annotated[Path | None, typer.Option(help="Output file; standard output if not given.")] = None,
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

    Writes one JSON object per line, in input order. With --output-dir, writes part-00000.jsonl and so on, each complete
    or absent; the same command resumes after an interrupt.
    """
    with without_garbage_collector():
        from swissbert.inference.inputs import read_inputs
        from swissbert.inference.model import load
        from swissbert.inference.stream import records

    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    if format not in FORMAT_NAMES:
        raise SwissbertError(unknown_format(format), argument="format")
    if source is None and format != "auto":
        raise SwissbertError(f"--format is {format}, but only --input has a format; a text argument has none")
    if output_dir is not None:
        if source is None or source == "-":
            raise SwissbertError("--output-dir takes --input FILE: only a file can be read again to resume")
        if output is not None:
            raise SwissbertError("--output and --output-dir exclude each other: one file, or a folder of shards")
        _predict_shards(model, precision, task, Path(source), output_dir, format, shard_rows)
        return
    if shard_rows is not None:
        raise SwissbertError("--shard-rows is given, but only --output-dir has shards")
    loaded = load(model, precision=precision)
    chosen = loaded.task(task)
    rows: Iterable[dict[str, Any]]
    if source is not None:
        rows = records(loaded, chosen, read_inputs(source, chosen, format, on_note=_say))
    else:
        assert text is not None
        single = text if text_pair is None else (text, text_pair)
        rows = (answer.as_json() for answer in loaded.predict(chosen.name, iter([single])))
    _write(rows, output)


def _say(note: str) -> None:
    """Print a sentence about how the input is read."""
    print(note, file=sys.stderr)


def _write(rows: Iterable[dict[str, Any]], output: Path | None) -> None:
    """Write answers as lines of JSON, and report how many rows could not be used."""
    from swissbert.files import whole_file

    bad = 0
    with whole_file(output) if output else nullcontext(sys.stdout) as out:
        for record in rows:
            bad += "error" in record
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    if bad:
        print(f"{bad} row(s) could not be used; the reasons are in their lines of the output", file=sys.stderr)


def _predict_shards(
    model: Path,
    precision: "Precision",
    name: str | None,
    source: Path,
    folder: Path,
    format: str,
    shard_rows: int | None,
) -> None:
    """Answer a file into a folder of shards; after an interrupt, print how to resume."""
    from swissbert.display import Display
    from swissbert.inference.bulk import SHARD_ROWS, answer_file
    from swissbert.inference.model import load

    display = Display()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle SIGTERM like Ctrl-C
    try:
        loaded = load(model, precision=precision)
        task = loaded.task(name)
        rows = shard_rows or SHARD_ROWS
        done = answer_file(loaded, task, source, folder, format=format, shard_rows=rows, display=display)
    except KeyboardInterrupt as interrupt:
        shards = len(list(folder.glob("part-*.jsonl")))
        command = f"{program_name()} {shlex.join(sys.argv[1:])}"
        display.say(f"stopped; {shards:,} shards are complete; resume with: {command}")
        raise typer.Exit(130) from interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    unused = f"; {done.bad_rows:,} could not be used, with the reasons in their lines" if done.bad_rows else ""
    display.say(f"{done.rows:,} rows in {done.shards:,} shards in {folder}{unused}")
