"""Files of answers: JSON lines, or tables (CSV, TSV, Parquet) with the columns of the input before the answers."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from swissbert.data.formats import Format
from swissbert.data.formats.delimited import Delimited
from swissbert.data.formats.parquet import Parquet
from swissbert.errors import SwissbertError
from swissbert.files import whole_bytes, whole_file
from swissbert.inference.answer_table import AnswerTable
from swissbert.inference.input_stream import STDIN
from swissbert.inference.stream import Answered, record
from swissbert.paths import check_path
from swissbert.tasks import Task
from swissbert.wording import counted, printable

if TYPE_CHECKING:
    import pyarrow as pa

JSON_ENDINGS = (".jsonl", ".ndjson")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINE_ENDS = re.compile(r"[\t\r\n]")
"""What a cell of a table without quotes cannot hold."""
PARQUET = ".parquet"
OUTPUT_ENDINGS = (*DELIMITERS, PARQUET, *JSON_ENDINGS)
"""Endings of output files; a name without an ending, a pipe and a device get JSON lines."""
PARQUET_ROWS = 8192
"""Rows of a row group."""

Write = Callable[[Answered], None]
"""Writes one row."""


def is_table(path: Path | None) -> bool:
    """Return whether an output file is a table, by its ending.

    Args:
        path: The file; None for standard output.

    Raises:
        SwissbertError: If nothing is written under that ending; lists those that are known.
    """
    if path is None or not path.suffix or (path.exists() and not path.is_file() and not path.is_dir()):
        return False
    ending = path.suffix.lower()
    if ending not in OUTPUT_ENDINGS:
        raise SwissbertError(
            f"{path}: answers are not written as '{path.suffix}'; the endings are {', '.join(OUTPUT_ENDINGS)}, and a name "
            "without an ending gives JSON lines",
            argument="output",
        )
    return ending not in JSON_ENDINGS


@contextmanager
def json_output(
    path: Path | None,
    stream: TextIO,
    tasks: Sequence[Task],
    as_object: Callable[[Answered, Sequence[Task]], dict[str, Any]] = record,
) -> Iterator[Write]:
    """Open a file of JSON lines, or `stream` if there is no path; a file appears whole or not at all.

    Args:
        path: The file.
        stream: Where to write if there is none.
        tasks: The tasks that were asked for.
        as_object: Turns a row into a JSON object: `record`, or `body` to leave out what names the row.
    """
    with whole_file(path) if path else nullcontext(stream) as out:

        def write(answered: Answered) -> None:
            line = json.dumps(as_object(answered, tasks), ensure_ascii=False)
            out.write(printable(line) + "\n")  # the escapes are those of JSON, so it reads as the same text

        yield write


@contextmanager
def table_output(
    path: Path,
    table: AnswerTable,
    schema: "pa.Schema | None" = None,
    *,
    quotes: bool = True,
    say: Callable[[str], object] = lambda note: None,
) -> Iterator[Write]:
    """Open a table by the ending of its name; it appears whole or not at all.

    Args:
        path: The file.
        table: Its columns.
        schema: Types of the columns of the input for a Parquet file; None for text.
        quotes: Whether cells with quotes, delimiters or line ends are quoted. If not, cells are written as they are, as
            in a table where quotes are plain text, and tabs and line ends become spaces.
        say: Called with a sentence if there were such tabs or line ends.

    Raises:
        SwissbertError: If the file cannot be written.
    """
    if path.suffix.lower() == PARQUET:
        check_path(path, "output")
        with _parquet_output(path, table, schema) as write:
            yield write
        return
    with whole_file(path) as out:
        writer = csv.writer(out, delimiter=DELIMITERS[path.suffix.lower()], lineterminator="\n")
        changed = 0

        def write_cells(cells: Iterable[Any]) -> None:
            nonlocal changed
            texts = [_as_text(cell) for cell in cells]
            if quotes:
                writer.writerow(texts)
                return
            plain = [LINE_ENDS.sub(" ", text) for text in texts]
            changed += sum(a != b for a, b in zip(texts, plain, strict=True))
            out.write("\t".join(plain) + "\n")

        def write_line(answered: Answered) -> None:
            write_cells(table.input_cells(answered) + table.answer_cells(answered))

        write_cells(table.names)

        yield write_line
    if changed:
        say(f"{path}: tabs and line ends in {counted(changed, 'cell')} became spaces; a .csv file keeps them")


def keeps_quotes(path: Path, format: Format, quotes: bool | None) -> bool:
    """Return whether a table is to be written with quotes as syntax: a ``.tsv`` only where they are syntax in the input too.

    A ``.tsv`` is written as it would be read: by default its quotes are text.

    Args:
        path: The table.
        format: The format of the input.
        quotes: What the task declares about quotes in the input; None for the format's default.
    """
    if path.suffix.lower() != ".tsv":
        return True
    is_tsv = isinstance(format, Delimited) and format.delimiter == "\t"
    return bool(format.quotes if quotes is None and is_tsv and isinstance(format, Delimited) else quotes)


def arrow_schema(source: str, format: Format) -> "pa.Schema | None":
    """Return the types of the columns of a Parquet file of inputs; None where cells become text.

    That is for other formats, and where two columns have the same name.
    """
    if not isinstance(format, Parquet):
        return None
    from pyarrow.parquet import read_schema

    schema = read_schema("/dev/stdin" if source == STDIN else source)
    return schema if len(set(schema.names)) == len(schema.names) else None


@contextmanager
def _parquet_output(path: Path, table: AnswerTable, schema: "pa.Schema | None") -> Iterator[Write]:
    """Write row groups of `PARQUET_ROWS` rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = [pa.string()] * len(table.columns) if schema is None else list(schema.types)
    fields = pa.schema([*map(pa.field, table.columns, types), *table.answer_fields()])
    rows: list[list[Any]] = []

    def write(answered: Answered) -> None:
        given = table.input_cells(answered)
        if schema is None:
            given = [None if cell is None else _as_text(cell) for cell in given]
        rows.append(given + table.answer_cells(answered))
        if len(rows) == PARQUET_ROWS:
            flush()

    def flush() -> None:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(list(column), type) for column, type in zip(columns, fields.types, strict=True)]
        file.write_table(pa.Table.from_arrays(arrays, schema=fields))
        rows.clear()

    try:
        with whole_bytes(path) as binary, pq.ParquetWriter(binary, fields) as file:
            yield write
            if rows:
                flush()
    except pa.ArrowException as error:
        raise SwissbertError(f"{path}: cannot be written ({str(error).splitlines()[0]})", argument="output") from error


def _as_text(cell: object) -> str:
    """Return a cell as text: JSON for numbers, lists and objects, and "?" for bytes that are not UTF-8."""
    if cell is None:
        return ""
    if isinstance(cell, bool | int | float | list | dict):
        cell = json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell).encode("utf-8", "replace").decode()
