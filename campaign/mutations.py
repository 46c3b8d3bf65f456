"""Mutated bytes, and readers that are given thousands of them in forked processes with bounds of time and memory."""

import collections
import contextlib
import mmap
import os
import random
import re
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign.frame import Outcome, Setting

SECONDS, MEGABYTES, CHARACTERS = 2.0, 1024, 1000
"""Bounds of one call: processor time, memory, and the length of a message."""
HANG = 12
"""Seconds after which a call is interrupted; three times as many end its process."""
WORKERS = 2
"""Processes that share the work."""
NUMBERS = (
    *(b"1e400", b"-1e400", b"9" * 400, b"9" * 5000, b"1" + b"0" * 18, b"-1", b"0", b"1e9", b"NaN", b"Infinity"),
    *(b"1e-400", b"0.5", b"null", b"true", b'""', b"[]", b"{}", b"2147483648", b"9223372036854775808"),
    b"18446744073709551616",
)
"""What takes the place of a number."""
CHARACTERS_ODD = (
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", "\u202e\u0301\ufeff".encode(), b"\r", b"\x1b[31m"),
    *(b"\xf4\x90\x80\x80", b"../../../etc/passwd", b"'", b'"', b"\\", b"#", b"\x85", b"\xc2\x9b", b"\xe2\x80\xa8"),
)
"""What is put anywhere."""
DEPTHS = (3, 10, 100, 300, 1000, 1500, 3000, 100_000)
"""How deep things are nested; the deepest, which take most of the time, in one of eight cases."""
NESTED = ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"))
LONG = (b"a", b"\xe4\xb8\xad", b'"', b",", b"\t", b"1", b"[")
"""What 10 MB of one line are made of."""


@dataclass(frozen=True)
class Target:
    """A reader and what it is given.

    Attributes:
        make: Returns what to try, from random numbers.
        use: Reads it. May return messages, which must be as short and printable as those of errors.
        share: How often to try it, as a share of the number for all.
    """

    make: Callable[[random.Random], bytes]
    use: Callable[[bytes], Sequence[str] | None]
    share: float = 1.0


def mutated(*originals: bytes) -> Callable[[random.Random], bytes]:
    """Return the `Target.make` of mutations of one of some originals."""
    return lambda random: mutate(random.choice(originals), random, originals)


def written(path: Path, use: Callable[[], Sequence[str] | None]) -> Callable[[bytes], Sequence[str] | None]:
    """Return the `Target.use` that writes a file, in a folder of its process, and reads it.

    Args:
        path: The file.
        use: Reads it.
    """

    def write(data: bytes) -> Sequence[str] | None:
        path.write_bytes(data)
        return use()

    return write


def mutate(data: bytes, random: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return bytes with a few changes: bits, cuts, repetitions, numbers, nesting, odd characters, exchanged parts.

    Args:
        data: The original.
        random: Source of all random numbers.
        others: Further originals, of which pieces are put in.
    """
    new = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if not new:
            new = bytearray(b"x")
        random.choice(CHANGES)(new, random, others)
    return bytes(new)


def _flip(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 1, 3, 12))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 2, 5, 17, 101))):
        data[random.randrange(len(data))] = random.randrange(256)


def _cut(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    del data[random.randrange(len(data)) :]


def _delete(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    del data[at : at + _size(random)]


def _repeat(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at:at] = data[at : at + _size(random)] * random.choice((1, 2, 50))


def _number(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    matches = list(re.finditer(rb"-?\d+(\.\d+)?|true|false|null", bytes(data)))
    if matches:
        match = random.choice(matches)
        data[match.start() : match.end()] = random.choice(NUMBERS)


def _insert(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at:at] = random.choice(CHARACTERS_ODD)


def _nest(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    at, depth = random.randrange(len(data)), random.choice(DEPTHS)
    start, end = random.choice(NESTED)
    data[at:at] = start * depth + (end * depth if random.random() < 0.7 else b"")


def _exchange_strings(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    matches = list(re.finditer(rb'"(?:[^"\\]|\\.){0,60}"', bytes(data)))
    if len(matches) > 1:
        first, second = random.sample(matches, 2)
        data[first.start() : first.end()] = second.group()


def _exchange_lines(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    lines = bytes(data).splitlines(keepends=True)
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    data[:] = b"".join(lines)


def _mix(data: bytearray, random: random.Random, others: Sequence[bytes]) -> None:
    if random.random() < 0.004:
        at = random.randrange(len(data))
        data[at:at] = random.choice(LONG) * 10_000_000
    elif others:
        other = random.choice(others)
        at, start = random.randrange(len(data)), random.randrange(max(1, len(other)))
        size = _size(random)
        data[at : at + size] = other[start : start + size]


def _size(random: random.Random) -> int:
    return random.choice((1, 2, 4, 16, 64, 400))


CHANGES: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _cut, _delete, _repeat, _number, _number, _insert, _nest),
    *(_exchange_strings, _exchange_lines, _replace, _mix),
)
"""The changes, each as often as it is drawn."""


class _Hang(BaseException):
    """Raised in a call that takes too long."""


@dataclass
class _Worker:
    """A process at work.

    Attributes:
        pid: Its process.
        attempts: What it tries.
        output: Where its findings are read.
        mark: The number of the attempt at work, shared with the process.
        text: Findings so far.
    """

    pid: int
    attempts: Sequence[tuple[str, int]]
    output: int
    mark: mmap.mmap
    text: bytes = b""

    @property
    def at(self) -> int:
        """The attempt at work."""
        return int(struct.unpack("q", self.mark[:8])[0])


def try_all(setting: Setting, what: str, targets: Mapping[str, Target], number: int) -> Outcome:
    """Give readers mutated bytes: each call must end well or in SwissbertError, in the bounds above.

    Args:
        setting: Its seed, the name of a target and the number of an attempt give the same bytes in every run (see
            `attempt`). Each process works in a folder of its own, ``0`` and so on below the setting's, as current folder.
        what: The words for the outcome.
        targets: The readers by name.
        number: How often to try each, times its share.
    """
    every = [(name, i) for name, target in targets.items() for i in range(max(1, round(number * target.share)))]
    outcome, faults = Outcome(what), collections.Counter[tuple[str, str]]()
    first: dict[tuple[str, str], int] = {}
    slowest = 0.0
    for name, i, result, seconds in _results(setting, targets, every):
        slowest = max(slowest, seconds)
        if result:
            faults[name, result] += 1
            first.setdefault((name, result), i)
    outcome.tried, outcome.well = len(every), len(every) - min(len(every), faults.total())
    for (name, result), times in sorted(faults.items()):
        outcome.faults.append(f"{name}: {result} ({times} times, first in attempt {first[name, result]})")
    outcome.figures["slowest call"] = f"{seconds_shown(slowest)}"
    return outcome


def seconds_shown(seconds: float) -> str:
    """Return seconds with a unit."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def attempt(seed: int, name: str, target: Target, number: int) -> bytes:
    """Return what a target is given in an attempt, to look at a fault."""
    return target.make(random.Random(f"{name} {seed} {number}"))


def _results(
    setting: Setting, targets: Mapping[str, Target], every: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, int, str, float]]:
    """Yield name, number, fault (empty for none) and seconds of attempts: all with a fault, and the slowest ones."""
    folders = [setting.folder / str(index) for index in range(WORKERS)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    at_work = {i: _start(setting, targets, every[i::WORKERS], folder) for i, folder in enumerate(folders)}
    seen = dict.fromkeys(at_work, (0, time.monotonic()))
    while at_work:
        time.sleep(0.01)
        for index, worker in list(at_work.items()):
            with contextlib.suppress(BlockingIOError):
                worker.text += os.read(worker.output, 1 << 20)
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if worker.at != seen[index][0]:
                seen[index] = worker.at, time.monotonic()
            is_stuck = not pid and time.monotonic() - seen[index][1] > 3 * HANG
            if not pid and not is_stuck:
                continue
            if is_stuck:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
            yield from _read(worker)
            ended = (
                f"no end after {3 * HANG} s" if is_stuck else f"process died with {os.waitstatus_to_exitcode(status)}"
            )
            if is_stuck or status:
                yield (*worker.attempts[worker.at], ended, 0.0)
            rest = worker.attempts[worker.at + 1 :] if is_stuck or status else ()
            del at_work[index]
            if rest:
                at_work[index] = _start(setting, targets, rest, folders[index])
                seen[index] = 0, time.monotonic()


def _read(worker: _Worker) -> Iterator[tuple[str, int, str, float]]:
    while more := os.read(worker.output, 1 << 20):
        worker.text += more
    os.close(worker.output)
    for line in worker.text.decode().splitlines():
        at, seconds, result = line.split(" ", 2)
        name, number = worker.attempts[int(at)]
        yield name, number, result, float(seconds)


def _start(
    setting: Setting, targets: Mapping[str, Target], attempts: Sequence[tuple[str, int]], folder: Path
) -> _Worker:
    """Fork a process that makes attempts."""
    mark = mmap.mmap(-1, 8)
    output, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(null, number)
            os.chdir(folder)
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            limit = size + 2 * MEGABYTES * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            signal.signal(signal.SIGALRM, _interrupt)
            _work(setting.seed, targets, attempts, mark, write)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    os.set_blocking(output, False)
    return _Worker(pid, attempts, output, mark)


def _interrupt(*_: object) -> None:
    raise _Hang


def _work(
    seed: int, targets: Mapping[str, Target], attempts: Sequence[tuple[str, int]], mark: mmap.mmap, write: int
) -> None:
    slowest = 0.0
    for at, (name, number) in enumerate(attempts):
        mark[:8] = struct.pack("q", at)
        target = targets[name]
        result, seconds = _call(target.use, attempt(seed, name, target, number))
        if result or seconds > slowest:
            os.write(write, f"{at} {seconds:.3f} {result}\n".encode(errors="replace"))
            slowest = max(slowest, seconds)


def _call(use: Callable[[bytes], Sequence[str] | None], data: bytes) -> tuple[str, float]:
    """Return what is wrong with how a call ends, empty for nothing, and its seconds."""
    from swissbert.errors import SwissbertError

    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        result = next(filter(None, map(odd_message, use(data) or ())), "")
    except SwissbertError as error:
        result = odd_message(str(error))
    except _Hang:
        result = f"interrupted after {HANG} s"
    except BaseException as error:
        result = f"{type(error).__name__} in {_place(error)}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    if not result and seconds > SECONDS:
        result = f"over {SECONDS:g} s"
    if not result and grown > MEGABYTES:
        result = f"over {MEGABYTES:,} MB"
    return result, seconds


def odd_message(text: str) -> str:
    """Return what is wrong with a message for a terminal; empty for nothing."""
    if len(text) > CHARACTERS:
        return f"a message of over {CHARACTERS:,} characters"
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        return "a message with control characters"
    return ""


def _place(error: BaseException) -> str:
    """Return the last function of swissbert that an exception went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/swissbert/" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "no function of swissbert"
