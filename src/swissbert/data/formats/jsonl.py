"""JSON Lines: one object with column names on each line."""

import json
from collections.abc import Iterator
from typing import TextIO

from swissbert.data.formats.base import NumberedCells, ReadOptions, TextFormat
from swissbert.data.formats.encoding import unreadable


class JsonLines(TextFormat):
    """JSON Lines. Blank lines are passed over; numbers are lines."""

    name = "jsonl"
    endings = (".jsonl", ".ndjson")

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield the objects, or why a line holds none."""
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except RecursionError:
                yield number, "not a JSON object (nested too deeply)"
                continue
            except ValueError as error:  # also raised for numbers of thousands of digits
                yield number, f"not a JSON object ({getattr(error, 'msg', error)})"
                continue
            if not isinstance(cells, dict):
                yield number, f"a JSON {type(cells).__name__}, not an object with column names"
            elif why := unreadable("".join(cells)):
                yield number, f"a column name with {why}"
            else:
                yield number, cells
