"""The base classes of file formats.

A format turns a file into numbered rows of cells. It knows nothing of tasks, labels or checks: those are applied to the
cells of every format alike (see `swissbert.data.row_checks`).
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import ClassVar, TextIO

from swissbert.data.formats.compression import decompressed
from swissbert.data.formats.encoding import open_text, unreadable
from swissbert.errors import SwissbertError
from swissbert.reading import open_regular

Cells = dict[str, object]
"""The cells of one row by column name."""
NumberedCells = tuple[int, Cells | str]
"""A row's number and its cells, or the reason why it cannot be split into cells."""
OnOpen = Callable[[io.BufferedReader], object]
"""Called with the bytes of a text file, as they are on disk, so that a caller can tell how far they have been read."""


OnNote = Callable[[str], object]
"""Called with a sentence about anything that was detected rather than declared."""


def ignore_note(note: str) -> None:
    """Do nothing with a note."""


OnColumns = Callable[[Sequence[str]], object]
"""Called with the names of all columns, also if there are no rows."""


def ignore_columns(names: Sequence[str]) -> None:
    """Do nothing with the names of columns."""


@dataclass(frozen=True)
class ReadOptions:
    """Options of reading a file.

    Attributes:
        quotes: Whether quotes in delimited text are syntax; None for the format's own default.
        text: Column name of the text, for formats without column names.
        text_pair: Column name of the second text of a pair, for formats without column names; None for single texts.
        delimiter: What separates the cells of delimited text; None for the format's own, or another one by which alone
            the header has the expected columns.
        encoding: Encoding of text; None to detect it (see `swissbert.data.formats.encoding`).
        header: Whether delimited text has a header. Without one, columns are named by their numbers, ``"1"`` and so on.
        columns: Names of all columns that are read.
        only_columns: Whether cells of other columns may be left out, except in the first row, which names all columns.
        texts: Names of the columns with the text or both texts of a pair: several tuples if a file may have one or the
            other. Delimiter and header are recognised by them; empty if nothing is expected.
        is_input: Whether all columns are wanted and no label: a header without rows then has to have the expected columns.
        is_stream: Whether rows are wanted as they come, so that no lines are read ahead to see what the first one means.
        on_note: Called with a sentence about anything that was detected rather than declared.
        on_columns: Called with the names of all columns by formats that know them without rows.
    """

    quotes: bool | None = None
    text: str = "text"
    text_pair: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    columns: tuple[str, ...] = ()
    only_columns: bool = False
    texts: tuple[tuple[str, ...], ...] = ()
    is_input: bool = False
    is_stream: bool = False
    on_note: OnNote = field(default=ignore_note, compare=False)
    on_columns: OnColumns = field(default=ignore_columns, compare=False)


class Format(ABC):
    """A file format; see `TextFormat` for text files. A new one is a subclass in a file here and one line in `swissbert.data.formats.FORMATS`.

    From outside the package, an instance is passed as the ``format`` of a `swissbert.Task`. Data of such a format are
    not kept in the token cache, because nothing there would tell one version of its code from another.

    Attributes:
        name: Name in settings, messages and saved files.
        endings: File endings that stand for the format, in small letters with the dot.
        has_columns: Whether files name their columns. Other formats use the names in `ReadOptions`.

    Example::

        class Paragraphs(TextFormat):
            name = "paragraphs"
            has_columns = False

            def parse(self, file, where, options):
                for number, text in enumerate(file.read().split("\\n\\n"), 1):
                    yield number, {options.text: text}
    """

    name: str
    endings: tuple[str, ...] = ()
    has_columns: ClassVar[bool] = True

    @abstractmethod
    def cells(self, path: Path, options: ReadOptions, on_open: OnOpen | None = None) -> Iterator[NumberedCells]:
        """Yield the rows of a file one by one, so that memory does not grow with the file.

        Args:
            path: The file.
            options: How to read it.
            on_open: Called with the open file by text formats; see `TextFormat`.

        Yields:
            A number and cells by column name, or a number and the reason why a row cannot be used. Numbers are lines in
            text files, else rows from 1.

        Raises:
            OSError: If the file cannot be read.
            SwissbertError: If it is not of this format.
        """

    def fits(self, start: str, options: ReadOptions) -> bool:
        """Return whether a file of another ending is laid out as this format and has the expected columns.

        Args:
            start: The beginning of the file as text, at least its first line.
            options: How it would be read; its `ReadOptions.texts` are the expected columns.
        """
        return False

    def count_rows(self, path: Path) -> int | None:
        """Return the number of rows if it is known without reading the file, else None."""
        return None

    def __eq__(self, other: object) -> bool:
        """Formats are equal if they have the same class and attributes, so that copied or unpickled tasks stay equal."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash by class and name."""
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        """Return the format's name."""
        return self.name


