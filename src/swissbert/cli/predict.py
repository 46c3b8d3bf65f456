"""The command ``predict``: answers to a text, a file or standard input."""

import io
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.answers import RowLines, one_text
from swissbert.cli.program import ModelArgument, PrecisionOption, program_name, without_garbage_collector
from swissbert.cli.results import heading, load_model, next_steps, waiting
from swissbert.data.formats import FORMATS, unknown_format
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import only_writer
from swissbert.terminal import width_of

if TYPE_CHECKING:
    from swissbert.inference.input_columns import InputColumns
    from swissbert.inference.input_rows import Inputs
    from swissbert.inference.model import Model, Precision
    from swissbert.inference.output import Write
    from swissbert.inference.stream import Tally
    from swissbert.tasks import Task

FORMAT_NAMES = ("auto", *FORMATS)


@dataclass(frozen=True)
class Asked:
    """What to answer, and how.

    Attributes:
        names: Tasks that were named; None for all that read the input.
        columns: Names of columns that take the place of those that tasks declare.
        format: Format of the input.
        threshold: Threshold of binary and multilabel tasks; None for that of the model.
    """

    names: list[str] | None
    columns: "InputColumns"
    format: str
    threshold: float | None

    def tasks(self, model: "Model") -> "list[Task]":
        """Return the tasks of a model that were named, each once, or all."""
        names = model.tasks if self.names is None else dict.fromkeys(self.names)
        return [model.task(name) for name in names]


def predict(
    model: ModelArgument,
    text: Annotated[str | None, typer.Argument(help="A sentence.")] = None,
    text_pair: Annotated[str | None, typer.Argument(help="The second sentence of a pair.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="A task to answer; all that read such input if not given. Repeatable.")
    ] = None,
    source: Annotated[str | None, typer.Option("--input", help="A file, - for standard input, or <(command).")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Output file; standard output if not given, or -. Its ending decides: .csv, .tsv or .parquet for a table with "
            "the columns of the input before the answers, .jsonl or .ndjson for JSON lines."
        ),
    ] = None,
    format: Annotated[str, typer.Option(help=f"Format of --input: {', '.join(FORMAT_NAMES)}.")] = "auto",
    text_column: Annotated[
        str | None, typer.Option(help="Column of --input with the text, instead of the task's own.")
    ] = None,
    text_pair_column: Annotated[
        str | None, typer.Option(help="Column of --input with the second text of pairs.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of --input with an id, which answers repeat.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability, 0 to 1, from which the positive label of a binary task, or a label of a multilabel task, is "
            "assigned."
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column for each label's probability to a table.")
    ] = False,
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder for the answers of a large file, in shards; can be resumed.")
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of each shard in --output-dir, 100,000 if not given.")
    ] = None,
    precision: PrecisionOption = "fp32",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="JSON lines also on a terminal, which shows a table otherwise; as --output -."),
    ] = False,
) -> None:
    """Predict a text, a file or standard input.

    On a terminal, shows a table of answers, probabilities and texts. Into a pipe or a file, writes one JSON object per line, in
    input order, or a table (see --output). With --output-dir, writes part-00000.jsonl
    and so on, each complete or absent; the same command resumes after an interrupt. The exit status is 1 if no row can
    be used.
    """
    with waiting("starting"), without_garbage_collector():
        from swissbert.inference.input_columns import InputColumns
        from swissbert.inference.inputs import is_stream
        from swissbert.inference.output import is_table

    if as_json and (output_dir is not None or output not in (None, Path("-"))):
        other = "--output" if output_dir is None else "--output-dir"
        raise SwissbertError(f"--json and {other} exclude each other: JSON lines on standard output, or files")
    as_json, output = as_json or output == Path("-"), None if output == Path("-") else output
    columns = InputColumns(text_column, text_pair_column, id_column)
    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    if format not in FORMAT_NAMES:
        raise SwissbertError(unknown_format(format), argument="format")
    if source is None and format != "auto":
        raise SwissbertError(f"--format is {format}, but only --input has a format; a text argument has none")
    if source is None and any(columns):
        raise SwissbertError("columns are named, but only --input has columns; a text argument has none")
    asked = Asked(task or None, columns, format, threshold)
    if output_dir is not None:
        if source is None or is_stream(source):
            raise SwissbertError("--output-dir takes --input FILE: only a file can be read again to resume")
        if output is not None:
            raise SwissbertError("--output and --output-dir exclude each other: one file, or a folder of shards")
        if probabilities:
            raise SwissbertError(
                "--probabilities adds columns to a table, but --output-dir has JSON lines, which have them"
            )
        _predict_shards(model, precision, asked, Path(source), output_dir, shard_rows)
        return
    if shard_rows is not None:
        raise SwissbertError("--shard-rows is given, but only --output-dir has shards")
    if not is_table(output) and probabilities:
        raise SwissbertError(
            "--probabilities adds columns to --output NAME.csv, .tsv or .parquet; JSON lines have them"
        )
    with only_writer(output) if output is not None else nullcontext():
        loaded = load_model(model, precision=precision)
        width = None if as_json or output is not None else width_of(sys.stdout)
        if text is not None:
            _predict_text(loaded, asked, text, text_pair, output, probabilities, width)
        else:
            assert source is not None
            _predict_source(loaded, asked, source, output, probabilities, width)
    if text is not None and width is not None:
        next_steps("predict", model=model)


