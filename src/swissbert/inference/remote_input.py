"""Inputs at an address, such as ``s3://bucket/rows.parquet``, which are copied before they are read."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from swissbert.errors import SwissbertError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How an address begins; anything else is a path."""
BLOCK = 2**22
"""Bytes that are copied at once."""


def is_address(source: str) -> bool:
    """Whether an input is an address and not a path."""
    return ADDRESS.match(source) is not None


@contextmanager
def local_input(source: str, log: Callable[[str], object]) -> Iterator[str]:
    """Yield the path of an input; that of a temporary copy if it is an address.

    The copy has the name, the bytes and the modification time of the original, so that a job that is resumed recognises its
    input. It is removed at the end.

    Args:
        source: A path, or an address that pyarrow reads: ``s3://``, ``gs://``, ``abfs://``, ``hdfs://`` or ``file://``.
        log: Called with a sentence about the copy.

    Raises:
        SwissbertError: If there is no such file, or it cannot be copied.
    """
    if not is_address(source):
        yield source
        return
    with TemporaryDirectory(prefix="swissbert-") as folder:
        yield str(_copied(source, Path(folder), log))


def _copied(source: str, folder: Path, log: Callable[[str], object]) -> Path:
    import pyarrow as pa
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(source)
        file = system.get_file_info(path)
        if file.type != fs.FileType.File:
            what = "a folder, and one file is read" if file.type == fs.FileType.Directory else "there is no such file"
            raise SwissbertError(f"{source}: {what}")
        copy: Path = folder / file.base_name
        log(f"{source}: copied to {copy} ({(file.size or 0) / 2**20:,.1f} MB)")
        # without compression=None, a name that ends with .gz would be decompressed
        with system.open_input_stream(path, compression=None) as given, copy.open("wb") as out:
            shutil.copyfileobj(given, out, BLOCK)
        if file.mtime_ns is not None:
            os.utime(copy, ns=(file.mtime_ns, file.mtime_ns))
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SwissbertError(f"{source}: cannot be copied ({reason})") from error
    return copy
