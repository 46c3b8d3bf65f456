"""Silence on standard output for one thread, while the others go on printing."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, TextIO


class _Muted:
    """A text stream for which one thread has a buffer in place of the stream.

    Args:
        stream: The stream of all other threads; None in a program without a console.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream, self._thread, self._buffer = stream, threading.get_ident(), StringIO()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the buffer in the muted thread, and of the stream in the others."""
        is_muted = self._stream is None or threading.get_ident() == self._thread
        return getattr(self._buffer if is_muted else self._stream, name)

    def end(self) -> None:
        """Let all threads write to the stream, also through a reference to this object."""
        self._thread = 0


@contextmanager
def quiet_thread() -> Iterator[None]:
    """Discard what this thread prints in the block.

    `contextlib.redirect_stdout` would also discard what other threads print meanwhile.
    """
    before = sys.stdout
    muted = _Muted(before)
    sys.stdout = muted
    try:
        yield
    finally:
        muted.end()
        if sys.stdout is muted:  # else another thread has redirected it since
            sys.stdout = before
