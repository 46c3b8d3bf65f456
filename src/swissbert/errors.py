"""The exception for mistakes of a caller."""

import difflib
from collections.abc import Iterable


class SwissbertError(Exception):
    """A mistake that the caller can correct, as one sentence: what is wrong, the value, what is allowed, what to do.

    Messages name arguments and settings and never command-line options. The command line prints the message without a
    traceback, adds the option that belongs to `argument`, and exits with status 2.

    Attributes:
        argument: Name of the function argument that corrects the mistake, if one does, for instance ``out``.

    Example::

        raise SwissbertError(f"{out}: exists already; choose another folder", argument="out")
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word closest to `word`, or an empty string.

    A word is close if it is the same but for case, if the one is the beginning of the other, or if most letters agree:
    a suggestion that is only the least bad one leads away from the mistake.
    """
    words = {name.casefold(): name for name in reversed(list(known))}
    folded = word.casefold()
    match = difflib.get_close_matches(folded, words, n=1, cutoff=0.7)
    if not match:
        longer = [name for name in words if min(len(name), len(folded)) >= 3 and _is_beginning(folded, name)]
        match = sorted(longer, key=lambda name: abs(len(name) - len(folded)))[:1]
    return f"; did you mean '{words[match[0]]}'?" if match else ""


def _is_beginning(word: str, other: str) -> bool:
    """Whether one word begins the other, which goes on with letters or digits and not with a delimiter."""
    short, long = sorted((word, other), key=len)
    return long.startswith(short) and long.replace("_", "").replace(".", "").isalnum()
