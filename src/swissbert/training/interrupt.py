"""Stopping a run by Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from swissbert.display import Display


@contextmanager
def stop_signal(display: Display) -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets. A second Ctrl-C interrupts at once.

    Signal handlers are restored afterwards. Outside the main thread, where Python allows no handlers, the event is never
    set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        display.say("stopping after this step; its state is saved (a second Ctrl-C stops at once and saves nothing)")

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, old in before.items():
            signal.signal(number, old)