def _predict_text(
    model: "Model",
    asked: Asked,
    text: str,
    text_pair: str | None,
    output: Path | None,
    probabilities: bool,
    width: int | None,
) -> None:
    """Answer a text or a pair; as a table of at most `width` columns, if there is one."""
    from swissbert.inference.answer_table import AnswerTable
    from swissbert.inference.input_rows import InputRow
    from swissbert.inference.inputs import rows_of
    from swissbert.inference.output import is_table, json_output, table_output
    from swissbert.inference.stream import body, stream
    from swissbert.tasks import tasks_for

    names = None if asked.names is None else [task.name for task in asked.tasks(model)]
    tasks = tasks_for(asked.tasks(model), text_pair is not None, names)
    cells: dict[str, object] = {"text": text} if text_pair is None else {"text": text, "text_pair": text_pair}
    (row,) = rows_of([text if text_pair is None else (text, text_pair)], tasks[0])
    (answered,) = stream(model, [tasks], [InputRow(1, None, cells, (row,))], asked.threshold)
    if is_table(output):
        assert output is not None
        with table_output(output, AnswerTable(list(cells), tasks, probabilities)) as write:
            write(answered)
    elif width is not None:
        print(one_text(answered, tasks))
    else:
        with json_output(output, sys.stdout, tasks, body) as write:
            write(answered)
    _report_cut(1, int(answered.is_cut), model)


def _predict_source(
    model: "Model", asked: Asked, source: str, output: Path | None, probabilities: bool, width: int | None
) -> None:
    """Answer a file or standard input. Exits with status 1 if it has rows and none can be used."""
    from swissbert.inference.bulk import share_done
    from swissbert.inference.inputs import is_stream, open_inputs
    from swissbert.inference.output import is_table
    from swissbert.inference.stream import Tally, check_names, stream
    from swissbert.inference.texts import check_threshold

    files: list[io.BufferedReader] = []
    inputs = open_inputs(
        source,
        asked.tasks(model),
        asked.format,
        is_choice=asked.names is None,
        columns=asked.columns,
        on_open=files.append,
        on_note=_say,
    )
    check_names(inputs.tasks)
    check_threshold(inputs.tasks, asked.threshold)
    for note in filter(None, (inputs.choice_note, "" if is_table(output) else inputs.id_note)):
        _say(note)
    tally = Tally()
    share = (lambda rows: 0.0) if is_stream(source) else share_done(Path(source), files, inputs.format)
    with (
        _output(output, inputs, source, probabilities, width) as write,
        Display(quiet=width is not None).rows("predicting", share) as bar,  # rows on a terminal are progress enough
    ):
        for answered in stream(model, inputs.groups, inputs, asked.threshold, tally):
            write(answered)
            bar.advance()
    _report(tally, model)


