"""Inputs at an address, such as ``s3://bucket/rows.parquet``, which are copied before they are read."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir

from swissbert.errors import SwissbertError
from swissbert.files import temporary_folder, writing
from swissbert.reading import refuse_web

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How an address begins; anything else is a path."""
SECRET = re.compile(
    r"[^:]+://[^/@:]*:(?!\d+/).*@|.*[?&]([^=&]*[_-])?(secret|password|passwd|token|sig|signature|key)=", re.IGNORECASE
)
"""An address with a password before the host, or with a key among its parameters. A port, or a user alone, is none."""
BLOCK = 2**22
"""Bytes that are copied at once."""


def is_address(source: str) -> bool:
    """Whether an input is an address and not a path."""
    return ADDRESS.match(source) is not None


def check_address(source: str) -> None:
    """Raise SwissbertError if an input is an address with a password or a key, which messages would repeat."""
    if is_address(source) and SECRET.match(source):
        scheme = source.partition(":")[0]
        raise SwissbertError(
            f"the input is an address of {scheme} with a password or key in it, which messages and the history of the shell "
            "would show; credentials come from the environment, for s3 from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the "
            "files of AWS"
        )


@contextmanager
def local_input(source: str, log: Callable[[str], object]) -> Iterator[str]:
    """Yield the path of an input; that of a temporary copy if it is an address.

    The copy has the name, the bytes and the modification time of the original, so that a job that is resumed recognises its
    input. It is removed at the end, and what a killed process left is removed by the next one.

    Args:
        source: A path, or an address that pyarrow reads: ``s3://``, ``gs://``, ``abfs://``, ``hdfs://`` or ``file://``.
        log: Called with a sentence about the copy.

    Raises:
        SwissbertError: If the address has a password or key in it or is one of the web, there is no such file, or it cannot
            be copied.
    """
    if not is_address(source):
        yield source
        return
    check_address(source)
    refuse_web(source)
    with ExitStack() as stack:
        parent = Path(gettempdir())
        with writing(parent):
            folder = stack.enter_context(temporary_folder(parent, "swissbert-input-"))
        yield str(_copied(source, folder, log))


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
