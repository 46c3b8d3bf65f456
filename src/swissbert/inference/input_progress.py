"""How much of an input is answered."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from swissbert.data.formats import Format
from swissbert.inference.input_rows import InputRow


class CountedRows:
    """Rows of an input, counted as they are read.

    Attributes:
        count: Number of rows that were read so far.
    """

    def __init__(self, rows: Iterable[InputRow]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[InputRow]:
        """Yield and count the rows."""
        for row in self._rows:
            self.count += 1
            yield row


def share_done(
    source: Path, files: list[io.BufferedReader], format: Format, rows: CountedRows
) -> Callable[[int], float]:
    """Return a function that turns rows done into the share of the input done.

    Args:
        source: The input.
        files: The open file of a text format, whose position counts; empty for other formats, whose rows count.
        format: The format of the input.
        rows: The rows, which are read before they are answered.
    """
    if not files:
        total = format.count_rows(source)
        return lambda done: done / max(1, total) if total is not None else 0.0
    size = max(1, source.stat().st_size)

    def share(done: int) -> float:
        file = files[0]
        is_read = 1.0 if file.closed else file.tell() / size
        return is_read * min(1.0, done / max(1, rows.count))

    return share
