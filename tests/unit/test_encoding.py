"""Encodings of text files."""

from pathlib import Path

import pytest
from declared import Writer, bad, declare, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.formats.encoding import SAMPLE, detect
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import read_inputs
from swissbert.tasks import find_task

WESTERN = ["It’s a “fine” café", "a naïve plot – really", "£5 well spent", "plain words", "Ærø in Õhtu"]


def table(lines: list[str], encoding: str, repeat: int = 4) -> bytes:
    return "\r\n".join(["text\tlabel", *(f"{line}\t1" for line in lines * repeat), ""]).encode(encoding)


@pytest.mark.parametrize("encoding", ["windows-1252", "cp1252", "Latin-1", "ISO-8859-1"])
def test_western_text_is_read_in_its_encoding_and_refused_without_it(write: Writer, encoding: str) -> None:
    folder = write(table(WESTERN, "cp1252"))
    assert texts(read_split(declare(encoding=encoding), "train", folder)) == WESTERN * 4
    with pytest.raises(SwissbertError, match=r'rows\.tsv: the text is not UTF-8 .*write encoding = "windows-1252"'):
        read_split(declare(), "train", folder)


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("windows-1251", "Хороший фильм"), ("shift_jis", "面白い映画"), ("gb18030", "好电影，很有意思")],
)
def test_other_alphabets_are_refused_without_naming_windows_1252(write: Writer, encoding: str, line: str) -> None:
    folder = write(table([line], encoding))
    assert texts(read_split(declare(encoding=encoding), "train", folder)) == [line] * 4
    with pytest.raises(SwissbertError, match="name its encoding for the task") as caught:
        read_split(declare(), "train", folder)
    assert "windows-1252" not in str(caught.value).lower()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_utf_8_is_read_although_wide_characters_were_named(write: Writer, encoding: str) -> None:
    rows = read_split(declare(encoding=encoding), "train", write(table(["naïve, plain"], "utf-8")))
    assert [row.text for row in rows.rows] == ["naïve, plain"] * 4
    assert rows.source_notes == [f"rows.tsv: read as UTF-8, which its bytes are, although encoding is '{encoding}'"]


def test_utf_32_without_a_byte_order_mark_is_read(write: Writer) -> None:
    rows = read_split(declare(encoding="utf-32"), "train", write(table(WESTERN, "utf-32-le")))
    assert len(rows.rows) > 1


@pytest.mark.parametrize("encoding", ["punycode", "idna", "unicode_escape", "base64", "rot13"])
def test_codecs_that_are_no_encodings_of_files_are_refused(encoding: str) -> None:
    with pytest.raises(SwissbertError, match=f"encoding is '{encoding}', which is not an encoding of text"):
        declare(encoding=encoding)


def test_a_single_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_bytes("un film très naïf\n".encode("windows-1252"))
    with pytest.raises(
        SwissbertError, match=r"not UTF-8 \(its first line holds other bytes\); it looks like Windows-1252"
    ):
        list(read_inputs(str(tmp_path / "rows.txt"), find_task("sst")))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("setting", [None, "windows-1252", "utf-8"])
def test_a_byte_order_mark_decides(write: Writer, encoding: str, setting: str | None) -> None:
    assert texts(read_split(declare(encoding=setting), "train", write(table(WESTERN, encoding)))) == WESTERN * 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_what_a_byte_order_mark_shows_is_said_unless_it_is_declared_or_utf_8(write: Writer, encoding: str) -> None:
    folder = write(table(WESTERN, encoding))
    notes = [f"rows.tsv: read as {encoding.upper()}, which its byte order mark shows"]
    assert read_split(declare(), "train", folder).source_notes == notes
    assert read_split(declare(encoding=encoding), "train", folder).source_notes == []
    assert read_split(declare(), "train", write(table(WESTERN, "utf-8-sig"))).source_notes == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised_and_said(write: Writer, encoding: str) -> None:
    folder = write(table(WESTERN, encoding))
    rows = read_split(declare(), "train", folder)
    assert texts(rows) == WESTERN * 4
    assert encoding.upper() in rows.source_notes[0]
    assert texts(read_split(declare(encoding="utf-16"), "train", folder)) == WESTERN * 4


def test_text_that_is_utf_8_is_not_decoded_in_a_declared_encoding_of_single_bytes(write: Writer) -> None:
    rows = read_split(declare(encoding="windows-1252"), "train", write(table(WESTERN, "utf-8")))
    assert texts(rows) == WESTERN * 4
    assert rows.source_notes == ["rows.tsv: read as UTF-8, which its bytes are, although encoding is 'windows-1252'"]


def test_a_damaged_row_among_many_is_a_bad_row(write: Writer) -> None:
    content = table(WESTERN, "utf-8", 40) + b"caf\xe9\t1\n"
    rows = read_split(declare(), "train", write(content))
    assert (len(rows), bad(rows)) == (200, [(202, "column 'text' has bytes that are not UTF-8")])


def test_damaged_rows_are_bad_rows_if_the_encoding_is_declared(write: Writer) -> None:
    content = b"text\tlabel\n" + 3 * b"caf\xe9\t1\n" + b"fine\t1\n"
    assert len(read_split(declare(encoding="utf-8"), "train", write(content)).bad) == 3
    rows = read_split(declare(encoding="windows-1252"), "train", write(content + b"\x81\t0\n"))
    assert bad(rows) == [(6, "column 'text' has bytes that are not windows-1252")]
    wide = "text\tlabel\nfine\t1\n".encode("utf-16-le") + b"\x00\xd8\t\x001\x00\n\x00"
    assert len(read_split(declare(encoding="utf-16-le"), "train", write(wide)).bad) == 1


def test_bytes_far_behind_the_sample_are_bad_rows(tmp_path: Path) -> None:
    line = b"a film of the year\t1\n"
    (tmp_path / "rows.tsv").write_bytes(b"text\tlabel\n" + line * (SAMPLE // len(line) + 9) + b"caf\xe9\t1\n")
    assert [row.reason for row in read_split(declare(), "train", tmp_path).bad] == [
        "column 'text' has bytes that are not UTF-8"
    ]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(deadline=None, max_examples=200)
def test_utf_8_is_always_taken_for_utf_8(text: str) -> None:
    assert detect(text.encode(), "x", None, is_whole=True)[0] in ("utf-8", "utf-8-sig") or "\0" in text


@pytest.mark.parametrize("length", range(SAMPLE - 4, SAMPLE + 1))
def test_a_character_at_the_end_of_the_sample_is_not_damage(write: Writer, length: int) -> None:
    filler = "x" * (length - len("text\tlabel\n"))
    content = f"text\tlabel\n{filler}é\t1\ncafé\t1\n".encode()
    assert len(read_split(declare(encoding="windows-1252"), "train", write(content))) == 2


def test_a_character_that_is_cut_at_the_end_of_the_sample_is_no_damage_beside_a_damaged_row() -> None:
    sample = b"caf\xe9\n" + "good\nna\u00ef".encode()[:-1]
    assert detect(sample, "here", None, is_whole=False) == ("utf-8", None)
    with pytest.raises(SwissbertError, match="2 of its first 3 lines"):
        detect(sample, "here", None, is_whole=True)
