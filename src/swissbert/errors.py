"""The exception for mistakes of a caller, and how text of other people is quoted."""

import difflib
import unicodedata
from collections.abc import Iterable
from itertools import islice

from swissbert.wording import printable

LONGEST_LINE, MOST_LINES = 600, 20
"""Characters of one line of a message, and its lines; of a longer one the middle is left out."""
LONGEST_QUOTE = 200
"""Characters of another library's message that a sentence repeats; of a longer one the middle is left out."""
LONGEST_WORD, MOST_WORDS = 100, 1000
"""Characters of a word, and number of known words, that are compared to offer the nearest one."""
PLAUSIBLE = 0.7
"""Share of letters that two names have in common, from 0 to 1, from which the one may be the other misspelt."""


class SwissbertError(Exception):
    """A mistake that the caller can correct, as one sentence: what is wrong, the value, what is allowed, what to do.

    Messages name arguments and settings and never command-line options. The command line prints the message without a
    traceback, adds the option that belongs to `argument`, and exits with status 2. A message may quote a file of any
    content, so control characters are escaped, and lines of more than `LONGEST_LINE` characters are cut.

    Attributes:
        argument: Name of the function argument that corrects the mistake, if one does, for instance ``out``.

    Example::

        raise SwissbertError(f"{out}: exists already; choose another folder", argument="out")
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        lines = message.split("\n")
        if len(lines) > MOST_LINES:
            lines = [*lines[: MOST_LINES - 1], f"... {len(lines) - MOST_LINES:,} more lines ...", lines[-1]]
        super().__init__("\n".join(clipped(printable(clipped(line, LONGEST_LINE)), LONGEST_LINE) for line in lines))
        self.argument = argument


class SettingsError(SwissbertError):
    """Settings that are valid each, but with which a run cannot begin or go on.

    They exclude each other or do not fit the encoder, or a loss, a gradient or an answer is NaN or infinite. The same run ends
    alike every time, so a sweep counts it as failed and goes on with other settings.
    """


def clipped(text: str, most: int) -> str:
    """Return a text with its middle left out if it has more than `most` characters; the end of a message says what to do."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 5]} ... {text[-end:]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word closest to `word`, or an empty string.

    A word is close if it is the same but for case, if the one is the beginning of the other, or if most letters agree:
    a suggestion that is only the least bad one leads away from the mistake. Very long words are not compared.
    """
    if len(word) > LONGEST_WORD:
        return ""
    folded, names = word.casefold(), [name for name in islice(known, MOST_WORDS) if len(name) <= LONGEST_WORD]
    shares = [difflib.SequenceMatcher(None, name.casefold(), folded).ratio() for name in names]
    if shares and max(shares) >= PLAUSIBLE:
        return f"; did you mean '{names[shares.index(max(shares))]}'?"
    longer = [name for name in names if _is_beginning(folded, name.casefold())]
    return f"; did you mean '{min(longer, key=len)}'?" if longer else ""


def nearest_file(name: str, files: Iterable[str]) -> str:
    """Return `nearest` for a file that is not there: its name before the first dot decides, since endings are few."""
    stem = _stem(name)
    near = [file for file in islice(files, MOST_WORDS) if nearest(stem, [_stem(file)])]
    return nearest(name, near) or (f"; did you mean '{near[0]}'?" if near else "")


def _stem(name: str) -> str:
    return name[:1] + name[1:].partition(".")[0]


def visible(text: str) -> str:
    """Return a text without characters that cannot be seen, with composed letters and plain spaces of one width."""
    if text.isascii():
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(mark for mark in composed if unicodedata.category(mark) != "Cf").split())


def _is_beginning(word: str, other: str) -> bool:
    """Whether one word begins the other, which goes on with letters or digits and not with a delimiter."""
    short, long = sorted((word, other), key=len)
    return len(short) >= 3 and long.startswith(short) and long.replace("_", "").replace(".", "").isalnum()
