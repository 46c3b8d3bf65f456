"""The one exception that a person's mistake ends in."""

import difflib
from collections.abc import Iterable


class SwissbertError(Exception):
    """Something a person can put right. The message is one sentence that names what, where and what is allowed.

    The command line prints it without a traceback and exits with status 2.
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word closest to `word`, or an empty string."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""
