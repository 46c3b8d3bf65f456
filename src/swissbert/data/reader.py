"""Files and hub data sets -> checked rows. Every row that cannot be used is reported, none is dropped silently."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from swissbert.data.rows import BadRow, Row, Rows
from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Split, Task

if TYPE_CHECKING:
    import pyarrow as pa

csv.field_size_limit(2**31 - 1)

Cells = dict[str, object]
Opened = Callable[[TextIO], object]
"""Called with a text file as soon as it is open, by whom to see later how far it has been read."""
ENDINGS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


class Reading:
    """One split of one task, row by row: iterating gives checked rows in file order, and memory does not grow with them.

    `bad` fills up meanwhile. Labels are required in ``train`` and ``dev`` and optional in ``test``. With `refuse` the first
    bad row is an error. Making one raises SwissbertError where the file is missing; iterating does where it is unreadable,
    lacks a column or has no usable row.
    """

    def __init__(
        self, task: Task, split: Split, directory: Path | None, *, refuse: bool = False, limit: int | None = None
    ) -> None:
        self.task, self.split, self.refuse, self.limit = task, split, refuse, limit
        self.source, self._checked = open_split(task, split, directory)
        self.bad: list[BadRow] = []

    def __iter__(self) -> Iterator[Row]:
        """Rows, once."""
        count = 0
        for item in self._checked:
            if isinstance(item, BadRow):
                self.bad.append(item)
                if self.refuse:
                    refuse_bad(self.bad)
                continue
            yield item
            count += 1
            if count == self.limit:
                return
        if not count:
            raise SwissbertError(self._none())

    def _none(self) -> str:
        task, first = self.task, f"; the first: {self.bad[0].reason}" if self.bad else ""
        if task.holds_out and self.split == "dev":
            return f"{self.source}: holding out {task.holdout:g} of the train rows of task '{task.name}' left none for dev; a larger holdout or a dev file helps"
        return f"{self.source}: no usable row for task '{task.name}' ({len(self.bad)} bad rows{first})"


def refuse_bad(bad: list[BadRow]) -> None:
    """Raise SwissbertError for the first bad row, if there is one."""
    if bad:
        raise SwissbertError(f"{bad[0]} (data.bad_rows is 'refuse'; 'skip' leaves such rows out and counts them)")


def read_split(
    task: Task, split: Split, directory: Path | None, *, refuse: bool = False, limit: int | None = None
) -> Rows:
    """All rows of a split at once. Raises SwissbertError as `Reading` does."""
    reading = Reading(task, split, directory, refuse=refuse, limit=limit)
    return Rows(reading.source, list(reading), reading.bad)


def open_split(task: Task, split: Split, directory: Path | None) -> tuple[str, Iterator[Row | BadRow]]:
    """The name of a split's source and its checked rows, one by one: memory does not grow with the file.

    Raises SwissbertError where the file is missing, and while it is read where it is unreadable or lacks a column.
    """
    if task.hub is not None:
        name = task.hub.splits.get(task.source(split), split)
        source, raw = f"{task.hub.dataset}[{name}]", _hub(task, name)
    else:
        path = split_file(task, split, directory)
        source, raw = path.name, read_cells(path, task.format, task.quotes)
    checked = check_rows(raw, task, source, labelled=split != "test")
    return source, _side(checked, task, split) if task.holds_out and split != "test" else checked


def _side(checked: Iterator[Row | BadRow], task: Task, split: Split) -> Iterator[Row | BadRow]:
    """The rows of a file that holds train and dev rows which belong to `split`; bad ones come with the train rows."""
    for item in checked:
        if split == "train" if isinstance(item, BadRow) else held_out(item, task.holdout) == (split == "dev"):
            yield item


def text_key(row: Row) -> tuple[str, str]:
    """A row's texts as far as they matter for being the same: case and white space do not, nor the order of a pair."""
    first, second = (" ".join((text or "").casefold().split()) for text in (row.text, row.text_pair))
    return min(first, second), max(first, second)


