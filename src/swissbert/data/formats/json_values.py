"""JSON values one after the other, in an array or on their own, over any number of lines, in memory of one value."""

import json
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from swissbert.data.formats.limits import MARKS, OBJECT
from swissbert.errors import SwissbertError

CHUNK = 2**18
"""Characters that are read at a time."""
LONG_VALUE = 2**18
"""Characters of a value from which its marks are counted."""
LONGEST_WORD = 16
"""Characters before the end of the text from which an error may be that of a word, a number or an escape that is cut off."""
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
        self._rest, self._rest_position = "", 0  # text that was read already and comes after `_text`
        self._decoder = json.JSONDecoder()
        self.is_array = False

    def __iter__(self) -> Iterator[tuple[int, object]]:
        """Yield the values.

        Raises:
            SwissbertError: If the text is not JSON, names the line; or if a value is larger than `OBJECT` or has more marks
                than `MARKS`.
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
                if _may_be_cut_off(error, len(self._text)) and self._read(size):
                    if has_too_many_marks(self._text):
                        raise self._too_large(f"more than {MARKS:,} values") from None
                    size *= 2
                    continue
                self._pass(getattr(error, "pos", self._position))
                raise self._invalid(getattr(error, "msg", str(error))) from None
            if self._may_go_on(value, end) and self._read(CHUNK):
                continue
            self._pass(end)
            if len(self._text) - end > 2 * CHUNK:  # so that the next value is read in chunks, too
                self._rest = self._text[end + CHUNK :] + self._rest[self._rest_position :]
                self._text, self._rest_position = self._text[: end + CHUNK], 0
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
        if sys.getsizeof(self._text) > OBJECT:
            raise self._too_large(f"more than {OBJECT >> 20} MB")
        chunk = self._rest[self._rest_position : self._rest_position + size]
        if chunk:
            self._rest_position += size
        else:
            self._rest = ""
            chunk = "" if self._is_all else self._file.read(size)
            self._is_all = not chunk
        self._text += chunk
        return bool(chunk)

    def _too_large(self, what: str) -> SwissbertError:
        return SwissbertError(
            f"{self._where}: the JSON value that begins on line {self._line:,} has {what}; write one object for each row, "
            "one per line"
        )

    def _invalid(self, reason: str) -> SwissbertError:
        return SwissbertError(f"{self._where}: not valid JSON on line {self._line:,} ({reason})")


def _may_be_cut_off(error: ValueError, length: int) -> bool:
    """Return whether an error may come from text of a given length that ends within a value."""
    if not isinstance(error, json.JSONDecodeError):
        return False  # a number of thousands of digits
    return error.msg.startswith("Unterminated string") or error.pos > length - LONGEST_WORD


def has_too_many_marks(text: str, start: int = 0) -> bool:
    """Return whether a JSON value may have more than `MARKS` commas, colons and opening brackets."""
    return sum(text.count(mark, start) for mark in ",:[{") > MARKS
