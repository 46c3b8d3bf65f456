"""The command ``predict``: answers to a text, a file or standard input."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.answers import RowLines, one_text
from swissbert.cli.predict_job import EngineName, JobOptions, predict_shards
from swissbert.cli.predicted import Asked, report, report_cut
from swissbert.cli.program import ModelArgument, PrecisionOption, without_garbage_collector
from swissbert.cli.results import heading, load_model, next_steps, waiting
from swissbert.data.formats import FORMATS, unknown_format
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import only_writer
from swissbert.terminal import width_of
from swissbert.wording import counted

if TYPE_CHECKING:
    from swissbert.inference.input_options import InputOptions
    from swissbert.inference.input_rows import Inputs
    from swissbert.inference.model import Model
    from swissbert.inference.output import Write

FORMAT_NAMES = ("auto", *FORMATS)


def predict(
    model: ModelArgument,
    text: Annotated[str | None, typer.Argument(help="A sentence.")] = None,
    text_pair: Annotated[str | None, typer.Argument(help="The second sentence of a pair.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="A task to answer; all that read such input if not given. Repeatable.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", help="A file, an address such as s3://BUCKET/FILE, - for standard input, or <(command)."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Output file; standard output if not given, or -. Its ending decides: .csv, .tsv or .parquet for a table with "
            "the columns of the input before the answers, .jsonl or .ndjson for JSON lines."
        ),
    ] = None,
    format: Annotated[str, typer.Option(help=f"Format of --input: {', '.join(FORMAT_NAMES)}.")] = "auto",
    delimiter: Annotated[
        str | None, typer.Option(help="Delimiter of the cells of --input; detected from the header if not given.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Encoding of --input, for instance windows-1252; that of the task if not given, else UTF-8."),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether --input has a header; without one, columns are numbers from 1. As the task's files if not given.",
            show_default=False,
        ),
    ] = None,
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
    engine: Annotated[
        EngineName | None,
        typer.Option(help="Answer --output-dir on a cluster of Ray, or on this machine if there is none; extra ray."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of --engine; all GPUs or cores if not given.")
    ] = None,
    precision: PrecisionOption = None,
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
        from swissbert.inference.input_options import InputOptions
        from swissbert.inference.output import is_table
        from swissbert.inference.remote_input import check_address, local_input

    if source is not None:
        check_address(source)  # before anything repeats the command
    if as_json and (output_dir is not None or output not in (None, Path("-"))):
        other = "--output" if output_dir is None else "--output-dir"
        raise SwissbertError(f"--json and {other} exclude each other: JSON lines on standard output, or files")
    as_json, output = as_json or output == Path("-"), None if output == Path("-") else output
    columns = InputColumns(text_column, text_pair_column, id_column)
    options = InputOptions(columns, encoding, delimiter, header)
    _check_input(text, source, output, format, options)
    asked, job = Asked(task or None, format, options, threshold), JobOptions(shard_rows, engine, workers)
    if output_dir is not None:
        predict_shards(model, precision, asked, job.check(source, output, probabilities), output_dir, job)
        return
    job.check_absent()
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
            with local_input(source, _say) as path:
                _predict_source(loaded, asked, path, output, probabilities, width)
    if text is not None and width is not None:
        next_steps("predict", model=model)
    elif output is not None and source is not None:
        next_steps("predict a file", model=model)


def _check_input(
    text: str | None, source: str | None, output: Path | None, format: str, options: "InputOptions"
) -> None:
    """Raise SwissbertError if there is no input or more than one, an option does not go with it, or it is the output too."""
    if (text is None) == (source is None):
        raise SwissbertError("predict takes either a text or --input")
    if format not in FORMAT_NAMES:
        raise SwissbertError(unknown_format(format), argument="format")
    if source is None and format != "auto":
        raise SwissbertError(f"--format is {format}, but only --input has a format; a text argument has none")
    if source is None and any(options.columns):
        raise SwissbertError("columns are named, but only --input has columns; a text argument has none")
    for name, value in (("encoding", options.encoding), ("delimiter", options.delimiter)):
        if source is None and value is not None:
            raise SwissbertError(f"--{name} is {value}, but only --input has one; a text argument has none")
    if source is None and options.header is not None:
        raise SwissbertError(
            "--header or --no-header is given, but only --input may have one; a text argument has none"
        )
    if source and output and output.is_file() and os.path.exists(source) and output.samefile(source):
        raise SwissbertError(f"{output} is the input, which --output would replace; name another file")


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
        with table_output(output, AnswerTable(list(cells), tasks, probabilities), say=_say) as write:
            write(answered)
    elif width is not None:
        print(one_text(answered, tasks))
    else:
        with json_output(output, sys.stdout, tasks, body) as write:
            write(answered)
    report_cut(1, int(answered.is_cut), model)


def _predict_source(
    model: "Model", asked: Asked, source: str, output: Path | None, probabilities: bool, width: int | None
) -> None:
    """Answer a file or standard input. Exits with status 1 if it has rows and none can be used."""
    from swissbert.inference.input_progress import CountedRows, share_done
    from swissbert.inference.input_stream import is_stream
    from swissbert.inference.inputs import open_inputs
    from swissbert.inference.output import is_table
    from swissbert.inference.stream import Tally, check_names, stream
    from swissbert.inference.texts import check_threshold

    files: list[io.BufferedReader] = []
    inputs = open_inputs(
        source,
        asked.tasks(model),
        asked.format,
        is_choice=asked.names is None,
        options=asked.options,
        on_open=files.append,
        on_note=_say,
    )
    check_names(inputs.tasks)
    check_threshold(inputs.tasks, asked.threshold)
    for note in filter(None, (inputs.choice_note, "" if is_table(output) else inputs.id_note)):
        _say(note)
    tally = Tally()
    rows = CountedRows(inputs)
    share = (lambda done: 0.0) if is_stream(source) else share_done(Path(source), files, inputs.format, rows)
    with (
        _output(output, inputs, source, probabilities, width) as write,
        Display(quiet=width is not None).rows("predicting", share) as bar,  # rows on a terminal are progress enough
    ):
        for answered in stream(model, inputs.groups, rows, asked.threshold, tally):
            write(answered)
            bar.advance()
    if output is not None:
        _say(f"{output}: answers to {counted(tally.rows - tally.bad, 'row')}")
    report(tally, model)


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
    with table_output(output, table, arrow_schema(source, inputs.format), quotes=quotes, say=_say) as write:
        yield write
    if table.dropped:
        names = ", ".join(repr(name) for name in sorted(table.dropped)[:5])
        print(
            f"{output}: lacks columns that only later rows have: {names}; JSON lines differ in columns", file=sys.stderr
        )
