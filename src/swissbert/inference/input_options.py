"""How an input is read where that differs from what tasks declare for their files."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from swissbert.data.formats import Delimited, Format, JsonLines, ReadOptions, TextFormat, codec_of, one_character
from swissbert.errors import SwissbertError
from swissbert.inference.input_columns import NO_COLUMNS, InputColumns


@dataclass(frozen=True)
class InputOptions:
    """Options of reading an input in place of those that the first task declares; None for its own.

    Attributes:
        columns: Names of columns.
        encoding: Encoding of text, such as ``windows-1252``.
        delimiter: What separates the cells of delimited text: one character, or ``tab``.
        header: Whether delimited text has a header. Without one, and in JSON lists, columns are numbers from 1.
    """

    columns: InputColumns = NO_COLUMNS
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None

    def over(self, declared: ReadOptions) -> ReadOptions:
        """Return what a task declares with these options in its place.

        Raises:
            SwissbertError: If there is no such encoding or delimiter.
        """
        options = declared
        if self.encoding is not None:
            _checked("encoding", codec_of, self.encoding)
            options = replace(options, encoding=self.encoding)
        if self.delimiter is not None:
            options = replace(options, delimiter=_checked("delimiter", one_character, self.delimiter))
        return options if self.header is None else replace(options, header=self.header)

    def check(self, format: Format, where: str) -> None:
        """Raise SwissbertError if the format of an input has none of what is given."""
        for name, given, formats in (
            ("encoding", self.encoding, (TextFormat,)),
            ("delimiter", self.delimiter, (Delimited,)),
            ("header", self.header, (Delimited, JsonLines)),
        ):
            if given is not None and not isinstance(format, formats):
                value = str(given).lower() if name == "header" else repr(given)
                raise SwissbertError(
                    f"{name} is {value}, but {where} is read as {format.name}, which has none; format or delimiter says "
                    "otherwise",
                    argument=name,
                )

    def as_json(self) -> dict[str, Any]:
        """Return the options by name, as the record of a job has them."""
        return {
            "columns": self.columns._asdict(),
            "encoding": self.encoding,
            "delimiter": None if self.delimiter is None else _checked("delimiter", one_character, self.delimiter),
            "header": self.header,
        }


AS_DECLARED = InputOptions()


def _checked(name: str, check: Callable[[str], str], value: str) -> str:
    """Return what a check makes of a value; raise SwissbertError that names the option if it is not allowed."""
    try:
        return check(value)
    except ValueError as error:
        raise SwissbertError(str(error), argument=name) from None
