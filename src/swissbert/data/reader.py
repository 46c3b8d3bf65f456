"""Files and hub data sets -> checked rows. Every row that cannot be used is reported, none is dropped silently."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Split, Task

csv.field_size_limit(2**31 - 1)

Cells = dict[str, object]
ENDINGS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


class Row(NamedTuple):
    """One checked row. `number` is the line in a text file (the header is line 1), the row in other sources."""

    number: int
    id: str
    text: str
    text_pair: str | None
    label: float | None


class BadRow(NamedTuple):
    """A row that cannot be used, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        """``file:line: reason``, as editors understand it."""
        return f"{self.file}:{self.number}: {self.reason}"


@dataclass(frozen=True)
class Rows:
    """All rows of one split of one task, in file order, with what was wrong in the source."""

    source: str
    rows: list[Row]
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of usable rows."""
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """Labels as float64 [N]; nan where a row has none."""
        return np.array([np.nan if row.label is None else row.label for row in self.rows])

    def fingerprint(self) -> str:
        """sha256 over ids, texts and labels in order: the same rows give the same value wherever they lie."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(json.dumps([row.id, row.text, row.text_pair, row.label]).encode())
        return digest.hexdigest()


def read_split(
    task: Task, split: Split, directory: Path | None, *, refuse: bool = False, limit: int | None = None
) -> Rows:
    """Read and check one split of a task.

    Labels are required in ``train`` and ``dev`` and optional in ``test``. With `refuse` the first bad row is an error.
    Raises SwissbertError where the file is missing or unreadable, lacks a column or has no usable row.
    """
    if task.hub is not None:
        source, raw = f"{task.hub.dataset}[{task.hub.splits.get(split, split)}]", _hub(task, split)
    else:
        path = split_file(task, split, directory)
        source, raw = path.name, read_cells(path, task.format, task.quotes)
    rows: list[Row] = []
    bad: list[BadRow] = []
    for item in check_rows(raw, task, source, labelled=split != "test"):
        if isinstance(item, BadRow):
            if refuse:
                raise SwissbertError(f"{item} (data.bad_rows is 'refuse'; 'skip' leaves such rows out and counts them)")
            bad.append(item)
        else:
            rows.append(item)
            if limit is not None and len(rows) == limit:
                break
    if not rows:
        first = f"; the first: {bad[0].reason}" if bad else ""
        raise SwissbertError(f"{source}: no usable row for task '{task.name}' ({len(bad)} bad rows{first})")
    return Rows(source, rows, bad)


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
    columns = task.columns
    for count, (number, cells) in enumerate(raw):
        if isinstance(cells, str):
            yield BadRow(source, number, cells)
            continue
        if count == 0:
            needed = [columns.text, columns.text_pair, columns.label if labelled else None, columns.id]
            _need_columns(cells, [name for name in needed if name], task, source)
        texts: list[str | None] = []
        reason = None
        for column in (columns.text, columns.text_pair):
            value = cells.get(column) if column else None
            text = value.strip() if isinstance(value, str) else None
            if column and not text:
                what = "is empty" if value is None or value == "" or text == "" else f"is {value!r}, not text"
                reason = reason or f"column '{column}' {what}"
            texts.append(text)
        label = None
        cell = cells.get(columns.label)
        if cell is None or str(cell).strip() == "":
            if labelled:
                reason = reason or f"column '{columns.label}' is empty"
        else:
            try:
                label = task.parse_label(cell)
            except ValueError as error:
                reason = reason or str(error)
        if reason:
            yield BadRow(source, number, reason)
        else:
            identity = str(cells[columns.id]).strip() if columns.id else str(number)
            assert texts[0] is not None
            yield Row(number, identity, texts[0], texts[1], label)


def _need_columns(cells: Cells, needed: list[str], task: Task, source: str) -> None:
    for name in needed:
        if name not in cells:
            there = ", ".join(repr(column) for column in cells)
            raise SwissbertError(
                f"{source}: no column '{name}', which task '{task.name}' maps to a role{nearest(name, cells)} (columns here: {there})"
            )


def read_cells(path: Path, format: str = "auto", quotes: bool | None = None) -> Iterator[tuple[int, Cells | str]]:
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
            yield from _jsonl(path)
        elif format == "csv":
            yield from _delimited(path, ",", quotes is not False)
        elif format == "cs224n":
            yield from _delimited(path, "\t", quotes is not False)
        else:
            yield from _delimited(path, "\t", quotes is True)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error


def _delimited(path: Path, delimiter: str, quotes: bool) -> Iterator[tuple[int, Cells | str]]:
    """Rows of a delimited text file; columns are found by name, so an unnamed index column is passed over."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)
        header = [name.strip() for name in next(lines, [])]
        named = [name for name in header if name]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise SwissbertError(f"{path}: the header names column '{twice[0]}' twice")
        while True:
            number = lines.line_num + 1
            try:
                cells = next(lines, None)
            except csv.Error as error:
                yield number, f"not readable as a row ({error})"
                continue
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(header):
                spans = lines.line_num - number
                hint = f"; a quote opened on line {number} runs to line {lines.line_num}" if quotes and spans else ""
                yield number, f"{len(cells)} cells where the header has {len(header)}{hint}"
                continue
            reason = next((why for cell in cells if (why := _unreadable(cell))), None)
            yield number, reason or dict(zip(header, cells, strict=True))


def _unreadable(text: str) -> str | None:
    """Why a text cannot be used: bytes that are not UTF-8, or a NUL."""
    if "\0" in text:
        return "a NUL character in the text"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "bytes that are not UTF-8"
    return None


def _jsonl(path: Path) -> Iterator[tuple[int, Cells | str]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                yield number, f"not a JSON object ({getattr(error, 'msg', 'nested too deeply')})"
                continue
            if not isinstance(cells, dict):
                yield number, f"a JSON {type(cells).__name__}, not an object with column names"
                continue
            reason = next(
                (why for cell in cells.values() if isinstance(cell, str) and (why := _unreadable(cell))), None
            )
            yield number, reason or cells


def _parquet(path: Path) -> Iterator[tuple[int, Cells | str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for cells in batch.to_pylist():
                    number += 1
                    yield number, cells
    except pa.ArrowInvalid as error:
        raise SwissbertError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _hub(task: Task, split: Split) -> Iterator[tuple[int, Cells | str]]:
    """Rows of a hub data set, through the datasets library (which runs no code from the hub)."""
    import datasets

    assert task.hub is not None
    name = task.hub.splits.get(split, split)
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