def _say(note: str) -> None:
    """Print a sentence about how the input is read."""
    Display().say(note)


@contextmanager
def _output(
    output: Path | None, inputs: "Inputs", source: str, probabilities: bool, width: int | None
) -> "Iterator[Write]":
    """Open the output for the rows of a file or standard input."""
    from swissbert.inference.answer_table import AnswerTable
    from swissbert.inference.output import arrow_schema, is_table, json_output, keeps_quotes, table_output

    if width is not None:
        shown = RowLines(inputs.tasks, width)
        if head := shown.head():
            print(heading(head))
        yield lambda answered: print(shown.lines(answered))
        return
    if not is_table(output):
        with json_output(output, sys.stdout, inputs.tasks) as write:
            yield write
        return
    assert output is not None
    table = AnswerTable(inputs.columns, inputs.tasks, probabilities)
    quotes = keeps_quotes(output, inputs.format, inputs.tasks[0].quotes)
    with table_output(output, table, arrow_schema(source, inputs.format), quotes=quotes) as write:
        yield write
    if table.dropped:
        names = ", ".join(repr(name) for name in sorted(table.dropped)[:5])
        print(
            f"{output}: lacks columns that only later rows have: {names}; JSON lines differ in columns", file=sys.stderr
        )


def _report(tally: "Tally", model: "Model") -> None:
    """Report how many rows could not be used or were cut. Exits with status 1 if there are rows and none was used."""
    if not tally.rows:
        print("there are no rows to answer", file=sys.stderr)
    if tally.bad:
        print(
            f"{tally.bad:,} of {tally.rows:,} row(s) could not be used; the reasons are in their lines of the output",
            file=sys.stderr,
        )
    if tally.partly_bad:
        print(f"{tally.partly_bad:,} of {tally.rows:,} row(s) could be used by some of the tasks only", file=sys.stderr)
    _report_cut(tally.rows, tally.cut, model)
    if tally.rows and tally.bad == tally.rows:
        raise typer.Exit(1)


def _report_cut(rows: int, cut: int, model: "Model") -> None:
    if cut:
        was = "was" if cut == 1 else "were"
        print(
            f"{cut:,} of {rows:,} text(s) {was} longer than {model.description.encoder.max_length} tokens and {was} cut",
            file=sys.stderr,
        )


def _predict_shards(
    model: Path, precision: "Precision", asked: Asked, source: Path, folder: Path, shard_rows: int | None
) -> None:
    """Answer a file into a folder of shards; after an interrupt, print how to resume."""
    from swissbert.inference.bulk import SHARD_ROWS, answer_file
    from swissbert.inference.stream import Tally

    display = Display()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle SIGTERM like Ctrl-C
    try:
        loaded = load_model(model, precision=precision)
        done = answer_file(
            loaded,
            asked.tasks(loaded),
            source,
            folder,
            format=asked.format,
            is_choice=asked.names is None,
            columns=asked.columns,
            threshold=asked.threshold,
            shard_rows=shard_rows or SHARD_ROWS,
            display=display,
        )
    except KeyboardInterrupt as interrupt:
        shards = len(list(folder.glob("part-*.jsonl")))
        command = f"{program_name()} {shlex.join(sys.argv[1:])}"
        display.command(f"stopped; {shards:,} shards are complete; resume with", command)
        raise typer.Exit(130) from interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    unused = f"; {done.bad_rows:,} could not be used, with the reasons in their lines" if done.bad_rows else ""
    display.say(f"{done.rows:,} rows in {done.shards:,} shards in {folder}{unused}")
    _report(Tally(done.rows, 0, done.partly_bad_rows, done.cut_rows), loaded)
    if done.rows and done.bad_rows == done.rows:
        raise typer.Exit(1)
