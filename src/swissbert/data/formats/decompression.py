"""Decompressed bytes of a file, bounded in size and memory, while the file is read."""

import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol, cast

from swissbert.data.formats.limits import EXPANDED, EXPANSION
from swissbert.errors import SwissbertError

XZ_MEMORY = 2**27
"""Bytes of memory that an xz file may ask for: twice what the strongest usual setting does."""
LARGEST_READ = 2**20
"""Bytes that a decompressor may ask for at once, as for the list of files of a zip archive."""


def counted(raw: IO[bytes], where: str, most: int = LARGEST_READ) -> "_Source":
    """Return a compressed file of which the bytes that are read are counted.

    Args:
        raw: The file.
        where: Its name in messages.
        most: Most bytes of one read.
    """
    return _Source(raw, where, most)


def bounded(stream: IO[bytes], source: "_Source") -> io.RawIOBase:
    """Return decompressed bytes of a source, at most `EXPANDED` or `EXPANSION` times as many as were read from it.

    Raises:
        SwissbertError: When there are more.
    """
    return _Bounded(stream, source)


def gzip_streams(source: io.RawIOBase) -> io.RawIOBase:
    """Return what the gzip streams of a source hold."""
    return _Streams(source, _Gzip)


def xz_streams(source: io.RawIOBase) -> io.RawIOBase:
    """Return what the xz streams of a source hold, in bounded memory."""
    return _Streams(source, _xz)


class _Source(io.RawIOBase):
    """The file of `counted`.

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
    """The bytes of `bounded`."""

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

    def __init__(self, source: io.RawIOBase, new: Callable[[], _Decompressor]) -> None:
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
