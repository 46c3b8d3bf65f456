"""Stopping a run by Ctrl-C, SIGTERM or SIGHUP."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from swissbert.display import Display

STOPPING = "stopping after this step; its state is saved (a second Ctrl-C stops at once and saves nothing)"
SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextmanager
def stop_signal(display: Display) -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM or SIGHUP sets. A second Ctrl-C interrupts at once.

    Cluster schedulers send SIGTERM before they end a job, and a terminal that is closed sends SIGHUP. Signals that are
    ignored, as SIGHUP is under ``nohup``, stay ignored. Signal handlers are restored afterwards. Outside the main thread,
    where Python allows no handlers, the event is never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: FrameType | None) -> None:
        event.set()
        if signal.SIGINT in before:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(RuntimeError):  # Python writes no line within a line; the run stops all the same
            display.say(STOPPING)

    before = {
        number: signal.signal(number, handler) for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield event
    finally:
        for number, old in before.items():
            signal.signal(number, old)
