"""Rows of files are counted for the time left alone: not where no progress is shown, and not before it is."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from declared import Writer, declare

from swissbert import display as display_module
from swissbert.data import row_counts
from swissbert.data.row_counts import share_read
from swissbert.data.splits import read_split
from swissbert.display import Display

CONTENT = "text\tlabel\n" + "fine\t1\n" * 9  # 10 lines


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose rows are counted; progress is shown after each row."""
    counted: list[Path] = []
    original = row_counts.about_rows

    def about_rows(paths: Sequence[Path]) -> int:
        counted.extend(paths)
        return original(paths)

    monkeypatch.setattr(row_counts, "about_rows", about_rows)
    monkeypatch.setattr(display_module, "LINE_EVERY", 0)
    return counted


def read(display: Display, folder: Path) -> None:
    with display.rows("reading", share_read(declare(), "train", folder)) as bar:
        read_split(declare(), "train", folder, on_row=bar.advance)


def test_a_quiet_display_counts_no_rows(write: Writer, counted: list[Path]) -> None:
    read(Display(quiet=True), write(CONTENT))
    assert not counted


def test_rows_are_counted_once_when_progress_is_shown(write: Writer, counted: list[Path]) -> None:
    folder, stream = write(CONTENT), io.StringIO()
    display = Display(stream=stream)
    share = share_read(declare(), "train", folder)
    with display.rows("reading", share) as bar:
        assert not counted
        bar.advance(5)
        bar.advance(2)
    assert len(counted) == 1
    assert [share(0), share(5), share(10)] == [0, 0.5, 0.99]
    assert " left" in stream.getvalue()
