"""Entry point of the program ``swissbert`` and of ``python -m swissbert``. Importing it changes how Ctrl-C ends the process."""

import signal
import threading

if (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    # Ctrl-C ends the program without a traceback while it is being imported; see `swissbert.cli.interrupt`
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from swissbert.cli import main
from swissbert.cli.interrupt import handle_interrupts
from swissbert.cli.waiting import wait_briefly


def run() -> None:
    """Run the command line as a program."""
    with handle_interrupts():
        wait_briefly()
        main()


if __name__ == "__main__":
    run()
