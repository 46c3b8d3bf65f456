"""Models go on to answer in forked processes, whatever they did before and whatever other threads do meanwhile."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import ROOT
from swissbert.forking import ForkLock
from swissbert.inference.int8 import has_int8

START = """
import json, multiprocessing, os, signal, sys, threading
os.environ["TOKENIZERS_PARALLELISM"] = "true"  # else the library says that it was forked
import numpy as np, torch, swissbert
from swissbert.estimator import fitting
from swissbert.forking import ForkLock
torch.set_num_threads(2)
model = swissbert.load("mini", "cpu", sys.argv[1])
texts = [f"a good film number {i} " + "word " * (i % 40) for i in range(0, 40, 3)]
def answers():
    return np.concatenate([model.numbers("sst", part) for part in (texts, texts[:1])])
def child(check):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.alarm(40)  # ends a process that hangs
            code = int(not check())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
def same():
    return np.allclose(answers(), expected, rtol=0, atol=1e-6)
expected = answers()
results = {}
"""
"""A model on two threads that has answered, and functions that ask it and that fork."""

WAYS = {
    "os.fork": "child(same) and same() and child(same)",
    "a fork in a fork": "child(lambda: same() and child(same))",
    "a fork that ends as a program does": """
def ends():
    pid = os.fork()
    if not pid:
        signal.alarm(40)
        sys.exit(int(not same()))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
ends()""",
    "another number of threads": "child(lambda: torch.set_num_threads(3) or same())",
    "multiprocessing": """
def pooled():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return all(pool.map_async(ask, range(3)).get(40))
def ask(number):
    return same()
pooled()""",
    "a fork by a thread": """
def by_thread():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(same() and child(same)))
    thread.start()
    thread.join()
    return ended == [True]
by_thread()""",
    "forks while a thread answers": """
def beside():
    stop = threading.Event()
    def work():
        while not stop.is_set():
            model.numbers("sst", texts[:9])
    thread = threading.Thread(target=work)
    thread.start()
    ended = [child(same) for _ in range(3)]
    stop.set()
    thread.join()
    return all(ended)
beside()""",
    "forks just after a thread has answered": """
def after():
    thread = threading.Thread(target=model.numbers, args=("sst", texts[:9]))
    thread.start()
    thread.join()
    return child(lambda: len(model.numbers("sst", texts[:2])) == 2)
all(after() for _ in range(6))""",
    "a fork while a lock is held": """
def waits():
    lock, held, order = ForkLock(), threading.Event(), []
    def work():
        with lock:
            held.set()
            threading.Event().wait(0.2)
            order.append("released")
    thread = threading.Thread(target=work)
    thread.start()
    held.wait()
    def free():
        with lock:
            return order == ["released"]
    return child(free) and lock._lock.acquire(timeout=10)
waits()""",
    "training while another thread trains": """
def trains():
    def fits():
        rows = ["good", "bad", "fine", "poor"] * 8
        fitted = swissbert.SwissbertClassifier(sys.argv[2], epochs=1, validation_fraction=0.0).fit(rows, [1, 0] * 16)
        return len(fitted.predict(["good"])) == 1
    with fitting._TRAINING:
        return child(fits)
trains()""",
}
"""An expression for each way to fork, after definitions that it needs."""


def results(precision: str, tiny: Path) -> dict[str, bool]:
    """Try all ways in one process and return which went well."""
    code = START
    for way, lines in WAYS.items():
        *definitions, expression = lines.strip().splitlines()
        code += "\n".join([*definitions, f"results[{way!r}] = {expression}\n"])
    code += "print(json.dumps(results))"
    command = [sys.executable, "-c", code, precision, str(tiny)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def fp32(tiny: Path) -> dict[str, bool]:
    return results("fp32", tiny)


@pytest.fixture(scope="module")
def int8(tiny: Path) -> dict[str, bool]:
    if not has_int8():
        pytest.skip("onnxruntime is not installed")
    return results("int8", tiny)


@pytest.mark.parametrize("way", WAYS)
def test_forked_processes_give_the_same_answers_in_fp32(way: str, fp32: dict[str, bool]) -> None:
    assert fp32[way]


@pytest.mark.parametrize("way", WAYS)
def test_forked_processes_give_the_same_answers_in_int8(way: str, int8: dict[str, bool]) -> None:
    assert int8[way]


def test_a_thread_may_take_a_lock_twice_and_another_one_waits() -> None:
    lock, order = ForkLock(), list[str]()

    def second() -> None:
        with lock:
            order.append("second")

    with lock, lock:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
