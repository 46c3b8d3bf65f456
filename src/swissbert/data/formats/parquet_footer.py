"""Sizes of the column chunks of a Parquet file, read from its footer.

pyarrow has them too, but its C++ library ends the whole process where statistics in a damaged footer do not fit, so they are
read here, before anything else is asked of a chunk. A footer is a structure of Thrift's compact protocol; the numbers of the
fields are those of ``parquet.thrift`` in the Parquet specification.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swissbert.reading import open_regular

MAGIC = b"PAR1"
DEEPEST = 40
"""How deep structures may be nested."""
TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
"""Physical types in the order of their numbers."""
ROW_GROUPS, COLUMNS, METADATA = 4, 1, 3
"""Fields that lead to a chunk: the row groups of a file, the chunks of a row group, what is known of a chunk."""
TYPE, PATH, VALUES, UNPACKED, PACKED, DICTIONARY = 1, 3, 5, 6, 7, 11
"""Fields of a chunk."""
WANTED: Mapping[int, Any] = {
    ROW_GROUPS: {COLUMNS: {METADATA: dict.fromkeys((TYPE, PATH, VALUES, UNPACKED, PACKED, DICTIONARY))}}
}


class Chunk(NamedTuple):
    """The values of one column in one row group.

    Attributes:
        path: Names that lead to the column, joined by dots.
        type: Physical type, in `TYPES`.
        values: Number of values.
        unpacked: Bytes after decompression.
        packed: Bytes in the file.
        has_dictionary: Whether different values are stored once and referred to.
    """

    path: str
    type: str
    values: int
    unpacked: int
    packed: int
    has_dictionary: bool


def read_chunks(path: Path) -> list[list[Chunk]]:
    """Return the chunks of each row group, in the order of the columns.

    Raises:
        OSError, ValueError, LookupError: If the file cannot be read or its footer is damaged.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        end = file.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or length + 8 > size:
            raise ValueError("no footer of a Parquet file at its end")
        file.seek(size - 8 - length)
        footer = _Compact(file.read(length)).structure(WANTED)
    return [[_chunk(column[METADATA]) for column in group.get(COLUMNS, [])] for group in footer.get(ROW_GROUPS, [])]


def _chunk(fields: Mapping[int, Any]) -> Chunk:
    return Chunk(
        ".".join(name.decode("utf-8", "replace") for name in fields[PATH]),
        TYPES[fields[TYPE]],
        max(0, fields[VALUES]),
        max(0, fields[UNPACKED]),
        max(0, fields[PACKED]),
        DICTIONARY in fields,
    )


class _Compact:
    """Reads a structure of Thrift's compact protocol.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def structure(self, wanted: Mapping[int, Any] | None, depth: int = 0) -> dict[int, Any]:
        """Return the wanted fields by number. Inner structures have what `wanted` holds for their field."""
        if depth > DEEPEST:
            raise ValueError(f"structures are nested more than {DEEPEST} deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._integer()
            is_wanted = wanted is not None and number in wanted
            value = self._value(kind, wanted[number] if wanted is not None and is_wanted else None, depth)
            if is_wanted:
                fields[number] = value
        return fields

    def _value(self, kind: int, wanted: Mapping[int, Any] | None, depth: int) -> Any:
        """Return the value of a field, whose type is the low half of the byte before it."""
        if kind in (1, 2):
            return kind == 1
        return self._element(kind, wanted, depth)

    def _element(self, kind: int, wanted: Mapping[int, Any] | None, depth: int) -> Any:
        """Return a value of a list or map, or of a field that is no truth value."""
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            head = self._byte()
            count = self._counted(self._unsigned() if head >> 4 == 15 else head >> 4)
            return [self._element(head & 15, wanted, depth + 1) for _ in range(count)]
        if kind == 11:
            count = self._counted(self._unsigned())
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._element(kinds >> 4, None, depth + 1)
                self._element(kinds & 15, None, depth + 1)
            return None
        if kind == 12:
            return self.structure(wanted, depth + 1)
        raise ValueError(f"a field has type {kind}, which does not exist")

    def _counted(self, count: int) -> int:
        """Return a number of elements, of which each takes a byte or more."""
        if count > len(self._data) - self._at:
            raise ValueError("a list is longer than the footer")
        return count

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += self._counted(count)
        return self._data[self._at - count : self._at]

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number has more than ten bytes")
