"""Odd variables, names, limits, current folders and streams around a command."""

import os
import resource
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

from campaign.disk_bench import ONLY_LONG, Bench, left_over, odd_answer
from campaign.frame import Outcome, Setting

SOURCE = Path(__file__).parent.parent / "src"


def environments(setting: Setting) -> Outcome:
    """Commands with odd variables, names, limits, and without a current folder."""
    what = "odd variables, names, limits, current folders"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what)
    new = iter(setting.folder / f"odd-{number}" for number in range(99))
    missing = str(setting.folder / "missing")
    caches = {
        "a file": bench.recipe,
        "below a file": bench.recipe / "x",
        "in /proc": "/proc/1",
        "a long name": "a" * 300,
    }
    cases: list[tuple[str, dict[str, object]]] = [
        ("no HOME", {"HOME": "", "SWISSBERT_CACHE": ""}),
        ("HOME is no folder", {"HOME": os.devnull, "SWISSBERT_CACHE": ""}),
        ("HOME is missing, XDG_CACHE_HOME empty", {"HOME": missing, "XDG_CACHE_HOME": "", "SWISSBERT_CACHE": ""}),
        ("TMPDIR is missing", {"TMPDIR": missing, "TEMP": missing}),
        *((f"the cache is {name}", {"SWISSBERT_CACHE": path}) for name, path in caches.items()),
    ]
    for name, variables in cases:
        use = partial(os.environ.update, {key: str(value) for key, value in variables.items()})
        run = next(new)
        bench.attempt(name, ("train", bench.recipe, "--out", run), (0,), use, partial(bench.same_run, run))
    answers = setting.folder / "answers"
    answers.mkdir()
    for letters in ("Zürich-中".encode(), b"\xff\xfe", b"r" * 250, b"r" * 256, b"-x", b"a\nb", b" "):
        run = setting.folder / os.fsdecode(letters)
        bench.attempt(f"a run named {letters[:9]!r}", ("train", bench.recipe, "--out", run), (0, 2))
        output = ("predict", bench.run, "--task", "sst", "fine", "--output", answers / run.name)
        bench.attempt(f"answers named {letters[:9]!r}", output, (0, 2), then=partial(left_over, answers))
    for name, arguments in list(bench.writers(Path("relative/out")).items())[:4]:
        bench.attempt(
            f"{name}, where the current folder is gone", arguments, (0, 2), partial(_leave, setting.folder / "gone")
        )
    limits = {"12 open files": (resource.RLIMIT_NOFILE, 12), "stacks of 256 KB": (resource.RLIMIT_STACK, 256 << 10)}
    for name, (kind, value) in limits.items():
        limit = partial(resource.setrlimit, kind, (value, value))
        bench.attempt(name, ("predict", bench.run, "--task", "sst", "fine"), (0, 2), limit)
    for name in bench.writers(Path("x")):
        folder = setting.folder / f"private-{name}"
        folder.mkdir(mode=0o700)
        arguments = bench.writers(folder / "out")[name]
        bench.attempt(f"{name}, with umask 077", arguments, (0,), _private, partial(_readable, folder))
    return bench.outcome


def streams(setting: Setting) -> Outcome:
    """Commands whose standard streams are closed, full, folders or pipes, as a shell starts them."""
    what = "closed, full and odd streams, odd locales"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what)
    big, texts = f"predict '{bench.run}' --task sst --input '{bench.texts}'", bench.texts
    train = f"train '{bench.recipe}' --out"
    cases: list[tuple[str, tuple[int, ...]]] = [
        ("SB recipes > /dev/full", (2,)),
        (f"SB {big} > /dev/full", (2,)),
        (f"SB {big} >&-", (2,)),
        (f"SB {big} --output s0.jsonl >&-", (0, 2)),
        (f"SB {train} s1 2>&-", (0,)),
        (f"SB {train} s2 <&-", (0,)),
        (f"SB {train} s3 <&- 2>&-", (0,)),
        (f"SB {train} s4 2> /dev/full", (0, 2)),
        ("SB predict missing fine 2> /dev/full", (2,)),
        ("SB predict missing fine 2>&-", (2,)),
        (f"SB predict '{bench.run}' --task sst --input - <&-", (2,)),
        (f"SB predict '{bench.run}' --task sst --input /tmp", (2,)),
        (f"SB predict '{bench.run}' --task sst --input <(head -3 '{texts}') --format text", (0,)),
        (f"SB predict '{bench.run}' --task sst fine --output /tmp", (2,)),
        (f"SB predict '{bench.run}' --task sst fine --output /dev/full", (2,)),
        (f"cp '{texts}' both.txt && SB predict '{bench.run}' --task sst --input both.txt --output both.txt", (0, 2)),
        (f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 SB predict '{bench.run}' --task sst naïve", (0, 2)),
        (f"LC_ALL=xx_YY.UTF-8 COLUMNS=0 TERM=dumb SB evaluate '{bench.run}'", (0,)),
        (f"env -i PYTHONPATH='{SOURCE}' SB predict '{bench.run}' --task sst fine", (0,)),
    ]
    for line, allowed in cases:
        shell = line.replace("SB ", f"{shlex.quote(sys.executable)} -m swissbert ")
        variables = {**os.environ, "PYTHONPATH": str(SOURCE)}
        code: int | str
        try:
            done = subprocess.run(
                ["bash", "-c", shell],
                cwd=setting.folder,
                env=variables,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=120,
            )
            code, text = done.returncode, (done.stdout + done.stderr).decode(errors="replace")
        except subprocess.TimeoutExpired:
            code, text = "hang", ""
        fault = odd_answer(code, text, allowed)
        bench.outcome.count(fault and f"{line.replace(str(setting.folder), '')}: {fault}")
    for name in ("s1", "s2", "s3"):
        if (setting.folder / name).exists():
            fault = bench.same_run(setting.folder / name)
            bench.outcome.count(fault and f"a run with odd streams: {fault}")
    return bench.outcome


def _readable(folder: Path) -> str | None:
    """Return which files of a folder others may read."""
    names = [path.name for path in folder.rglob("*") if path.stat().st_mode & 0o077]
    return f"others may read {', '.join(names[:3])}" if names else None


def _private() -> None:
    os.umask(0o077)


def _leave(folder: Path) -> None:
    """Stand in a folder that is gone."""
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
