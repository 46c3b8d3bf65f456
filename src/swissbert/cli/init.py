"""The command ``init``: write a recipe for a data file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.from_table import declared_cells, declared_notes, declared_recipe, file_options, recipe_text
from swissbert.cli.results import fitted, next_steps, result_table
from swissbert.errors import SwissbertError

STDOUT = Path("-")
"""Name that stands for standard output."""
TextOption = Annotated[
    str | None, typer.Option("--text", metavar="COLUMN", help="Of a data file: the column of the text.")
]
PairOption = Annotated[
    str | None,
    typer.Option("--text-pair", metavar="COLUMN", help="Of a data file: the column of the second text of a pair."),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="COLUMN", help="Of a data file: a column of labels. Repeatable: one task for each."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(help="Of a data file: its format, such as csv, tsv or jsonl; that of its ending if not given."),
]
DelimiterOption = Annotated[
    str | None, typer.Option(help="Of a data file: the delimiter of its cells; detected from the header if not given.")
]
EncodingOption = Annotated[
    str | None, typer.Option(help="Of a data file: its encoding, for instance windows-1252; UTF-8 if not given.")
]
NoHeaderOption = Annotated[
    bool, typer.Option("--no-header", help="Of a data file without a header: columns are numbers from 1.")
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", help="Of a data file: the kind of task; guessed from the labels if not given."),
]


def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A data file with columns: CSV, TSV, JSON lines or Parquet.")
    ],
    text: TextOption = None,
    text_pair: PairOption = None,
    label: LabelOption = None,
    kind: KindOption = None,
    format: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    no_header: NoHeaderOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The recipe to write, - for standard output; NAME.toml in the current directory if not given, after the "
            "name of FILE."
        ),
    ] = None,
) -> None:
    """Write a recipe for a data file.

    Infers kind, labels or range, and metric of a task for each label column, and writes them as TOML with comments.
    """
    from swissbert.display import Display
    from swissbert.files import only_writer, write_text

    options = file_options(kind, format, delimiter, encoding, no_header)
    table, declared = declared_recipe(file, text, text_pair, label or [], options)
    target = out or Path(f"{table['name']}.toml")
    if target == STDOUT:
        display = Display()
        display.table(*declared_cells(file, declared))
        for note in declared_notes(declared):
            display.say(note)
        print(recipe_text(table, file, Path(f"{table['name']}.toml")), end="")
        return
    with only_writer(target):
        if target.exists():
            raise SwissbertError(f"{target}: exists already; choose another name", argument="out")
        table["data"]["dir"] = os.path.relpath(table["data"]["dir"], target.absolute().parent)
        write_text(target, recipe_text(table, file, target))
    print(result_table(*declared_cells(file, declared)))
    for note in declared_notes(declared):
        print(fitted(note))
    print(f"\n{target}: written")
    next_steps("init", recipe=target)
