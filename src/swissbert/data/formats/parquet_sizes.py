"""What the rows of a Parquet file take in memory, which may be far more than the file: repeated values take a few bits."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from swissbert.data.formats.limits import EXPANDED, PARQUET_EXPANSION, TOGETHER
from swissbert.data.formats.parquet_footer import Chunk
from swissbert.errors import SwissbertError

BATCH_ROWS = 1024
"""Rows that are decoded at a time, if they are not large."""
ROW_BYTES = 64
"""Memory that a row takes at least."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12, "BYTE_ARRAY": 4}
"""Bytes of a value by physical type, of texts without their characters; others take 8."""


def refuse_expansion(
    metadata: Any, groups: Sequence[Sequence[Chunk]], size: int, columns: Collection[str], where: str
) -> None:
    """Raise SwissbertError if a file becomes far larger than it is, by what its footer says.

    Args:
        metadata: The footer, ``pyarrow.parquet.FileMetaData``.
        groups: The chunks of each row group.
        size: Bytes of the file.
        columns: The columns that are read.
        where: Name of the file in messages.
    """
    values = metadata.num_rows * ROW_BYTES
    packed = unpacked = 0
    for group in groups:
        for chunk, width in _chunks(metadata, group, columns):
            values += chunk.values * width
            packed += chunk.packed
            unpacked += chunk.unpacked
    if values > max(EXPANDED, PARQUET_EXPANSION * size) or unpacked > max(EXPANDED, PARQUET_EXPANSION * packed):
        raise SwissbertError(
            f"{where}: its {metadata.num_rows:,} rows become more than {PARQUET_EXPANSION} times as large as the file, which no "
            "table of texts does; are there rows without texts, or the same ones again and again?"
        )


def batch_rows(
    path: Path, metadata: Any, groups: Sequence[Sequence[Chunk]], group: int, columns: Collection[str]
) -> int:
    """Return how many rows of a row group to decode at a time, so that they fit into memory.

    Args:
        path: The file.
        metadata: Its footer.
        groups: The chunks of each row group.
        group: Number of the row group.
        columns: The columns that are read.
    """
    rows = max(1, metadata.row_group(group).num_rows)
    chunks = _chunks(metadata, groups[group], columns)
    row_bytes = sum(chunk.values * width + chunk.unpacked for chunk, width in chunks)
    repeated = [chunk for chunk, _ in chunks if chunk.type == "BYTE_ARRAY" and chunk.has_dictionary]
    row_bytes //= rows
    if repeated and min(rows, BATCH_ROWS) * sum(chunk.unpacked for chunk in repeated) > TOGETHER:
        for column, longest in _longest_repeated(path, group, [chunk.path for chunk in repeated]).items():
            count = next(chunk.values for chunk in repeated if chunk.path == column)
            row_bytes += longest * max(1, -(-count // rows))
    return int(max(1, min(BATCH_ROWS, TOGETHER // max(1, row_bytes))))


def _chunks(metadata: Any, group: Sequence[Chunk], columns: Collection[str]) -> list[tuple[Chunk, int]]:
    """Return the chunks of a row group that belong to columns, each with the bytes of one decoded value."""
    read, chunks = set(columns), []
    for number, chunk in enumerate(group):
        if chunk.path in read or _top(chunk.path, read):
            is_fixed = chunk.type == "FIXED_LEN_BYTE_ARRAY"
            width = metadata.schema.column(number).length if is_fixed else WIDTHS.get(chunk.type, 8)
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
