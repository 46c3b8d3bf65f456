"""Inputs at an address: a copy that a job recognises."""

import gzip
import os
from pathlib import Path

import pytest

from swissbert.errors import SwissbertError
from swissbert.inference.job_folder import input_identity
from swissbert.inference.remote_input import is_address, local_input


def test_an_address_is_not_a_path() -> None:
    assert is_address("s3://bucket/rows.parquet")
    assert not any(map(is_address, ("rows.csv", "/data/a:b//c", "-", "C:\\rows.csv", "//host/rows")))
    with local_input("rows.csv", print) as path:
        assert path == "rows.csv"


def test_a_copy_has_the_identity_of_the_original_and_is_removed(tmp_path: Path) -> None:
    original = tmp_path / "my rows.csv.gz"
    original.write_bytes(gzip.compress(b"text\ngood\n"))
    os.utime(original, ns=(10**18 + 7, 10**18 + 7))
    notes: list[str] = []
    address = f"file://{tmp_path}/my%20rows.csv.gz"
    with local_input(address, notes.append) as path:
        assert path != str(original)
        assert Path(path).read_bytes() == original.read_bytes()
        assert input_identity(Path(path)) == input_identity(original)
    assert notes == [f"{address}: copied to {path} (0.0 MB)"]
    assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file://{}/none.csv", "none.csv: there is no such file"),
        ("file://{}", "a folder, and one file is read"),
        ("ftp://host/rows.csv", r"ftp://host/rows.csv: cannot be copied \(.*ftp"),
    ],
)
def test_what_cannot_be_copied_is_one_sentence(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(SwissbertError, match=message), local_input(address.format(tmp_path), print):
        pass
