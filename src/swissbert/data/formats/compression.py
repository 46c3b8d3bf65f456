"""Compressed files and archives, recognised by their first bytes and decompressed while they are read."""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Any, cast

from swissbert.data.formats.decompression import XZ_MEMORY, bounded, counted, gzip_streams, xz_streams
from swissbert.data.formats.other_files import refuse_document, refuse_other_files
from swissbert.errors import SwissbertError
from swissbert.reading import open_regular
from swissbert.wording import shortened

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty archive
}
"""First bytes of compressed files, and the name of the compression."""
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".zip")
"""Endings of compressed files; the format is that of the ending before them."""
MEMBERS_SHOWN = 5
"""Files of an archive that a message lists."""
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""Methods of zip archives that are read; others ask for as much memory as they like."""
PIECE = 2**13
"""Bytes that a decompressor of a stream gets at once; it may wait with few of them, so they count as read."""
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, OSError)
"""Exceptions of decompressors for damaged data; an `OSError` only without a number of the operating system."""


def ending_of(name: str | PurePath) -> str:
    """Return the ending that a file's format goes by, in small letters: that before ``.gz`` and the like."""
    path = PurePath(name)
    while path.suffix.lower() in COMPRESSED and PurePath(path.stem).suffix:
        path = PurePath(path.stem)
    return path.suffix.lower()


def compression_of(start: bytes) -> str | None:
    """Return the name of the compression of a file by its first bytes; None if it is not compressed."""
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)


def member_name(path: Path) -> str:
    """Return the name that a file's format goes by: of a zip archive that of the file in it, else its own.

    Raises:
        OSError: If the file cannot be read.
        SwissbertError: If it is an archive that is damaged or has not exactly one file.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        return path.name
    with open_regular(path) as file, _damage(str(path), "zip"):
        if compression_of(file.read(8)) != "zip":
            return path.name
        source = cast(IO[bytes], counted(cast(IO[bytes], file), str(path)))
        with _file_names(), zipfile.ZipFile(source) as archive:
            return _only_member(archive, str(path)).filename


@contextmanager
def decompressed(raw: io.BufferedReader, where: str) -> Iterator[tuple[io.BufferedReader, str | None]]:
    """Open the bytes of a file, decompressed as they are read.

    Args:
        raw: The file at its start; it may be a pipe, except for zip archives.
        where: Its name in error messages, by whose ending spreadsheets are recognised.

    Yields:
        The bytes, and the name of the compression or None.

    Raises:
        SwissbertError: If the file is a spreadsheet, a document or the like, or if it is damaged; the second also
            while the block reads.
    """
    start = raw.peek(64)
    refuse_other_files(start, where)
    name = compression_of(start)
    if name is None:
        yield raw, None
        return
    source = counted(raw, where) if name == "zip" else counted(raw, where, PIECE)
    with _damage(where, name), _decompressor(source, name, where) as stream:
        data = io.BufferedReader(cast(Any, bounded(stream, source)), 2**16)
        refuse_other_files(data.peek(64), where)
        yield data, name


@contextmanager
def _decompressor(source: io.RawIOBase, name: str, where: str) -> Iterator[IO[bytes]]:
    """Open a stream of decompressed bytes."""
    raw = cast(Any, source)
    if name == "gzip":
        with gzip_streams(source) as stream:
            yield cast(IO[bytes], stream)
    elif name == "bzip2":
        with bz2.BZ2File(raw) as stream:
            yield cast(IO[bytes], stream)
    elif name == "xz":
        with xz_streams(source) as stream:
            yield cast(IO[bytes], stream)
    elif name == "zstd":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            yield stream
    else:
        if not source.seekable():
            raise SwissbertError(f"{where}: a zip archive is read from its end, so it must be a file and not a pipe")
        with _file_names():
            archive = zipfile.ZipFile(raw)
        with archive:
            with _file_names():
                member = archive.open(_only_member(archive, where))
            with member as stream:
                yield stream


@contextmanager
def _file_names() -> Iterator[None]:
    """Turn the error for a file name in an archive that is no UTF-8, though it is said to be, into that for damage."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile("the name of a file in it is no UTF-8") from error


def _only_member(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    """Return the data file of an archive, without what operating systems add to one."""
    names = archive.namelist()
    if "[Content_Types].xml" in names or "mimetype" in names:
        refuse_document(where)
    members = [
        info
        for info in archive.infolist()
        if not (
            not info.filename
            or info.is_dir()
            or info.filename.startswith("__MACOSX/")
            or PurePath(info.filename).name.startswith(".")
        )
    ]
    if len(members) != 1:
        files = shortened([info.filename for info in members], MEMBERS_SHOWN)
        holds = f"{len(members)} files ({files})" if members else "no file"
        raise SwissbertError(
            f"{where}: the zip archive holds {holds}, but one data file is expected; extract what is to be read"
        )
    if members[0].flag_bits & 1:
        raise SwissbertError(f"{where}: the zip archive is encrypted; extract it with its password first")
    if members[0].compress_type not in ZIP_METHODS:
        raise SwissbertError(f"{where}: the zip archive is compressed by a method that is not read; extract it first")
    return members[0]


@contextmanager
def _damage(where: str, name: str) -> Iterator[None]:
    """Turn the errors of damaged data into one sentence. Errors of the file system pass."""
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        if "Memory usage limit" in reason:
            raise SwissbertError(
                f"{where}: the {name} data need more than {XZ_MEMORY >> 20} MB of memory; decompress the file first"
            ) from error
        raise SwissbertError(
            f"{where}: the {name} data are damaged or cut off ({reason}); download or copy the file again"
        ) from error
