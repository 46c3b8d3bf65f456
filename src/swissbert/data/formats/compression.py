"""Compressed files and archives, recognised by their first bytes and decompressed while they are read.

Files that hold no rows at all (spreadsheets, documents, web pages) are recognised here too, and refused in one sentence.
"""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Any, NoReturn, Protocol, cast

from swissbert.data.formats.limits import EXPANDED, EXPANSION
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
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
DOCUMENTS = (".docx", ".doc", ".odt", ".pages", ".pdf")
PICKLE = "a pickle, which is not read because it may run code; save its table as CSV or Parquet and name that file"
REFUSED = {
    b"\xd0\xcf\x11\xe0": "a file of an office program; save its table as CSV in UTF-8 and name that file",
    b"%PDF": "a PDF document; save its table as CSV in UTF-8 and name that file",
    b"version https://git-lfs": "a pointer of Git LFS and not the data; 'git lfs pull' fetches them",
    b"<!doctype html": "a web page and not the data; download the raw file",
    b"<html": "a web page and not the data; download the raw file",
    b"<?xml": "an XML document; save its table as CSV in UTF-8 and name that file",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet, for instance with pandas.read_feather(...).to_parquet(...)",
    b"\xff\xff\xff\xff": "an Arrow stream, as datasets stores it; save it as Parquet with Dataset.to_parquet(...)",
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"\x93NUMPY": "a numpy array; save its rows as CSV in UTF-8 and name that file",
    b"\x89HDF": "an HDF5 file; save its table as CSV in UTF-8 and name that file",
    b"7z\xbc\xaf": "a 7z archive; extract it and name the data file in it",
    b"Rar!": "a rar archive; extract it and name the data file in it",
    b"SQLite format 3": "a database; export its table as CSV in UTF-8 and name that file",
}
"""First bytes, in small letters where they are letters, of files that hold no rows, and what they are."""
MEMBERS_SHOWN = 5
"""Files of an archive that a message lists."""
XZ_MEMORY = 2**27
"""Bytes of memory that an xz file may ask for: twice what the strongest usual setting does."""
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""Methods of zip archives that are read; others ask for as much memory as they like."""
PIECE = 2**13
"""Bytes that a decompressor of a stream gets at once; it may wait with few of them, so they count as read."""
LARGEST_READ = 2**20
"""Bytes that a decompressor may ask for at once, as for the list of files of a zip archive."""
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
        source = cast(IO[bytes], _Source(file, str(path), LARGEST_READ))
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
    source = _Source(raw, where, LARGEST_READ if name == "zip" else PIECE)
    with _damage(where, name), _decompressor(source, name, where) as stream:
        data = io.BufferedReader(cast(Any, _Bounded(stream, source)), 2**16)
        refuse_other_files(data.peek(64), where)
        yield data, name


def refuse_other_files(start: bytes, where: str) -> None:
    """Raise SwissbertError if a file is of a program that does not write rows of text; `start` is its first bytes."""
    ending = PurePath(where).suffix.lower()
    if PurePath(where).stem.endswith(".tar") or ending in (".tar", ".tgz"):
        raise SwissbertError(f"{where}: this is a tar archive; extract it and name the data file in it")
    if ending in (*SPREADSHEETS, *DOCUMENTS) and (compression_of(start) == "zip" or not start):
        _refuse(where, ending)
    for magic, what in REFUSED.items():
        if start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(magic.lower()):
            if ending in SPREADSHEETS:
                _refuse(where, ending)
            raise SwissbertError(f"{where}: this is {what}")


def _refuse(where: str, ending: str = "") -> NoReturn:
    what = "document" if ending in DOCUMENTS else "spreadsheet"
    raise SwissbertError(
        f"{where}: this is a {what}; save its table as CSV in UTF-8 in the program that wrote it, and name that file"
    )


@contextmanager
def _decompressor(source: "_Source", name: str, where: str) -> Iterator[IO[bytes]]:
    """Open a stream of decompressed bytes."""
    raw = cast(Any, source)
    if name == "gzip":
        with _Streams(source, _Gzip) as stream:
            yield cast(IO[bytes], stream)
    elif name == "bzip2":
        with bz2.BZ2File(raw) as stream:
            yield cast(IO[bytes], stream)
    elif name == "xz":
        with _Streams(source, _xz) as stream:
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
        _refuse(where)
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


class _Source(io.RawIOBase):
    """A compressed file, of which the bytes that are read are counted.

    Args:
        raw: The file.
        where: Its name in messages.
        most: Most bytes of one read.

    Attributes:
        count: Number of bytes that were read.
    """

    def __init__(self, raw: IO[bytes], where: str, most: int) -> None:
        self._raw, self.where, self._most, self.count = raw, where, most, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._raw.seekable()

    def tell(self) -> int:
        return self._raw.tell()

    def seek(self, position: int, whence: int = 0) -> int:
        if whence == 0 and position < 0:
            raise OSError(f"{position} is no place in a file")  # of a damaged archive; the system's error has a number
        return self._raw.seek(position, whence)

    def read(self, size: int | None = -1) -> bytes:
        if self._most < LARGEST_READ:
            size = self._most if size is None or size < 0 else min(size, self._most)
        data = self._raw.read(LARGEST_READ + 1 if size is None or size < 0 else min(size, LARGEST_READ + 1))
        if len(data) > LARGEST_READ:
            raise SwissbertError(
                f"{self.where}: the archive lists too many files; extract it and name the data file in it"
            )
        self.count += len(data)
        return data


class _Bounded(io.RawIOBase):
    """Decompressed bytes, at most `EXPANDED` or `EXPANSION` times the compressed ones."""

    def __init__(self, stream: IO[bytes], source: _Source) -> None:
        self._stream, self._source, self._count = stream, source, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._count += len(data)
        if self._count > max(EXPANDED, EXPANSION * self._source.count):
            raise SwissbertError(
                f"{self._source.where}: the compressed data become more than {EXPANSION} times as large, which no table "
                "of texts does; decompress the file first if it is meant"
            )
        return len(data)


class _Decompressor(Protocol):
    """A decompressor of one stream, as those of the modules bz2 and lzma."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more output needs more input."""

    @property
    def unused_data(self) -> bytes:
        """What was given after the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what becomes of further bytes; what does not fit into `max_length` is kept."""


class _Gzip:
    """A decompressor of one gzip stream. The module gzip reads the file name in a header byte by byte, however long it is."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(0, max_length))


def _xz() -> lzma.LZMADecompressor:
    """Return a decompressor of one xz stream in bounded memory, which `lzma.LZMAFile` has no argument for."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class _Streams(io.RawIOBase):
    """Decompressed streams that follow each other in a file; bytes of zero between them and after them are padding."""

    def __init__(self, source: _Source, new: Callable[[], _Decompressor]) -> None:
        self._source, self._new, self._rest = source, new, b""
        self._decompressor = new()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._decompressor.eof:
                self._rest = self._decompressor.unused_data.lstrip(b"\0")
                while not self._rest and (piece := self._source.read(2**16)):
                    self._rest = piece.lstrip(b"\0")
                if not self._rest:
                    return b""
                self._decompressor = self._new()
            elif self._decompressor.needs_input and not self._rest:
                self._rest = self._source.read(2**16)
                if not self._rest:
                    raise EOFError("it ends before its end-of-stream marker")
            data, self._rest = self._decompressor.decompress(self._rest, size), b""
            if data:
                return data