class TextFormat(Format):
    """A format of text files, compressed or not, in UTF-8 or in the encoding that is set.

    Bytes that cannot be decoded reach `parse` as lone surrogates, so that they cost only the rows that hold them.
    """

    newline: ClassVar[str | None] = None
    """As in `open`: None translates line ends, an empty string keeps them."""

    def cells(self, path: Path, options: ReadOptions, on_open: OnOpen | None = None) -> Iterator[NumberedCells]:
        """Open the file, decompress and decode it, and `parse` it."""
        with open_regular(path) as raw:
            if on_open:
                on_open(raw)
            yield from self.read(raw, str(path), options, at_once=True)

    def read(
        self, raw: io.BufferedReader, where: str, options: ReadOptions, *, at_once: bool = False
    ) -> Iterator[NumberedCells]:
        """Yield the rows of an open file of bytes as `cells` does.

        Args:
            raw: The file, at its start.
            where: Its name in messages.
            options: How to read it.
            at_once: Whether its start may be read at once to detect its encoding; otherwise what a pipe has ready is
                looked at.
        """
        with decompressed(raw, where) as (data, compression):
            if compression:
                options.on_note(f"{PurePath(where).name}: decompressed ({compression})")
            file = open_text(
                data,
                where,
                options.encoding,
                newline=self.newline,
                at_once=at_once,
                on_note=options.on_note,
            )
            yield from self.parse(file, where, options)

    @abstractmethod
    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield the rows of an open file.

        Args:
            file: The file, at its start.
            where: Its name in error messages.
            options: How to read it.

        Yields:
            As `cells`.

        Raises:
            SwissbertError: If the file is not of this format.
        """


class MissingFormat(Format):
    """A format from outside the package of which only the name is known, as in the description of a stored model."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cells(self, path: Path, options: ReadOptions, on_open: OnOpen | None = None) -> Iterator[NumberedCells]:
        """Raise SwissbertError: there is nothing to read the file with."""
        raise SwissbertError(
            f"{path}: the format '{self.name}' of the task is not one of swissbert's; read the file with a task whose "
            "format is the Format object, or pass rows from Python"
        )


def check_columns(names: Sequence[str], where: str, read: Collection[str] = ()) -> None:
    """Check the column names of a file.

    Args:
        names: The names; empty ones are columns without a name.
        where: Name of the file in error messages.
        read: The columns that are read; others may have the same name.

    Raises:
        SwissbertError: If a name is unreadable, or one that is read is used twice.
    """
    if why := unreadable("".join(names)):
        raise SwissbertError(f"{where}: the header has {why}; save the file as UTF-8 text, or name its encoding")
    if twice := repeated(name for name in names if name in read):
        raise SwissbertError(f"{where}: the header names column '{twice}' twice; rename one of the two")


def repeated(names: Iterable[str]) -> str | None:
    """Return the first name, other than an empty one, that occurs a second time."""
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            return name
        seen.add(name)
    return None
