"""What a text stream can show: bars, colour, and how many columns.

A terminal has bars, colour and a width that tables and texts keep. Anything else, such as a file or a pipe, has whole lines without
escape codes: no width is guessed for it, ``COLUMNS`` included, so that a program reads every cell in full. ``NO_COLOR`` takes the
colour from a terminal, ``FORCE_COLOR`` gives colour (and neither bars nor a width) to any stream, and ``TERM=dumb`` leaves a terminal
its width alone.
"""

import os
from typing import TextIO

NARROWEST = 20
"""Columns that a terminal is taken to have at least."""
USUAL = 80
"""Columns of a terminal that does not tell them."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads a stream as it is written; a program without a console has None for its streams."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def can_redraw(stream: TextIO | None) -> bool:
    """Return whether lines of a stream can be written again, as bars need."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("dumb", "unknown")


def has_colour(stream: TextIO | None) -> bool:
    """Return whether a stream gets colour; an empty ``NO_COLOR`` or ``FORCE_COLOR`` counts as not set."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    return forced != "0" if forced else can_redraw(stream)


def width_of(stream: TextIO | None) -> int | None:
    """Return the number of columns of a terminal, of which ``COLUMNS`` has the last word; None for any other stream."""
    if stream is None or not is_terminal(stream):
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return max(NARROWEST, int(given))
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(NARROWEST, columns or USUAL)
