"""Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from swissbert.data.formats.base import Cells, Format, NumberedCells, OnOpen, ReadOptions, check_columns
from swissbert.data.formats.compression import compression_of, refuse_other_files
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1024
"""Rows that are decoded at a time."""


class Parquet(Format):
    """Parquet, read with pyarrow. Rows are numbered from 1 across row groups."""

    name = "parquet"
    endings = (".parquet",)

    def cells(self, path: Path, options: ReadOptions, on_open: OnOpen | None = None) -> Iterator[NumberedCells]:
        """Yield the rows; one with bytes that are not UTF-8 does not affect its neighbours."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if path.exists() and not path.is_file() and not path.is_dir():
            raise SwissbertError(
                f"{path}: Parquet needs a file, since it is read from its end; this is a pipe or a device"
            )
        try:
            with pq.ParquetFile(path) as file:
                check_columns(file.schema_arrow.names, str(path), options.columns)
                number = 0
                for batch in file.iter_batches(batch_size=BATCH_ROWS):
                    for cells in decoded_rows(batch):
                        number += 1
                        yield number, cells
        except pa.ArrowException as error:
            with path.open("rb") as raw:
                start = raw.read(64)
            refuse_other_files(start, str(path))
            packed = compression_of(start)
            hint = f"; it is compressed ({packed}), so decompress it first" if packed else ""
            raise SwissbertError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}){hint}") from error

    def count_rows(self, path: Path) -> int | None:
        """Read the number of rows from the file's footer."""
        from pyarrow.parquet import read_metadata

        return int(read_metadata(path).num_rows)


def decoded_rows(batch: "pa.RecordBatch") -> list[Cells | str]:
    """Return the cells of each row of a batch, or the reason why a row cannot be decoded."""
    try:
        return _with_text(batch, list(batch.to_pylist()))
    except UnicodeDecodeError:
        return [_decoded(batch.slice(i, 1)) for i in range(batch.num_rows)]


def _decoded(row: "pa.RecordBatch") -> Cells | str:
    try:
        return _with_text(row, row.to_pylist())[0]
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"


def _with_text(batch: "pa.RecordBatch", rows: list[Cells | str]) -> list[Cells | str]:
    """Decode the cells of columns of bytes, as which some programs write text; what is not UTF-8 stays."""
    names = [field.name for field in batch.schema if "binary" in str(field.type)]
    for row in rows if names else []:
        if isinstance(row, dict):
            row.update((name, text_of(row[name])) for name in names)
    return rows


def text_of(cell: object) -> object:
    """Return the text that bytes are in UTF-8; other cells as they are."""
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            return cell
    return [text_of(item) for item in cell] if isinstance(cell, list) else cell
