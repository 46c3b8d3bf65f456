"""Paths that other libraries can use."""

import os
import sys
from pathlib import Path

from swissbert.errors import SwissbertError


def check_path(path: str | Path, argument: str) -> None:
    """Check that a path is UTF-8 text.

    The libraries that read and write weights, tokenizers and tables take no other paths, and settings are stored as text.

    Args:
        path: The path, which need not exist.
        argument: Name of the argument that gives it.

    Raises:
        SwissbertError: If it has other bytes, or they cannot be told in the encoding that Python uses for paths.
    """
    try:
        is_text = os.fsencode(path) == str(path).encode("utf-8")
    except UnicodeError:
        is_text = False
    if not is_text:
        encoding = sys.getfilesystemencoding()
        help = "rename it" if encoding == "utf-8" else f"Python reads paths as {encoding} here: set PYTHONUTF8=1"
        raise SwissbertError(
            f"{argument} is {str(path)!a}, which has bytes that are not UTF-8; paths of models and tables must be UTF-8: {help}",
            argument=argument,
        )