def held_out(row: Row, share: float) -> bool:
    """Whether a row belongs to the `share` that is held out for dev: decided by its texts alone, so repeats stay together."""
    digest = hashlib.sha256(json.dumps(text_key(row)).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def split_file(task: Task, split: Split, directory: Path | None) -> Path:
    """The file of a split: the first of the declared names that is in `directory`. Raises SwissbertError if none is."""
    found = find_split_file(task, split, directory)
    if found is not None:
        return found
    names = task.candidates(split)
    if not names:
        raise SwissbertError(f"task '{task.name}': no file is declared for its {split} split")
    if directory is not None and not directory.is_dir():
        raise SwissbertError(f"{directory}: there is no such data directory (--data or data.dir)")
    raise SwissbertError(
        f"task '{task.name}': {' or '.join(names)} is not in {directory or Path.cwd()} (--data or data.dir says where)"
    )


def find_split_file(task: Task, split: Split, directory: Path | None) -> Path | None:
    """As `split_file`, with None where there is no such file."""
    paths = [(directory or Path()) / name for name in task.candidates(split)]
    return next((path for path in paths if path.is_file()), None)


def check_rows(
    raw: Iterator[tuple[int, Cells | str]], task: Task, source: str, *, labelled: bool
) -> Iterator[Row | BadRow]:
    """Map cells to roles and check them. A missing column is an error, a bad cell is a `BadRow`."""
    seen = False
    for number, cells in raw:
        if isinstance(cells, str):
            yield BadRow(source, number, cells)
            continue
        if not seen:
            _need_columns(cells, task, source, labelled)
            seen = True
        try:
            row = _row(number, cells, task, labelled)
        except ValueError as error:
            yield BadRow(source, number, str(error))
        else:
            yield row


def _row(number: int, cells: Cells, task: Task, labelled: bool) -> Row:
    """The checked row of these cells. Raises ValueError with the first thing that is wrong."""
    columns = task.columns
    text = _text(cells.get(columns.text), columns.text)
    pair = _text(cells.get(columns.text_pair), columns.text_pair) if columns.text_pair else None
    cell, label = cells.get(columns.label), None
    if isinstance(cell, bool):  # true is the label named True, true or 1, if there is one
        names = [str(cell), str(cell).lower(), str(int(cell))]
        cell = next((name for name in names if name in task.labels), names[1])
    if cell is not None and str(cell).strip():
        label = task.parse_label(cell)
    elif labelled:
        raise ValueError(f"column '{columns.label}' is empty")
    identity = str(number)
    if columns.id:
        cell = cells.get(columns.id)
        identity = _text(None if cell is None else str(cell), columns.id)
    return Row(number, identity, text, pair, label)


def _text(value: object, column: str) -> str:
    """The text in a cell, stripped. Raises ValueError where there is none that can be used."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"column '{column}' is {repr(value)[:40]}, not text")
    text = (value or "").strip()
    if not text:
        raise ValueError(f"column '{column}' is empty")
    if why := unreadable(text):
        raise ValueError(f"column '{column}' has {why}")
    return text


def _need_columns(cells: Cells, task: Task, source: str, labelled: bool) -> None:
    columns = task.columns
    for name in [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]:
        if name and name not in cells:
            there = ", ".join(repr(column) for column in cells)
            raise SwissbertError(
                f"{source}: no column '{name}', which task '{task.name}' maps to a role{nearest(name, cells)} (columns here: {there})"
            )


def read_cells(
    path: Path, format: str = "auto", quotes: bool | None = None, opened: Opened | None = None
) -> Iterator[tuple[int, Cells | str]]:
    """Yield ``(number, cells by column name)``, or ``(number, reason)`` for a row that cannot be split into cells.

    `format` ``auto`` goes by the file's ending. Comma-separated and ``cs224n`` files use quotes as CSV does unless
    `quotes` says otherwise; tab-separated files take quotes as plain text, since that is what they usually are.
    Streams: memory does not grow with the file.
    """
    if format == "auto":
        format = ENDINGS.get(path.suffix.lower(), "")
        if not format:
            raise SwissbertError(
                f"{path}: the ending says no known format ({', '.join(ENDINGS)}); 'format' of the task can"
            )
    try:
        if format == "parquet":
            yield from _parquet(path)
        elif format == "jsonl":
            yield from _jsonl(path, opened)
        elif format == "csv":
            yield from _delimited(path, ",", quotes is not False, opened)
        elif format == "cs224n":
            yield from _delimited(path, "\t", quotes is not False, opened)
        else:
            yield from _delimited(path, "\t", quotes is True, opened)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or ' '.join(str(error).split())})") from error


def _delimited(path: Path, delimiter: str, quotes: bool, opened: Opened | None) -> Iterator[tuple[int, Cells | str]]:
    """Rows of a delimited text file; columns are found by name, so an unnamed index column is passed over."""
    header: list[str] = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        if opened:
            opened(file)
        for number, cells, hint in _records(file, delimiter, quotes):
            if not header:
                header = [name.strip() for name in cells]
                _check_header(path, header)
            elif len(cells) != len(header):
                yield number, f"{len(cells)} cells where the header has {len(header)}{hint}"
            else:
                yield number, dict(zip(header, cells, strict=True))


def _records(file: TextIO, delimiter: str, quotes: bool) -> Iterator[tuple[int, list[str], str]]:
    """Cells of each record that is not blank, with the line it starts on and a hint at a quote that is odd.

    A quoted cell may span lines if it is closed as CSV asks, and in a tab-separated file has no tab in it. Otherwise
    its quote is a stray one: it costs its own line, and the lines that it would swallow are read as records.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    again: list[str] = []  # lines to be read once more, the next one last
    taken: list[str] = []  # lines of the record at hand

    def lines() -> Iterator[str]:
        while line := again.pop() if again else file.readline():
            taken.append(line)
            yield line

    number = 1
    while True:
        taken.clear()
        hint = ""
        try:
            cells = next(csv.reader(lines(), delimiter=delimiter, quoting=quoting, strict=True), None)
            if cells is None:
                return
            if delimiter == "\t" and len(taken) > 1 and any("\t" in cell for cell in cells):
                raise csv.Error("a quoted cell holds rows")
        except csv.Error:
            again.extend(reversed(taken[1:]))
            del taken[1:]
            cells = next(csv.reader(taken, delimiter=delimiter, quoting=quoting))
            hint = "; a quote on this line is not closed as it should be"
        if cells:
            yield number, cells, hint
        number += len(taken)


def _check_header(path: Path, names: list[str]) -> None:
    """Raise SwissbertError where column names are no text or one stands twice."""
    if why := unreadable("".join(names)):
        raise SwissbertError(f"{path}: the header has {why}; save the file as UTF-8 text")
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice:
        raise SwissbertError(f"{path}: the header names column '{twice}' twice")


def unreadable(text: str) -> str | None:
    """What makes a text unusable, if anything."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        undecoded = "\udc80" <= text[error.start] <= "\udcff"  # how a byte that is not UTF-8 is read
        return "bytes that are not UTF-8" if undecoded else "half of a surrogate pair"
    return None


def _jsonl(path: Path, opened: Opened | None) -> Iterator[tuple[int, Cells | str]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        if opened:
            opened(file)
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except RecursionError:
                yield number, "not a JSON object (nested too deeply)"
                continue
            except ValueError as error:  # also a number of thousands of digits
                yield number, f"not a JSON object ({getattr(error, 'msg', error)})"
                continue
            if not isinstance(cells, dict):
                yield number, f"a JSON {type(cells).__name__}, not an object with column names"
            elif why := unreadable("".join(cells)):
                yield number, f"a column name with {why}"
            else:
                yield number, cells


def _parquet(path: Path) -> Iterator[tuple[int, Cells | str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists() and not path.is_file() and not path.is_dir():
        raise SwissbertError(f"{path}: Parquet needs a file, since it is read from its end; this is a pipe or a device")
    try:
        with pq.ParquetFile(path) as file:
            _check_header(path, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                try:
                    rows = batch.to_pylist()
                except UnicodeDecodeError:
                    rows = [_decoded(batch.slice(i, 1)) for i in range(batch.num_rows)]
                for cells in rows:
                    number += 1
                    yield number, cells
    except pa.ArrowException as error:
        raise SwissbertError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _decoded(row: "pa.RecordBatch") -> Cells | str:
    """The cells of a batch of one row, or why they cannot be had."""
    try:
        cells: Cells = row.to_pylist()[0]
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"
    return cells


def _hub(task: Task, name: str) -> Iterator[tuple[int, Cells | str]]:
    """Rows of a hub data set, through the datasets library (which runs no code from the hub)."""
    import datasets

    assert task.hub is not None
    try:
        table = datasets.load_dataset(task.hub.dataset, task.hub.config, split=name, revision=task.hub.revision)
    except Exception as error:  # the library has no common base class for what can go wrong on the way
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SwissbertError(
            f"task '{task.name}': data set '{task.hub.dataset}', split '{name}', cannot be had ({reason})"
        ) from error
    yield from enumerate(table, 1)


def head(path: Path, count: int, format: str = "auto") -> list[Cells]:
    """The first `count` readable rows of a file, for showing what its columns hold."""
    return list(islice((cells for _, cells in read_cells(path, format) if isinstance(cells, dict)), count))
