"""Forks, Ctrl-C at random moments, closed and full streams, odd paths and odd environments."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign.commands import Command, odd_end, warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder

FORKS = """
import multiprocessing, os, signal, sys, threading
os.environ["TOKENIZERS_PARALLELISM"] = "true"
import numpy as np, torch, swissbert
torch.set_num_threads(2)
precision = sys.argv[1]
model = swissbert.load("mini", "cpu", precision)
texts = [f"a good film number {i} " + "word " * (i % 40) for i in range(60)]
expected = model.numbers("sst", texts)
def same(number=0):
    model.predict("sst", texts[0])
    return bool(np.allclose(model.numbers("sst", texts), expected, rtol=0, atol=1e-6))
def child(check):
    pid = os.fork()
    if not pid:
        signal.alarm(40)
        code = 1
        try:
            code = int(not check())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def ends_as_a_program():
    pid = os.fork()
    if not pid:
        signal.alarm(40)
        sys.exit(int(not same()))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def by_thread(work):
    ends = []
    thread = threading.Thread(target=lambda: ends.append(work()))
    thread.start()
    thread.join()
    return ends[0]
def while_answering():
    stop = threading.Event()
    def work():
        while not stop.is_set():
            model.numbers("sst", texts[:9])
    thread = threading.Thread(target=work)
    thread.start()
    code = child(same)
    stop.set()
    thread.join()
    return code
def after_a_thread():
    by_thread(lambda: model.numbers("sst", texts[:9]))
    return child(lambda: len(model.numbers("sst", texts[:2])) == 2)
def pool():
    with multiprocessing.get_context("fork").Pool(2) as workers:
        return int(not all(workers.map_async(same, range(2)).get(60)))
WAYS = {
    "os.fork": lambda: child(same),
    "os.fork, then exit": ends_as_a_program,
    "a fork in a fork": lambda: child(lambda: same() and not child(same)),
    "a fork by a thread": lambda: by_thread(lambda: int(not same()) or child(same)),
    "a fork while a thread answers": while_answering,
    **{f"a fork after a thread, {n}": after_a_thread for n in range(5)},
    "multiprocessing": pool,
}
for _ in range(2):
    for way, work in WAYS.items():
        print(way, work(), sep=": ", flush=True)
