"""Signals: Ctrl-C from the first moment of a command, and what stops a training run."""

import io
import os
import signal
import subprocess
import sys
from typing import Any, ClassVar

import pytest

from conftest import ROOT
from swissbert.display import Display
from swissbert.training.interrupt import stop_signal


def program(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "module", ["swissbert.cli", "typer", "swissbert.cli.train", "pydantic", "pydantic.main", "torch"]
)
def test_ctrl_c_while_modules_are_imported_ends_the_program_without_a_word(module: str) -> None:
    code = f"""
import os, runpy, signal, sys
sent = []
def hook(event, arguments):
    if event == "import" and arguments[0] == {module!r} and not sent:
        sent.append(True)
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
sys.argv = ["swissbert", "predict", "mini", "--task", "sst", "A fine film."]
runpy.run_module("swissbert", run_name="__main__", alter_sys=True)
"""
    done = program(code)
    assert done.returncode in (130, -signal.SIGINT), done.stderr
    assert done.stdout + done.stderr == ""


def test_ctrl_c_in_a_command_has_the_exit_status_of_other_programs() -> None:
    code = """
import os, signal
from swissbert.cli.interrupt import handle_interrupts
signal.signal(signal.SIGINT, signal.SIG_DFL)
with handle_interrupts():
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass
"""
    done = program(code)
    assert (done.returncode, done.stdout + done.stderr) == (130, "")


def test_ctrl_c_while_an_object_is_removed_is_not_lost() -> None:
    code = """
import os, signal, weakref
from swissbert.cli.interrupt import handle_interrupts
signal.signal(signal.SIGINT, signal.SIG_DFL)
def removed(reference):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
class Thing: pass
with handle_interrupts():
    thing = Thing()
    reference = weakref.ref(thing, removed)
    print("before", flush=True)
    del thing  # an exception of the callback is reported, and the program goes on
    print("after")
"""
    done = program(code)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "before\n", "")


def test_a_second_ctrl_c_ends_a_program_that_goes_on_after_the_first() -> None:
    code = """
import os, signal
from swissbert.cli.interrupt import handle_interrupts
signal.signal(signal.SIGINT, signal.SIG_DFL)
with handle_interrupts():
    for _ in range(2):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    print("goes on")
"""
    done = program(code)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "interrupted\n", "")


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv = ["swissbert", "--version"]
import swissbert.__main__
from swissbert.cli.interrupt import handle_interrupts
with handle_interrupts():
    os.kill(os.getpid(), signal.SIGINT)
    print("goes on")
os.kill(os.getpid(), signal.SIGINT)
"""
    done = program(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_is_stopped_by_signals_of_people_schedulers_and_terminals(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_signal(Display(quiet=True)) as event:
        assert not event.is_set()
        os.kill(os.getpid(), number)
        assert event.wait(10)
    assert signal.getsignal(number) == before


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signal(Display(quiet=True)) as event:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not event.wait(0.05)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_a_message_is_written_stops_the_run_and_breaks_nothing() -> None:
    class File(io.RawIOBase):
        """A file during whose first write Ctrl-C is pressed."""

        lines: ClassVar[list[bytes]] = []

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.lines.append(bytes(data))
            if len(self.lines) == 1:
                signal.raise_signal(signal.SIGINT)
            return len(data)

    display = Display(stream=io.TextIOWrapper(io.BufferedWriter(File())))
    with stop_signal(display) as event:
        display.say("epoch 1")
        assert event.is_set()
        display.say("epoch 2")
    assert b"".join(File.lines).startswith(b"epoch 1\n")
    assert b"".join(File.lines).endswith(b"epoch 2\n")
