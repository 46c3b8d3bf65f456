"""Parquet files."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from swissbert.data.formats.base import Cells, Format, NumberedCells, OnOpen, ReadOptions, check_columns
from swissbert.data.formats.compression import compression_of
from swissbert.data.formats.limits import COLUMNS, EXPANDED, LINE, TEXT_EXPANSION, many_columns
from swissbert.data.formats.other_files import refuse_other_files
from swissbert.data.formats.parquet_footer import read_chunks
from swissbert.data.formats.parquet_sizes import batch_rows, refuse_expansion
from swissbert.errors import SwissbertError, clipped
from swissbert.reading import open_regular

if TYPE_CHECKING:
    import pyarrow as pa

REASON_SHOWN = 200
"""Characters of an error of the library that a message shows."""


class Parquet(Format):
    """Parquet, read with pyarrow. Rows are numbered from 1 across row groups."""

    name = "parquet"
    endings = (".parquet",)

    def cells(self, path: Path, options: ReadOptions, on_open: OnOpen | None = None) -> Iterator[NumberedCells]:
        """Yield the rows; one with a cell that cannot be decoded does not affect its neighbours."""
        import pyarrow.parquet as pq

        if path.exists() and not path.is_file() and not path.is_dir():
            raise SwissbertError(
                f"{path}: Parquet needs a file, since it is read from its end; this is a pipe or a device"
            )
        with open_regular(path):
            size = path.stat().st_size
        number, decoded = 0, 0
        with _readable(path), pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(names) > COLUMNS:
                raise many_columns(str(path), len(names))
            check_columns(names, str(path), options.columns)
            options.on_columns(names)
            columns = _columns_read(names, options) if options.only_columns else names
            chunks = read_chunks(path)
            if len(chunks) != file.num_row_groups:
                raise ValueError("its footer has two numbers of row groups")
            refuse_expansion(file.metadata, chunks, size, columns, str(path))
            others = dict.fromkeys(names) if columns is not names else {}
            for group in range(file.num_row_groups):
                rows = batch_rows(path, file.metadata, chunks, group, columns)
                for batch in file.iter_batches(rows, [group], columns):
                    decoded += batch.nbytes
                    if decoded > max(EXPANDED, TEXT_EXPANSION * size):
                        raise SwissbertError(
                            f"{path}: its rows become more than {TEXT_EXPANSION:,} times as large as the file, which no "
                            "table of texts does; are the same texts repeated in it?"
                        )
                    for cells in decoded_rows(batch, options.columns):
                        number += 1
                        if others and isinstance(cells, dict):  # the first row names all columns
                            cells, others = others | cells, {}
                        yield number, cells

    def count_rows(self, path: Path) -> int | None:
        """Read the number of rows from the file's footer."""
        from pyarrow.parquet import read_metadata

        with _readable(path):
            return int(read_metadata(path).num_rows)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn any error of the library, which has no common base class for them, into one sentence."""
    try:
        yield
    except (SwissbertError, OSError):
        raise
    except Exception as error:
        with path.open("rb") as raw:
            start = raw.read(64)
        refuse_other_files(start, str(path))
        packed = compression_of(start)
        hint = f"; it is compressed ({packed}), so decompress it first" if packed else ""
        reason = clipped((str(error).splitlines() or [type(error).__name__])[0], REASON_SHOWN)
        raise SwissbertError(f"{path}: not a readable Parquet file ({reason}){hint}") from error


def _columns_read(names: list[str], options: ReadOptions) -> list[str]:
    """Return the columns that are read, or all if one that is to be read is not there under its exact name."""
    here = set(names)
    read = [name if name in here else name.partition(".")[0] for name in options.columns]
    return list(dict.fromkeys(read)) if here.issuperset(read) else names


def decoded_rows(batch: "pa.RecordBatch", read: Collection[str] = ()) -> list[Cells | str]:
    """Return the cells of each row of a batch, or the reason why a row cannot be decoded.

    Args:
        batch: The batch.
        read: Columns that are read; cells of others that cannot be decoded are None. All columns if empty.
    """
    try:
        rows: list[Cells | str] = list(batch.to_pylist())
    except Exception:  # the library raises many
        rows = _decoded(batch, read)
    names = [field.name for field in batch.schema if "binary" in str(field.type)]
    texts = [field.name for field in batch.schema if not read or field.name in read]
    is_long = batch.nbytes > LINE
    for number, row in enumerate(rows) if names or is_long else ():
        if isinstance(row, dict):
            row.update((name, text_of(row[name])) for name in names)
            if is_long and (long := next((name for name in texts if _is_long(row[name])), None)) is not None:
                rows[number] = f"column '{long}' has more than {LINE:,} characters"
    return rows


def _is_long(cell: object) -> bool:
    return isinstance(cell, str | bytes) and len(cell) > LINE


def _decoded(batch: "pa.RecordBatch", read: Collection[str]) -> list[Cells | str]:
    """Decode a batch cell by cell."""
    rows: list[Cells | str] = [{} for _ in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for number, cell in enumerate(column):
            value: object = None
            reason = ""
            try:
                value = cell.as_py()
            except UnicodeDecodeError:
                reason = "bytes that are not UTF-8"
            except Exception:
                reason = f"column '{name}' is a value of type {clipped(str(column.type), 40)} that cannot be read"
            row = rows[number]
            if isinstance(row, dict):
                row[name] = value
                if reason and (not read or name in read):
                    rows[number] = reason
    return rows


def text_of(cell: object) -> object:
    """Return the text that bytes are in UTF-8; other cells as they are."""
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            return cell
    return [text_of(item) for item in cell] if isinstance(cell, list) else cell
