"""Encodings of text: the one that a file is read in, and detection of text that cannot be used.

A byte order mark decides; else the setting ``encoding``; else a file is UTF-8. Only UTF-16 without a mark is recognised
from the text, because no other text has a NUL in every second byte. A file in another encoding is refused with its
likely name: decoded in the wrong one it would be read without an error, and wrong.
"""

import codecs
import io
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import cast

from swissbert.errors import SwissbertError

SAMPLE = 2**20
"""Bytes at the start of a file by which its encoding is judged."""
REFUSED_SHARE = 0.02
"""Share of lines that are not UTF-8 above which a file is taken to be in another encoding; fewer are damaged rows."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNDECODED = "swissbert.undecoded"
"""Error handler of codecs that puts a lone surrogate for bytes that cannot be decoded, so that they cost their rows only."""
CUT_OFF = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z")
"""The last character of UTF-8 bytes, if the rest of it may follow."""
RUNS = {
    "utf-16-le": re.compile(rb"(?:.[\xdc-\xdf]|.[\xd8-\xdb](?=.[^\xdc-\xdf]))+", re.DOTALL),
    "utf-16-be": re.compile(rb"(?:[\xdc-\xdf].|[\xd8-\xdb].(?=[^\xdc-\xdf]))+", re.DOTALL),
    "utf-32-le": re.compile(rb"(?:...[^\0]|..[\x11-\xff]\0|.[\xd8-\xdf]\0\0)+", re.DOTALL),
    "utf-32-be": re.compile(rb"(?:[^\0]...|\0[\x11-\xff]..|\0\0[\xd8-\xdf].)+", re.DOTALL),
}
"""By encoding: bytes that cannot be decoded, from the first of them on. Together they cost a thousandth of what each costs alone."""
NO_TEXT = ("punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined")
"""Codecs of Python in which no file of text is saved."""
EXAMPLES = "utf-8, windows-1252, latin-1, utf-16, windows-1251, shift_jis, gb18030"


def _undecoded(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        if error.encoding == "utf-8":  # all that is left at once: a call for each undecodable byte costs a microsecond
            last = CUT_OFF.search(error.object[-3:])
            end = max(error.end, len(error.object) - (len(last[0]) if last else 0))
            return error.object[error.start : end].decode("utf-8", "surrogateescape"), end
        runs = RUNS.get(error.encoding)
        run = runs.match(error.object, error.start) if runs else None
        end = max(error.end, run.end() if run else 0)
        return "\udcff" * max(1, end - error.start), end
    raise error


codecs.register_error(UNDECODED, _undecoded)


def unreadable(text: str, encoding: str | None = None) -> str | None:
    """Return what makes a text unusable (NUL characters, undecoded bytes, lone surrogates), or None if it is fine.

    Args:
        text: The text.
        encoding: What its file was read in, for the answer; None for UTF-8.
    """
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        undecoded = "\udc80" <= text[error.start] <= "\udcff"  # where error handlers put undecodable bytes
        return f"bytes that are not {encoding or 'UTF-8'}" if undecoded else "half of a surrogate pair"
    return None


def codec_of(encoding: str) -> str:
    """Return the codec of an encoding by its name in settings.

    ``latin-1`` is read as ``windows-1252``, as browsers do: the bytes in which the two differ are control characters in
    the one and curly quotes and dashes in the other.

    Raises:
        ValueError: If there is no such encoding of text; names examples.
    """
    try:
        b"a\0\0\0".decode(encoding, "ignore")
        name = codecs.lookup(encoding).name
        if name in NO_TEXT:
            raise LookupError
    except (LookupError, ValueError, UnicodeError, AssertionError):
        raise ValueError(
            f"encoding is {encoding!r}, which is not an encoding of text; there are {EXAMPLES} and more"
        ) from None
    return "cp1252" if name == "iso8859-1" else name


def open_text(
    data: io.BufferedReader,
    where: str,
    encoding: str | None = None,
    *,
    newline: str | None = None,
    at_once: bool = True,
    on_note: Callable[[str], object] | None = None,
) -> io.TextIOWrapper:
    """Open bytes as text.

    Args:
        data: The bytes, at their start.
        where: Name of the file in messages.
        encoding: The setting; None to detect.
        newline: As in `open`.
        at_once: Whether the sample may be read at once, as of a file, or only what a pipe has ready.
        on_note: Called with a sentence about an encoding that was detected.

    Raises:
        SwissbertError: If the text is in an encoding that is not named.
    """
    sample = data.read(SAMPLE) if at_once else data.peek(SAMPLE)
    if at_once:
        data = io.BufferedReader(_Replayed(sample, data), 2**16)
    name, note = detect(sample, where, encoding, is_whole=len(sample) < SAMPLE and at_once)
    if note and on_note:
        on_note(note)
    return io.TextIOWrapper(data, encoding=name, errors=UNDECODED, newline=newline)


def detect(sample: bytes, where: str, encoding: str | None, *, is_whole: bool) -> tuple[str, str | None]:
    """Return the codec of a text, and a sentence if it is not the one that was named.

    Args:
        sample: The first bytes.
        where: Name of the file.
        encoding: The encoding that was named, or None.
        is_whole: Whether the sample is all of it, so that a character cut in two at its end is an error.

    Raises:
        SwissbertError: If the text is in an encoding that is not named; says which one it looks like.
    """
    name = PurePath(where).name
    codec = codec_of(encoding) if encoding else None
    for mark, marked in MARKS:
        if sample.startswith(mark):
            is_said = marked == "utf-8-sig" or (codec or "").startswith(marked)
            return marked, None if is_said else f"{name}: read as {marked.upper()}, which its byte order mark shows"
    if codec in (None, "utf-16") and (wide := _utf_16(sample)):
        return (
            wide,
            None if codec else f"{name}: read as {wide.upper()}, which its bytes show; it has no byte order mark",
        )
    if codec is not None:
        is_utf_8 = (
            sample and b"\0" not in sample and _is_utf_8_so_far(sample, is_whole)  # text of wide characters has zeros
            if codec.startswith(("utf-16", "utf-32"))
            else len("é".encode().decode(codec, "replace")) == 2 and _is_wide_utf_8(sample, is_whole)
        )
        if is_utf_8 and codec != "utf-8":
            return "utf-8", f"{name}: read as UTF-8, which its bytes are, although encoding is {encoding!r}"
        return {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(codec, codec), None
    lines = sample.splitlines()
    if not is_whole and len(lines) > 1:
        lines.pop()  # which may end within a character
    damaged = [line for line in lines if not line.isascii() and not _is_utf_8(line)]
    if len(damaged) > max(1, REFUSED_SHARE * len(lines)) or (is_whole and damaged and len(damaged) == len(lines)):
        raise SwissbertError(
            f"{where}: the text is not UTF-8 ({_share(len(damaged), len(lines))} other bytes); "
            f"{_likely(b''.join(damaged))}, or save the file as UTF-8",
            argument="encoding",
        )
    return "utf-8", None


def _share(damaged: int, lines: int) -> str:
    """Word how many lines hold something, as a clause that goes on with it."""
    return "its first line holds" if lines == 1 else f"{damaged:,} of its first {lines:,} lines hold"


def _likely(text: bytes) -> str:
    """Word which encoding bytes look like, and what to set; `text` is the lines that are not UTF-8."""
    wide = sum(byte >= 0x80 for byte in text)
    try:
        text.decode("cp1252")
    except UnicodeDecodeError:
        is_western = False
    else:
        is_western = wide < 0.2 * len(text)  # Western text has a letter beyond ASCII here and there
    if is_western:
        return 'it looks like Windows-1252, so write encoding = "windows-1252" for the task'
    return "name its encoding for the task, for instance encoding = " + ", ".join(
        f'"{name}"' for name in ("windows-1251", "shift_jis", "gb18030")
    )


def _utf_16(sample: bytes) -> str | None:
    """Return ``utf-16-le`` or ``utf-16-be`` if the bytes are mostly ASCII characters of two bytes each."""
    count = len(sample) // 2
    low, high = sample[0 : 2 * count : 2].count(0), sample[1 : 2 * count : 2].count(0)
    if count < 4:
        return None
    if high > 0.7 * count and low < 0.02 * count:
        return "utf-16-le"
    return "utf-16-be" if low > 0.7 * count and high < 0.02 * count else None


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_wide_utf_8(sample: bytes, is_whole: bool) -> bool:
    """Whether bytes are UTF-8 with characters beyond ASCII, which text in an encoding of single bytes never is."""
    return not sample.isascii() and _is_utf_8_so_far(sample, is_whole)


def _is_utf_8_so_far(sample: bytes, is_whole: bool) -> bool:
    """Whether bytes are UTF-8, of which the last character may be cut in two unless they are all of a text."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, is_whole)
    except UnicodeDecodeError:
        return False
    return True


class _Replayed(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, start: bytes, rest: io.BufferedReader) -> None:
        self._start, self._rest = memoryview(start), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        if not self._start:
            return self._rest.readinto1(view)
        count = min(len(view), len(self._start))
        view[:count] = self._start[:count]
        self._start = self._start[count:]
        return count
