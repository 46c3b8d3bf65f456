"""What the rows of a Parquet file take in memory, which may be far more than the file: repeated values take a few bits."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from swissbert.data.formats.limits import EXPANDED, PARQUET_EXPANSION, TOGETHER
from swissbert.errors import SwissbertError

BATCH_ROWS = 1024
"""Rows that are decoded at a time, if they are not large."""
ROW_BYTES = 64
"""Memory that a row takes at least."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12, "BYTE_ARRAY": 4}
"""Bytes of a value by physical type, of texts without their characters; others take 8."""


def refuse_expansion(metadata: Any, size: int, columns: Collection[str], where: str) -> None:
    """Raise SwissbertError if a file becomes far larger than it is, by what its footer says.

    Args:
        metadata: The footer, ``pyarrow.parquet.FileMetaData``.
        size: Bytes of the file.
        columns: The columns that are read.
        where: Name of the file in messages.
    """
    values = metadata.num_rows * ROW_BYTES
    packed = unpacked = 0
    for group in range(metadata.num_row_groups):
        for column, width in _chunks(metadata, group, columns):
            values += column.num_values * width
            packed += column.total_compressed_size
            unpacked += column.total_uncompressed_size
    if values > max(EXPANDED, PARQUET_EXPANSION * size) or unpacked > max(EXPANDED, PARQUET_EXPANSION * packed):
        raise SwissbertError(
            f"{where}: its {metadata.num_rows:,} rows become more than {PARQUET_EXPANSION} times as large as the file, which no "
            "table of texts does; are there rows without texts, or the same ones again and again?"
        )


def batch_rows(path: Path, metadata: Any, group: int, columns: Collection[str]) -> int:
    """Return how many rows of a row group to decode at a time, so that they fit into memory.

    Args:
        path: The file.
        metadata: Its footer.
        group: Number of the row group.
        columns: The columns that are read.
    """
    rows = max(1, metadata.row_group(group).num_rows)
    chunks = _chunks(metadata, group, columns)
    row_bytes = sum(column.num_values * width + column.total_uncompressed_size for column, width in chunks)
    repeated = [column for column, _ in chunks if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page]
    row_bytes //= rows
    if repeated and min(rows, BATCH_ROWS) * sum(column.total_uncompressed_size for column in repeated) > TOGETHER:
        for column, longest in _longest_repeated(path, group, [column.path_in_schema for column in repeated]).items():
            count = next(chunk.num_values for chunk in repeated if chunk.path_in_schema == column)
            row_bytes += longest * max(1, -(-count // rows))
    return int(max(1, min(BATCH_ROWS, TOGETHER // max(1, row_bytes))))


def _chunks(metadata: Any, group: int, columns: Collection[str]) -> list[tuple[Any, int]]:
    """Return the chunks of a row group that belong to columns, each with the bytes of one decoded value."""
    row_group, read = metadata.row_group(group), set(columns)
    chunks = []
    for number in range(row_group.num_columns):
        chunk = row_group.column(number)
        if chunk.path_in_schema in read or _top(chunk.path_in_schema, read):
            is_fixed = chunk.physical_type == "FIXED_LEN_BYTE_ARRAY"
            width = metadata.schema.column(number).length if is_fixed else WIDTHS.get(chunk.physical_type, 8)
            chunks.append((chunk, int(width)))
    return chunks


def _top(path: str, read: set[str]) -> bool:
    """Return whether a path in a schema leads into one of some columns, whose names may have dots themselves."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in read for count in range(1, len(parts)))


def _longest_repeated(path: Path, group: int, columns: list[str]) -> dict[str, int]:
    """Return the bytes of the longest text among those that a column repeats."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    longest: dict[str, int] = {}
    for column in columns:
        longest[column] = 0
        with pq.ParquetFile(path, read_dictionary=[column]) as file:
            for batch in file.iter_batches(BATCH_ROWS, [group], [column]):
                array = batch.columns[0]
                while isinstance(array, pa.ListArray | pa.LargeListArray | pa.StructArray | pa.MapArray):
                    array = array.flatten()[0] if isinstance(array, pa.StructArray) else array.flatten()
                if not isinstance(array, pa.DictionaryArray) or array.null_count < len(array):
                    if isinstance(array, pa.DictionaryArray):
                        longest[column] = pc.max(pc.binary_length(array.dictionary)).as_py() or 0
                    break
    return longest
