"""The beginning of a file as text, by which its layout is recognised."""

from pathlib import Path

from swissbert.data.formats.base import ReadOptions
from swissbert.data.formats.compression import decompressed
from swissbert.data.formats.encoding import open_text
from swissbert.reading import open_regular

LENGTH = 2**16
"""Characters that are looked at."""


def start_of_text(path: Path, options: ReadOptions) -> str:
    """Return the beginning of a file, decompressed and decoded; empty for a pipe, which can be read once only.

    Args:
        path: The file.
        options: How it is read; nothing is reported here.

    Raises:
        OSError: If the file cannot be read.
        SwissbertError: If it is damaged, or its encoding has to be named.
    """
    if not path.is_file():
        return ""
    with open_regular(path) as raw, decompressed(raw, str(path)) as (data, _):
        return open_text(data, str(path), options.encoding).read(LENGTH)
