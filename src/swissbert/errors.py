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
    """Return ``; did you mean 'x'?`` for the known word closest to `word`, or an empty string."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""
