"""JSON values one after the other, in an array or on their own, over any number of lines, in memory of one value."""

import json
import re
from collections.abc import Iterator
from typing import TextIO

from swissbert.errors import SwissbertError

CHUNK = 2**18
"""Characters that are read at a time."""
LARGEST = 2**28
"""Characters of the largest value: more than any row has, and no more than fits into the memory of a small machine."""
NUMBER = re.compile(r"[-+.eE0-9]*")
SPACE = re.compile(r"[ \t\r\n]*")


class JsonValues:
    """Values of a JSON text. Iterating, once, yields the line on which each begins, and the value.

    If the text is an array, its items are the values. Text is read in chunks, and a value that does not end in one is
    parsed again with twice as much text, so that the time grows with the length of the text alone.

    Args:
        file: The text.
        where: Its name in error messages.
        start: Text that was read already.

    Attributes:
        is_array: Whether the text is one array; known after the first value.
    """

    def __init__(self, file: TextIO, where: str, start: str = "") -> None:
        self._file, self._where, self._text = file, where, start
        self._position, self._line, self._is_all = 0, 1, False
        self._decoder = json.JSONDecoder()
        self.is_array = False

    def __iter__(self) -> Iterator[tuple[int, object]]:
        """Yield the values.

        Raises:
            SwissbertError: If the text is not JSON, names the line; or if a value has more than `LARGEST` characters.
        """
        self.is_array = self._next() == "["
        if self.is_array:
            self._pass(self._position + 1)
            if self._next() == "]":
                return
        while self._next():
            yield self._line, self._value()
            if self.is_array:
                sign = self._next()
                if sign not in (",", "]"):
                    raise self._invalid("',' or ']' is expected" if sign else "the array is not closed")
                self._pass(self._position + 1)
                if sign == "]":
                    break
        if self._next():
            raise self._invalid("there is more text after the array")

    def _next(self) -> str:
        """Go to the next character that is not white space and return it; an empty string at the end."""
        while True:
            end = SPACE.match(self._text, self._position)
            self._pass(end.end() if end else self._position)
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read(CHUNK):
                return ""

    def _value(self) -> object:
        """Parse the value at the position."""
        size = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except RecursionError:
                raise self._invalid("it is nested too deeply") from None
            except ValueError as error:
                if self._read(size):
                    size *= 2
                    continue
                self._pass(getattr(error, "pos", self._position))
                raise self._invalid(getattr(error, "msg", str(error))) from None
            if self._may_go_on(value, end) and self._read(CHUNK):
                continue
            self._pass(end)
            return value

    def _may_go_on(self, value: object, end: int) -> bool:
        """Whether a value at the end of the text may be the beginning of a longer number."""
        rest = NUMBER.match(self._text, end)
        return isinstance(value, int | float) and rest is not None and rest.end() == len(self._text)

    def _pass(self, position: int) -> None:
        """Go to a position, counting lines."""
        self._line += self._text.count("\n", self._position, position)
        self._position = position

    def _read(self, size: int) -> bool:
        """Read more text in place of what was passed; return whether there is some."""
        self._text, self._position = self._text[self._position :], 0
        if len(self._text) > LARGEST:
            raise SwissbertError(
                f"{self._where}: the JSON value that begins on line {self._line:,} has more than {LARGEST:,} characters; "
                "write one object for each row, one per line"
            )
        chunk = "" if self._is_all else self._file.read(size)
        self._is_all = not chunk
        self._text += chunk
        return bool(chunk)

    def _invalid(self, reason: str) -> SwissbertError:
        return SwissbertError(f"{self._where}: not valid JSON on line {self._line:,} ({reason})")
