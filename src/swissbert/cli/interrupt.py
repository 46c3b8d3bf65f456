"""Ctrl-C at any moment of a command: it ends without a traceback, and a second one ends it at once."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def handle_interrupts() -> Iterator[None]:
    """Handle Ctrl-C in the block, which is the whole program, unless the caller of the program has it ignored.

    Commands see `KeyboardInterrupt`, so that they leave nothing half-written. They end at once where Python would lose it: while
    a module is imported or an object is removed; the next command tidies then. After the block Ctrl-C has the effect that
    the operating system gives it, since Python is about to end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, interrupt)
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        sys.unraisablehook = hook
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; while a module is imported, end the process, as a second Ctrl-C does.

    An exception that is raised while a module is imported may be lost: libraries and Python itself catch it there.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            _end()
        frame = frame.f_back
    raise KeyboardInterrupt


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """End the process if what Python cannot raise is a Ctrl-C, which came while an object was being removed."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        _end()
    sys.__unraisablehook__(lost)


def _end() -> None:
    """End the process by SIGINT, with what it has printed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGINT)
