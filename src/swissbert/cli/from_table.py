"""A recipe from a data file: what was inferred, as a table for a person and as TOML with comments."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swissbert.errors import SwissbertError
from swissbert.reading import file_near, refuse_web

if TYPE_CHECKING:
    from swissbert.data.declare import Declared

HEAD = """\
# A recipe that was made from {file}. Train with it: swissbert train {recipe} --out runs/{name}
"""
NOTES = """
# What is left out is chosen when training starts and shown then. To choose it yourself:
# [train]
# epochs = 5           # passes over the rows; training stops early where scores no longer improve
# batch_size = 16
# lr = 2e-4            # learning rate of the encoder; 2e-5 for large encoders
# [encoder]
# name = "minilm"      # or a folder, or a hub id such as "google-bert/bert-base-uncased"
# max_length = 128     # tokens; longer texts are cut
# Each task also takes dev rows of its own: files = { train = "...", dev = "..." }
"""


DATA_ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".gz",
    ".zst",
    ".zip",
    ".xlsx",
    ".xls",
)
"""Endings by which an argument names a data file even if it is not there."""
FEW_PAIRS = 2000
"""Number of pairs below which their two sentence vectors are compared rather than both texts read together."""


def is_data_file(name: str) -> bool:
    """Whether the argument of ``train`` names a data file and not a recipe.

    Raises:
        SwissbertError: If it looks like a data file or a folder of them, but is no file.
    """
    from swissbert.config import shipped_recipes
    from swissbert.wording import shortened

    path = Path(name)
    if name in shipped_recipes():
        return path.is_file()
    if path.is_dir():
        files = sorted(one.name for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        there = f" (in it: {shortened(files, 6)})" if files else ""
        raise SwissbertError(f"{name} is a directory; name one data file{there}, or write a recipe for several")
    refuse_web(name)
    if not path.is_file() and path.suffix.lower() in DATA_ENDINGS:
        raise SwissbertError(f"{name}: there is no such file{file_near(path)}")
    return not name.endswith(".toml") and path.is_file()


def file_options(
    kind: str | None, format: str | None, delimiter: str | None, encoding: str | None, no_header: bool
) -> "dict[str, object]":
    """Return the keys of a declaration that options of the command line stand for."""
    header = False if no_header else None
    given = {"kind": kind, "format": format, "delimiter": delimiter, "encoding": encoding, "header": header}
    return {key: value for key, value in given.items() if value is not None}


def declared_recipe(
    path: Path, text: str | None, text_pair: str | None, labels: Sequence[str], options: "dict[str, object]"
) -> "tuple[dict[str, Any], list[Declared]]":
    """Return the settings of a run that were inferred from a data file, and the declared tasks.

    Raises:
        SwissbertError: As `swissbert.data.declare.declare`.
    """
    from swissbert.data.declare import declare, recipe

    try:
        declared = declare(path, text, list(labels), text_pair, options)
    except SwissbertError as error:
        if error.argument != "header":
            raise
        raise SwissbertError(f"{error} (on the command line: {_without_header(path, options)})") from error
    table = recipe(path, declared)
    if head := vector_head(declared):
        table["model"] = {"pair_encoding": False, "pair_head": head}
    return table, declared


def _without_header(path: Path, options: "dict[str, object]") -> str:
    """Return the options for a file without a header, with the columns that are most likely text and label."""
    from swissbert.data.bare_columns import likely_columns
    from swissbert.data.formats import ReadOptions

    delimiter, encoding = (
        None if (value := options.get(key)) is None else str(value) for key in ("delimiter", "encoding")
    )
    read = ReadOptions(delimiter=delimiter, encoding=encoding)
    text, label = likely_columns(path, read, str(options.get("format", "auto")))
    return f"--no-header --text {text} --label {label}"


def vector_head(declared: "Sequence[Declared]") -> str | None:
    """Return the head that compares the two sentence vectors of a pair, where there are few pairs; None where not.

    With a hundred pairs an encoder does not learn to compare two texts that it reads together; the vectors of two
    texts can be compared from the beginning (see ``results/small-sets``). A number, or yes and no, is answered by a curve
    on their cosine (``similarity``). More classes need more than how similar two texts are: a contradiction is similar too.

    Args:
        declared: The tasks, which share the columns of their texts.
    """
    if not declared[0].task.is_pair or max(one.rows for one in declared) >= FEW_PAIRS:
        return None
    return "similarity" if all(one.task.outputs == 1 for one in declared) else "bi_encoder"


def declared_cells(path: Path, declared: "Sequence[Declared]") -> tuple[str, list[str], list[list[str]], int]:
    """Return what was inferred and why: title, heads and cells of a table, and its number of columns with text."""
    rows = [
        [
            one.task.name,
            one.task.columns.label,
            one.task.kind.name,
            one.task.kind.declared_in_words(one.task),
            one.task.metric,
            one.why,
            f"{one.rows:,}",
        ]
        for one in declared
    ]
    columns = declared[0].task.columns
    texts = " and ".join(repr(name) for name in (columns.text, columns.text_pair) if name)
    header = ["task", "label column", "kind", "labels or range", "metric", "reason", "rows"]
    return f"{path.name}: texts from {'columns' if columns.text_pair else 'column'} {texts}", header, rows, 6


def declared_notes(declared: "Sequence[Declared]") -> list[str]:
    """Return sentences about what was decided for all tasks together."""
    if head := vector_head(declared):
        return [
            f"Fewer than {FEW_PAIRS:,} pairs: they are answered by a comparison of two sentence vectors, model.pair_head = "
            f"'{head}' (model.pair_head and model.pair_encoding choose otherwise)"
        ]
    return []


def recipe_text(table: dict[str, Any], path: Path, target: Path) -> str:
    """Return a recipe as TOML with comments."""
    import tomli_w

    head = HEAD.format(file=path.name, recipe=target.name, name=table["name"])
    return f"{head}{tomli_w.dumps(table)}{NOTES}"


def refuse_options(options: "dict[str, object]") -> None:
    """Raise SwissbertError if an option that only a data file takes is given."""
    for option, value in options.items():
        if value:
            raise SwissbertError(f"{option} is given, but only a data file such as messages.csv takes it, not a recipe")
