"""Checksums notice every change to a file or record, and say what to do after an edit on purpose."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from swissbert import checksums
from swissbert.checksums import KEY, DamagedError, check_all, checksum, digest_of, sealed, unsealed
from swissbert.errors import SwissbertError

TABLE: dict[str, Any] = {"name": "one", "score": 0.25, "parts": [1, None, {"a": True}]}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with the checksum of a file beside it."""
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 40)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(sealed(TABLE, path.name, [tmp_path / "data.bin"]), indent=2), encoding="utf-8")
    return path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def check_both(record: Path) -> None:
    unsealed(record)
    check_all(record)


def test_a_record_comes_back_without_its_checksums(record: Path) -> None:
    assert unsealed(record) == TABLE
    check_all(record)
    table = json.loads(record.read_text(encoding="utf-8"))
    assert list(table[KEY]) == ["record.json", "data.bin"]
    record.write_text(json.dumps(dict(reversed(table.items()))), encoding="utf-8")  # another order and layout
    assert unsealed(record) == TABLE


def test_every_bit_of_a_file_and_a_record_counts(record: Path) -> None:
    for path in (record, record.with_name("data.bin")):
        before = path.read_bytes()
        for at in range(0, len(before), 1 + len(before) // 150):
            path.write_bytes(before[:at] + bytes([before[at] ^ 1 << at % 8]) + before[at + 1 :])
            with pytest.raises(SwissbertError, match=rf"{path.name}|record\.json"):
                check_both(record)
        path.write_bytes(before)
    check_all(record)


def test_an_edit_on_purpose_is_allowed_by_removing_its_line(record: Path) -> None:
    edit(record, name="other")
    with pytest.raises(
        DamagedError, match=r"own checksum; .* on purpose, remove its line from 'checksums' in record\.json$"
    ):
        check_all(record)
    sums = json.loads(record.read_text(encoding="utf-8"))[KEY]
    edit(record, **{KEY: {"data.bin": sums["data.bin"]}})
    assert unsealed(record)["name"] == "other"
    check_all(record)
    record.with_name("data.bin").write_bytes(b"other")
    with pytest.raises(
        DamagedError, match=r"data\.bin: its checksum differs from that in .*record\.json; install or copy"
    ):
        check_all(record)


def test_a_missing_file_and_names_elsewhere_are_refused(record: Path) -> None:
    record.with_name("data.bin").unlink()
    with pytest.raises(DamagedError, match=r"data\.bin: is missing, but record\.json has its checksum"):
        check_all(record)
    edit(record, **{KEY: {"../data.bin": "xxh3:0"}})
    with pytest.raises(DamagedError, match=r"no name of a file beside it"):
        check_all(record)
    edit(record, **{KEY: {"data.bin": 3}})
    with pytest.raises(DamagedError, match=r"checksums is not a table"):
        check_all(record)


def test_checksums_of_swissbert_0_1_0_are_still_compared(record: Path) -> None:
    data = record.with_name("data.bin")
    edit(record, **{KEY: {"data.bin": hashlib.sha256(data.read_bytes()).hexdigest()}})
    check_all(record)
    data.write_bytes(b"x")
    with pytest.raises(DamagedError, match=r"data\.bin: its checksum differs"):
        check_all(record)


def test_a_checksum_is_that_of_the_bytes_in_any_portions(tmp_path: Path) -> None:
    content = bytes(range(251)) * 3000  # longer than the buffer
    (tmp_path / "a").write_bytes(content)
    digest = digest_of(tmp_path / "a", 1000)
    assert digest.size == 1000
    digest.update(content[1000:])
    assert digest.checksum == checksum(tmp_path / "a")
    assert digest.size == len(content)


def test_a_warning_appears_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        checksums.warn("a line that no other test has")
    assert caplog.text.count("a line that no other test has") == 1