"""
"""A program that forks while a model is in use, and prints how each child ended."""

STREAMS = {
    "SB recipes | true": (141,),
    "SB predict mini --task sst --input texts.txt | head -1 > /dev/null": (141,),
    "SB train my.toml --out with-head 2>&1 | head -1 > /dev/null": (141,),
    "SB --help | true": (141,),
    "SB predict mini --task sst --input texts.txt >&-": (2,),
    "SB predict mini --task sst --input texts.txt > /dev/full": (2,),
    "SB predict mini --task sst --input - <&-": (2,),
    "SB predict /nowhere x 2>&-": (2,),
    "SB predict /nowhere x 2> /dev/full": (2,),
    "SB train my.toml --out full-messages 2> /dev/full": (0,),
    "SB train my.toml --out closed <&- 2>&-": (0,),
    "echo fine | SB predict mini --task sst --input - --format text": (0,),
}
"""Lines of bash, of which SB is the program, with the exit statuses that are right."""

ODD_NAMES = {
    "bytes that are not UTF-8": b"\xff\xfe",
    "a line end": b"two\nlines",
    "ESC": b"\x1b[31mred",
    "quotes": b'it\'s "quoted"',
    "a dash ahead": b"-dash",
    "255 bytes": b"n" * 255,
    "spaces": b" a  b ",
    "other letters": "Zürich-中".encode(),
    "signs": b"[a]{b}*?$HOME %s \\n",
}
"""Names of folders."""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "no HOME": {"HOME": ""},
    "HOME is no folder": {"HOME": "/dev/null"},
    "no TMPDIR": {"TMPDIR": "/nonexistent"},
    "C locale": {"LC_ALL": "C"},
    "C locale, no UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "unknown locale": {"LC_ALL": "xx_YY.UTF-8"},
    "ASCII streams": {"PYTHONIOENCODING": "ascii:strict"},
    "no columns": {"COLUMNS": "0"},
    "dumb terminal": {"TERM": "dumb"},
    "negative threads": {"OMP_NUM_THREADS": "-3"},
    "cache is a device": {"SWISSBERT_CACHE": "/dev/null"},
}
LIMITS = {
    "12 open files": (resource.RLIMIT_NOFILE, 12),
    "40 open files": (resource.RLIMIT_NOFILE, 40),
    "files up to 20 KB": (resource.RLIMIT_FSIZE, 20_000),
    "stack of 256 KB": (resource.RLIMIT_STACK, 256 << 10),
}


def forks(setting: Setting) -> Outcome:
    """Fork in every way after a model has answered, in both precisions. Not in the short form: see tests/unit/test_forking.py."""
    outcome = Outcome("processes forked while a model is in use")
    if setting.short:
        return outcome
    for precision in ("fp32", "int8"):
        command = [sys.executable, "-c", FORKS, precision]
        done = _run(command, setting.folder, 240)
        for line in done.stdout.splitlines():
            way, _, code = line.rpartition(": ")
            outcome.count(None if code == "0" else f"{way}, {precision}: ended with {code}")
        if done.returncode:
            outcome.count(f"{precision}: {done.returncode}: {done.stderr[-300:]}")
    return outcome


def interrupts(setting: Setting) -> Outcome:
    """Press Ctrl-C at random moments of real commands, half of them in the first 0.3 s."""
    outcome, random = Outcome("Ctrl-C at random moments"), setting.random()
    rows = _inputs(setting.folder)
    commands: Sequence[Sequence[object]] = (
        ("predict", "mini", "--task", "sst", "fine"),
        ("train", rows, "--out", "run", "--set", "train.max_steps=4000", "--set", "train.epochs=4000"),
        ("predict", "mini", "--task", "sst", "--input", "texts.txt", "--output", "answers.jsonl"),
        ("predict", "mini", "--task", "sst", "--input", "texts.txt", "--output-dir", "shards", "--shard-rows", "10"),
        ("evaluate", "mini", "--data", "starter"),
        ("export", "mini", "--format", "hf", "--out", "hf"),
        ("data", "check", "starter"),
        ("recipes",),
        ("serve", "mini", "--port", "0"),
    )
    python_itself = 0
    for number in range(setting.number(45, 3)):
        arguments = commands[number % len(commands)]
        wait = random.uniform(0, 0.3) if number % 2 else random.uniform(0.3, 3)
        for left in ("run", "shards", "hf"):
            shutil.rmtree(setting.folder / left, ignore_errors=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "swissbert", *map(str, arguments)],
            cwd=setting.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        try:
            text, code = process.communicate(timeout=60)[0], process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            text, code = process.communicate()[0], -signal.SIGKILL
        if "Traceback" in text and not re.search(r"/swissbert/(?!(__init__|version|__main__)\.py)", text):
            python_itself += 1  # before the program's first line, or in the first ones, which say that Ctrl-C ends it
            outcome.count()
        else:
            fault = odd_end(code, text, (0, 130, -signal.SIGINT))
            outcome.count(f"{arguments[0]} after {wait:.2f} s: {fault}" if fault else None)
    outcome.figures["while Python starts"] = str(python_itself)
    return outcome


def streams(setting: Setting) -> Outcome:
    """Close streams, fill them, and let readers end early. Not in the short form: see tests/e2e/test_streams.py."""
    outcome = Outcome("closed and full streams")
    if setting.short:
        return outcome
    _inputs(setting.folder)
    for line, allowed in STREAMS.items():
        whole = line.replace("SB", f"'{sys.executable}' -m swissbert") + "; exit ${PIPESTATUS[0]}"
        done = _run(["bash", "-c", whole], setting.folder)
        fault = odd_end(done.returncode, done.stdout + done.stderr, allowed)
        outcome.count(f"{line}: {fault}" if fault else None)
    return outcome


def odd_paths(setting: Setting) -> Outcome:
    """Give everything odd names: recipes, encoders, data, runs, models, inputs and outputs."""
    outcome = Outcome("odd names of files and folders")
    warm_up()
    rows = _inputs(setting.folder)
    command = Command(setting.folder, ("train", rows, "--out", "run"))
    if fault := odd_end(command.wait(), command.text, (0,)):
        raise RuntimeError(fault)
    for kind, name in list(ODD_NAMES.items())[: 2 if setting.short else None]:
        odd, stem = setting.folder / os.fsdecode(name), setting.folder / os.fsdecode(name[:240])
        shutil.copytree(setting.folder / "run", odd / "run")
        shutil.copytree(setting.folder / "encoder", odd / "encoder")
        shutil.copy(setting.folder / "texts.txt", f"{stem}.txt")
        shutil.copy(rows, odd / "my.toml")
        trials: dict[str, Sequence[object]] = {
            "answers": ("predict", odd / "run", "--task", "sst", "--input", f"{stem}.txt", "--output", f"{stem}.jsonl"),
            "table": ("predict", "run", "--task", "sst", "--input", f"{stem}.txt", "--output", f"{stem}.parquet"),
            "rows of a table": ("predict", "run", "--task", "sst", "--input", f"{stem}.parquet"),
            "shards": ("predict", "run", "--task", "sst", "--input", f"{stem}.txt", "--output-dir", odd / "shards"),
            "compact": ("export", "run", "--format", "compact", "--out", odd / "compact"),
            "hf": ("export", "run", "--format", "hf", "--out", odd / "hf"),
            "submission": ("submit", odd / "run", "--out", odd / "submission"),
            "run": ("train", odd / "my.toml", "--out", odd / "new"),
            "encoder": ("train", "my.toml", "--out", f"with {kind}", "--set", f"encoder.name={odd / 'encoder'}"),
            "resumed run": ("train", "--resume", "--out", odd / "run"),
        }
        for what, arguments in list(trials.items())[: 5 if setting.short else None]:
            command = Command(setting.folder, arguments)
            fault = odd_end(command.wait(), command.text, (0, 2))
            if fault is None and "step 18/18" in command.text and "error:" in command.text:
                fault = "refused after training"
            outcome.count(f"{what}, {kind}: {fault}" if fault else None)
    return outcome


def environments(setting: Setting) -> Outcome:
    """Start in odd environments, under low limits, and in a folder that is gone."""
    outcome = Outcome("odd environments")
    rows = _inputs(setting.folder)
    answer = ("predict", "mini", "--task", "sst", "naïve film")
    train = ("train", str(rows), "--out", "run", "--set", "train.max_steps=2")

    def attempt(
        what: str, arguments: Sequence[str], changes: dict[str, str], first: Callable[[], None] | None = None
    ) -> None:
        command = [sys.executable, "-m", "swissbert", *arguments]
        done = _run(command, setting.folder, changes=changes, first=first)
        fault = odd_end(done.returncode, done.stdout + done.stderr, (0, 2))
        outcome.count(f"{what}: {fault}" if fault else None)
        shutil.rmtree(setting.folder / "run", ignore_errors=True)

    for what, changes in list(ENVIRONMENTS.items())[: 1 if setting.short else None]:
        attempt(what, train if what in ("no HOME", "no TMPDIR") else answer, changes)
    for what, (kind, value) in list(LIMITS.items())[: 1 if setting.short else None]:
        attempt(what, answer, {}, lambda kind=kind, value=value: resource.setrlimit(kind, (value, value)))  # type: ignore[misc]
    for arguments in (answer, train)[: 0 if setting.short else None]:
        gone = setting.folder / "gone"
        gone.mkdir()

        def leave(gone: Path = gone) -> None:
            os.chdir(gone)
            gone.rmdir()

        attempt(f"the current folder is gone: {arguments[0]}", arguments, {}, leave)
    return outcome


def _run(
    command: Sequence[str],
    folder: Path,
    seconds: float = 120,
    changes: dict[str, str] | None = None,
    first: Callable[[], None] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a program; one that takes too long has the exit status of SIGKILL."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(changes or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            preexec_fn=first,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -signal.SIGKILL, "", f"no end after {seconds} s")


def _inputs(folder: Path) -> Path:
    """Write ``texts.txt``, an encoder and ``my.toml``, and return the path of the last one."""
    (folder / "texts.txt").write_text("a good film\n" * 3000, encoding="utf-8")
    return recipe(folder / "my.toml", tiny_encoder(folder / "encoder"), 18)


TRIALS: dict[str, Trial] = {
    "forks": forks,
    "interrupts": interrupts,
    "streams": streams,
    "odd paths": odd_paths,
    "environments": environments,
}
