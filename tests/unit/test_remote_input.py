"""Inputs at an address: a copy that a job recognises."""

import gzip
import os
import sys
import tempfile
from pathlib import Path

import pytest

from swissbert.cli import main
from swissbert.errors import SwissbertError
from swissbert.inference.job_folder import input_identity
from swissbert.inference.remote_input import check_address, is_address, local_input


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


def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    left = tmp_path / "temporary" / "swissbert-input-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "large.csv").write_bytes(b"text\n")
    (tmp_path / "rows.csv").write_bytes(b"text\ngood\n")
    with local_input(f"file://{tmp_path}/rows.csv", print) as path:
        assert not left.exists()
        assert Path(path).is_relative_to(tmp_path / "temporary")
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:hidden@bucket/rows.csv",
        "s3://AKIA:hid/den@bucket/rows.csv",
        "abfs://container:hidden@account.dfs.core.windows.net/rows.csv",
        "abfs://container@account/rows.csv?tenant_id=1&client_secret=hidden",
        "https://host/rows.csv?se=1&sig=hidden",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SwissbertError, match="with a password or key in it"), local_input(address, print):
        pass
    monkeypatch.setattr(sys, "argv", ["swissbert", "predict", "mini", "--input", address, "--output-dir", "answers"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main()
    out, err = capsys.readouterr()
    assert "credentials come from the environment" in " ".join(err.split())
    assert "den@" not in out + err
    assert "hidden" not in out + err


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/a@b.csv",
        "s3://bucket/rows.csv?region=eu-central-2&endpoint_override=host:9000",
        "hdfs://me@namenode:9000/rows.csv",
        "hdfs://namenode:9000/a@b.csv",
        "abfs://container@account.dfs.core.windows.net/rows.csv",
    ],
)
def test_a_user_a_port_or_a_name_is_no_secret(address: str) -> None:
    check_address(address)


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
