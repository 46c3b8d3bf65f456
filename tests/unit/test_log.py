"""Damage to metrics.jsonl is said, costs no other line, and never ends in a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from swissbert.training.log import MetricsLog

STEPS = 8


def line(step: int) -> bytes:
    return json.dumps({"step": step, "loss": {"sst": 1.0}}).encode() + b"\n"


@pytest.fixture
def written(tmp_path: Path) -> tuple[int, str]:
    """Size and checksum of a log up to its checkpoint, after which there are more lines."""
    log = MetricsLog(tmp_path, 0)
    for step in range(1, STEPS + 1):
        log.write({"step": step, "loss": {"sst": 1.0}})
    state = log.digest.size, log.digest.checksum
    log.write({"step": STEPS + 1, "loss": {"sst": 1.0}})
    log.close()
    return state


def resumed(folder: Path, state: tuple[int, str] | None) -> tuple[list[int], list[str]]:
    """Resume a log, and return the steps that it has then and what was said."""
    lines: list[str] = []
    size, checksum = state or (None, None)
    log = MetricsLog(folder, STEPS, size=size, checksum=checksum, log=lines.append)
    log.write({"step": STEPS + 1, "loss": {"sst": 2.0}})
    log.close()
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert entries[-1]["loss"] == {"sst": 2.0}
    return [entry["step"] for entry in entries], lines


@pytest.mark.parametrize("is_known", [True, False], ids=["checksum", "checkpoint of an earlier version"])
def test_a_whole_log_is_kept_without_a_word(tmp_path: Path, written: tuple[int, str], is_known: bool) -> None:
    assert resumed(tmp_path, written if is_known else None) == ([*range(1, STEPS + 2)], [])


@pytest.mark.parametrize("is_known", [True, False], ids=["checksum", "checkpoint of an earlier version"])
@pytest.mark.parametrize(
    "bad",
    [
        b'{"step": "x"}\n',
        b"[" * 100_000 + b"\n",
        b'{"step": 1e999}\n',
        b"[3]\n",
        b"\xff\n",
        b'{"step": true}\n',
        b"null\n",
    ],
    ids=["text", "nested", "infinity", "list", "bytes", "bool", "null"],
)
def test_a_damaged_line_is_said_and_costs_no_other(
    tmp_path: Path, written: tuple[int, str], bad: bytes, is_known: bool
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(line(3), bad))
    steps, (text,) = resumed(tmp_path, written if is_known else None)
    assert steps == [1, 2, *range(4, STEPS + 2)]
    assert text.startswith(f"{path}: is not as it was when step {STEPS} was saved; lines that cannot be read: 1, ")
    assert "there are no entries of steps 3; " in text


@pytest.mark.parametrize(
    ("change", "left", "message"),
    [
        (lambda data: b"", [], "there are no entries of steps 1 to 8"),
        (lambda data: data[: data.index(line(5)) + 4], [1, 2, 3, 4], "there are no entries of steps 5 to 8"),
        (lambda data: data.replace(line(2), b"").replace(line(7), b""), [1, 3, 4, 5, 6, 8], "no entries of steps 2, 7"),
        (
            lambda data: data.replace(b"1.0", b"3.0", 1),
            [*range(1, 9)],
            "no entry is missing, but figures in it may be wrong",
        ),
        (lambda data: line(4) + data, [*range(1, 9)], "no entry is missing"),
    ],
)
def test_what_is_missing_or_changed_is_said(
    tmp_path: Path, written: tuple[int, str], change: Callable[[bytes], bytes], left: list[int], message: str
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(change(path.read_bytes()))
    steps, (text,) = resumed(tmp_path, written)
    assert steps == [*left, STEPS + 1]
    assert message in text


def test_a_missing_log_is_said(tmp_path: Path, written: tuple[int, str]) -> None:
    (tmp_path / "metrics.jsonl").unlink()
    steps, (text,) = resumed(tmp_path, written)
    assert steps == [STEPS + 1]
    assert "there are no entries of steps 1 to 8" in text
