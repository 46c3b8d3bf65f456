"""Changes that damage does to a file, at random places."""

import json
import random
from pathlib import Path


def flip(data: bytes, numbers: random.Random) -> bytes:
    """Change one bit."""
    new = bytearray(data or b"x")
    new[numbers.randrange(len(new))] ^= 1 << numbers.randrange(8)
    return bytes(new)


def cut(data: bytes, numbers: random.Random) -> bytes:
    """Keep the beginning."""
    return data[: numbers.randrange(len(data) or 1)]


def swap(data: bytes, numbers: random.Random) -> bytes:
    """Exchange two halves, as when blocks of a disk are."""
    middle = 1 + numbers.randrange(len(data) or 1)
    return data[middle:] + data[:middle]


def noise(data: bytes, numbers: random.Random) -> bytes:
    """Replace some bytes."""
    new = bytearray(data or b"x")
    for _ in range(numbers.choice((1, 2, 8))):
        new[numbers.randrange(len(new))] = numbers.randrange(256)
    return bytes(new)


def repeat(data: bytes, numbers: random.Random) -> bytes:
    """Put a piece in once more."""
    at = numbers.randrange(len(data) or 1)
    return data[:at] + data[at : at + numbers.choice((1, 8, 400))] * numbers.choice((2, 50)) + data[at:]


def nest(data: bytes, numbers: random.Random) -> bytes:
    """Put brackets or a huge number in."""
    at = numbers.randrange(len(data) or 1)
    return data[:at] + numbers.choice((b"[" * 100_000, b'{"a":' * 2000, b"9" * 5000, b"1e400", b"null")) + data[at:]


CHANGES = (flip, flip, cut, swap, noise, repeat, nest)


def damage(path: Path, numbers: random.Random) -> str | None:
    """Change or remove a file; return how, or None if it is as it was."""
    before = path.read_bytes()
    if numbers.random() < 0.1:
        path.unlink()
        return f"{path.name} removed"
    change = numbers.choice(CHANGES)
    path.write_bytes(after := change(before, numbers))
    return None if after == before else f"{path.name} {change.__name__}"


def has_equal_values(whole: Path, changed: Path) -> bool:
    """Whether the files of two folders are equal but for the layout of JSON, such as a key that stands there twice."""
    for path in whole.iterdir():
        try:
            before, now = path.read_bytes(), (changed / path.name).read_bytes()
            if before != now and not (path.suffix == ".json" and json.loads(before) == json.loads(now)):
                return False
        except (OSError, ValueError):  # it is gone, or no JSON any more
            return False
    return True
