"""Tab- and comma-separated files."""

import csv

import numpy as np
import pytest
from declared import Writer, bad, declare, outcomes, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.formats import read_cells
from swissbert.data.rows import BadRow, Row, labels_of
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import read_inputs
from swissbert.tasks import find_task


def test_the_course_format_ignores_the_index_column_and_reads_quotes(write: Writer) -> None:
    content = '\tid\tsentence\tsentiment\n0\tx1\t "Say ""hi"" now" ends\t3\n1\tx2\t"A ""b"" c"\t0\n'
    rows = read_split(
        find_task("sst").model_copy(update={"files": {"train": "rows.csv"}}), "train", write(content, "rows.csv")
    )
    assert [(row.number, row.id, row.text, row.label) for row in rows.rows] == [
        (2, "x1", '"Say ""hi"" now" ends', 3.0),  # the quote is not the first character: plain text
        (3, "x2", 'A "b" c', 0.0),
    ]


def test_a_header_that_is_shifted_as_in_the_course_test_files_is_read_by_name(write: Writer) -> None:
    content = "0\t\tid\tsentence\n1\t0.0\tc91\t Effective but tepid\n2\t1.0\td17\t A good place to start .\n"
    task = find_task("sst").model_copy(update={"files": {"test": "rows.csv"}})
    rows = read_split(task, "test", write(content, "rows.csv"))
    assert [(row.id, row.text, row.label) for row in rows.rows] == [
        ("c91", "Effective but tepid", None),
        ("d17", "A good place to start .", None),
    ]
    assert np.isnan(labels_of(rows.rows)).all()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_all_line_ends_give_the_same_rows(write: Writer, end: str, last: bool) -> None:
    content = end.join(["text\tlabel", "fine\t1", "dull\t0"]) + (end if last else "")
    rows = read_split(declare(), "train", write(content))
    assert [(row.number, row.text, row.label) for row in rows.rows] == [(2, "fine", 1.0), (3, "dull", 0.0)]


def test_bytes_that_are_not_utf8_in_an_unused_column_are_ignored(write: Writer) -> None:
    rows = read_split(declare(), "train", write(b"text\tlabel\tnote\nfine\t1\tcaf\xe9\n"))
    assert texts(rows) == ["fine"]


def test_quotes_in_tab_separated_files_are_text_unless_declared_otherwise(write: Writer) -> None:
    folder = write('text\tlabel\n"a "b" c\t1\n"whole"\t0\n')
    assert texts(read_split(declare(), "train", folder)) == ['"a "b" c', '"whole"']
    assert texts(read_split(declare(quotes=True), "train", folder)) == ['a b" c', "whole"]


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (['"he said ""no"""', "plain", '"a, b"'], "rows.tsv: 2 cells of 'text' look quoted; quotes = true in the task"),
        (['"he said ""no"""', "plain", "'\""], None),  # quotes of another kind too
        (['"A sentence."', "plain", '"Another one!"'], None),  # which people write
        (['he said "no"', 'a 6" nail', '"'], None),
    ],
)
def test_cells_that_look_quoted_are_counted_and_said(write: Writer, cells: list[str], note: str | None) -> None:
    folder = write("text\tlabel\n" + "".join(f"{cell}\t1\n" for cell in cells), "rows.tsv")
    rows = read_split(declare("rows.tsv"), "train", folder)
    assert [row.text for row in rows.rows] == cells
    assert [line[: len(note or "")] for line in rows.source_notes] == ([note] if note else [])
    assert read_split(declare("rows.tsv", quotes=False), "train", folder).source_notes == []
    said: list[str] = []
    assert len(list(read_inputs(str(folder / "rows.tsv"), declare("rows.tsv"), on_note=said.append))) == len(cells)
    assert said == rows.source_notes  # a prediction says it too
    assert read_split(declare("rows.tsv", quotes=True), "train", folder).source_notes == []


def test_quotes_in_comma_separated_files_are_text_if_declared_so(write: Writer) -> None:
    folder = write('text,label\n"a",1\n', "rows.csv")
    assert texts(read_split(declare("rows.csv"), "train", folder)) == ["a"]
    assert texts(read_split(declare("rows.csv", quotes=False), "train", folder)) == ['"a"']


def test_quoted_newlines_stay_in_the_cell_and_later_rows_keep_their_line_numbers(write: Writer) -> None:
    content = 'text,label\n"one\ntwo, three",1\n\nfine,0\n"four\r\nfive",good\nlast,7\n'
    rows = read_split(declare("rows.csv"), "train", write(content, "rows.csv"))
    assert [(row.number, row.text, row.label) for row in rows.rows] == [
        (2, "one\ntwo, three", 1.0),
        (5, "fine", 0.0),
        (6, "four\r\nfive", 1.0),
    ]
    assert [row.number for row in rows.bad] == [8]


def test_an_unclosed_quote_affects_its_own_line_only(write: Writer) -> None:
    content = '\tid\tsentence\tsentiment\n0\ta\tfine\t3\n1\tb\t"never closed\t1\n2\tc\tdull\t0\n3\td\tgood\t4\n'
    task = find_task("sst").model_copy(update={"files": {"train": "rows.csv"}})
    rows = read_split(task, "train", write(content, "rows.csv"))
    assert [(row.number, row.id) for row in rows.rows] == [(2, "a"), (4, "c"), (5, "d")]
    reason = "3 cells where the header has 4; a quote on this line is not closed as it should be"
    assert bad(rows) == [(3, reason)]


@pytest.mark.parametrize("closing", ['"odd" end', 'ends in one"', '"'])
def test_two_stray_quotes_do_not_merge_the_rows_between_them(write: Writer, closing: str) -> None:
    content = f'\tid\tsentence\tsentiment\n0\ta\t"open\t3\n1\tb\tbetween\t1\n2\tc\t{closing}\t0\n3\td\tgood\t4\n'
    task = find_task("sst").model_copy(update={"files": {"train": "rows.csv"}})
    results = outcomes(task.model_copy(update={"format": "cs224n"}), write(content, "rows.csv") / "rows.csv")
    assert [row.number for row in results] == [2, 3, 4, 5]
    assert isinstance(results[0], BadRow)
    assert isinstance(results[1], Row)
    assert results[1].text == "between"
    assert results[3] == Row(5, "d", "good", None, 4.0)


def test_an_unclosed_quote_in_the_last_cell_ends_with_its_line(write: Writer) -> None:
    rows = read_split(declare(quotes=True), "train", write('label\ttext\n1\t"open\n0\tdull\n'))
    assert [(row.number, row.text) for row in rows.rows] == [(2, "open"), (3, "dull")]


def test_a_wrong_number_of_cells_is_reported_with_both_numbers(write: Writer) -> None:
    rows = read_split(declare(), "train", write("text\tlabel\nfine\t1\nno label\na\tb\tc\n   \nfine\t0\n"))
    assert bad(rows) == [
        (3, "1 cell where the header has 2"),
        (4, "3 cells where the header has 2"),
    ]  # a line of spaces is blank
    assert [row.number for row in rows.rows] == [2, 6]


def test_a_text_of_a_megabyte_is_read_whole(write: Writer) -> None:
    long = "word " * 200_000 + "end"
    content = f'text,label\n"{long}",1\n{long},0\n"open {long},0\n'
    rows = read_split(declare("rows.csv"), "train", write(content, "rows.csv"))
    assert texts(rows) == [long, long]
    assert [row.number for row in rows.bad] == [4]


@pytest.mark.parametrize("content", ["text\tlabel\ttext\nfine\t1\tx\n", "text\tlabel\ttext \nfine\t1\tx\n"])
def test_a_header_that_names_a_column_twice_is_an_error(write: Writer, content: str) -> None:
    with pytest.raises(SwissbertError, match=r"rows\.tsv: the header names column 'text' twice"):
        read_split(declare(), "train", write(content))


def test_several_columns_may_have_no_name(write: Writer) -> None:
    assert texts(read_split(declare(), "train", write("\t\ttext\tlabel\n1\t2\tfine\t1\n"))) == ["fine"]


def test_a_header_that_is_not_utf8_is_an_error(write: Writer) -> None:
    folder = write("text\tétiquette\nfine\t1\n".encode("latin-1"))
    with pytest.raises(SwissbertError, match=r"rows\.tsv: the header has .*; save the file as UTF-8 text"):
        read_split(declare(), "train", folder)


def test_blank_lines_before_the_header_are_ignored(write: Writer) -> None:
    assert [row.number for row in read_split(declare(), "train", write("\n\ntext\tlabel\n\nfine\t1\n")).rows] == [5]


messy = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n") | st.sampled_from("\"', \0\udcff\u2028é0123"),
    max_size=8,
)


@given(
    lines=st.lists(st.lists(messy, min_size=1, max_size=4).map("\t".join), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None, max_examples=120)
def test_every_line_of_a_messy_tsv_is_a_row_or_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    path = tmp_path_factory.mktemp("messy") / "rows.tsv"
    path.write_bytes((end.join(["label\ttext", *lines]) + end).encode("utf-8", "surrogateescape"))
    results = outcomes(declare(), path)
    assert [row.number for row in results] == [number for number, line in enumerate(lines, 2) if line.strip(" ")]
    for row in results:
        cells = lines[row.number - 2].split("\t")
        assert isinstance(row, BadRow) or (not any(map(str.strip, cells[2:])) and row.text == cells[1].strip())


word = st.text("ab c", min_size=1, max_size=5)


@given(
    rows=st.lists(st.tuples(word, word, st.sampled_from(["0", "1"]), st.sampled_from([None, 0, 1, 2])), max_size=10),
    ending=st.sampled_from(["rows.csv", "rows.tsv"]),
)
@settings(deadline=None, max_examples=120)
def test_stray_quotes_never_affect_another_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, int | None]], ending: str
) -> None:
    path = tmp_path_factory.mktemp("stray") / ending
    sign = "," if ending == "rows.csv" else "\t"
    lines = []
    for a, b, label, stray in rows:
        cells = [f"a{a}", f"b{b}", label]
        if stray is not None:
            cells[stray] = f'"{cells[stray]}'
        lines.append(sign.join(cells))
    path.write_text("\n".join([f"text{sign}other{sign}label", *lines]) + "\n", encoding="utf-8")
    results = outcomes(declare(ending, quotes=True), path)
    assert [row.number for row in results] == list(range(2, len(rows) + 2))
    for (a, _, label, stray), row in zip(rows, results, strict=True):
        if stray is None:
            assert row == Row(row.number, str(row.number), f"a{a}".strip(), None, float(label))


@given(rows=st.lists(st.tuples(st.text('a,"\n\r \t', max_size=6), st.sampled_from("01")), min_size=1, max_size=8))
@settings(deadline=None, max_examples=120)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    assert [cells for _, cells in read_cells(path)] == [{"text": text, "label": label} for text, label in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "sep=;\ntext;label\na, b;1\nc;0\n"),
        ("rows.csv", '\ufeff\ufefftext,label\n"a, b",1\nc,0\n'),
        ("rows.csv", 'text,label\n  \n"a, b",1\n \nc,0\n'),
        ("rows.tsv", '"text"\t"label"\n"a, b"\t"1"\n"c"\t"0"\n'),
    ],
)
def test_layouts_that_programs_write_are_read(write: Writer, name: str, content: str) -> None:
    rows = read_split(declare(name), "train", write(content, name))
    assert [(row.text, row.label) for row in rows.rows] == [("a, b", 1.0), ("c", 0.0)]
    assert not rows.bad


def test_a_delimiter_that_the_first_line_names_is_said(write: Writer) -> None:
    folder = write("sep=;\ntext;label\na, b;1\n", "rows.csv")
    notes = ["rows.csv: the cells are separated by semicolons, as its first line says"]
    assert read_split(declare("rows.csv"), "train", folder).source_notes == notes
    assert read_split(declare("rows.csv", delimiter=";"), "train", folder).source_notes == []


def test_quotes_with_a_backslash_in_front_are_quotes(write: Writer) -> None:
    content = 'text,label\n"he said \\"oh, well\\"",1\n"C:\\",0\n'
    rows = read_split(declare("rows.csv"), "train", write(content, "rows.csv"))
    assert texts(rows) == ['he said "oh, well"', "C:\\"]


def test_the_header_again_is_known_with_a_byte_order_mark(write: Writer) -> None:
    rows = read_split(declare("rows.csv"), "train", write("\ufefftext,label\na,1\n\ufefftext,label\nb,0\n", "rows.csv"))
    assert bad(rows) == [(3, "the header occurs again")]


@pytest.mark.parametrize(
    ("content", "help"),
    [
        ("text^label\na^1\n", r'with .\^. between columns; delimiter = "\^" reads it'),
        ("text::label\na::1\n", "with '::' between columns; one character is expected"),
        ("Survey 2024,\n,\ntext,label\na,1\n", r"named 2 line\(s\) below it; remove the lines above"),
        ("# a comment\ntext;label\na;1\n", r"named 1 line\(s\) below it"),
    ],
)
def test_a_header_that_is_elsewhere_or_otherwise_is_explained(write: Writer, content: str, help: str) -> None:
    with pytest.raises(SwissbertError, match=help):
        read_split(declare("rows.csv"), "train", write(content, "rows.csv"))


def test_rows_with_too_many_cells_and_open_quotes_say_what_helps(write: Writer) -> None:
    assert bad(read_split(declare("rows.csv"), "train", write("text,label\nx,1\na, b,1\n", "rows.csv"))) == [
        (3, "3 cells where the header has 2; a text that holds commas has to be in double quotes")
    ]
    content = 'text\tlabel\nx\t1\n"a\nb c\n'
    assert "quotes = true in the task" in bad(read_split(declare(), "train", write(content)))[0][1]


def test_without_a_header_the_text_may_be_the_first_column(write: Writer) -> None:
    task = declare("rows.txt", header=False, columns={"text": 1, "label": 2})
    rows = read_split(task, "train", write("a b\t1\nc\t0\n", "rows.txt"))
    assert [(row.text, row.label) for row in rows.rows] == [("a b", 1.0), ("c", 0.0)]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_without_a_header_the_delimiter_is_the_one_that_every_line_has(write: Writer, ending: str) -> None:
    name = f"rows.{ending}"
    task = declare(name, header=False, columns={"text": 1, "label": 2})
    rows = read_split(task, "train", write("good, though | odd;1\nc;0\na, b, c;1\n", name))
    assert [(row.text, row.label) for row in rows.rows] == [("good, though | odd", 1.0), ("c", 0.0), ("a, b, c", 1.0)]
    assert any("separated by semicolons" in note for note in rows.source_notes)


@pytest.mark.parametrize(
    ("ending", "content", "expected"),
    [
        ("csv", "a;b,1\nc;d,0\n", ["a;b", "c;d"]),  # every line has as many of both
        ("csv", "a;b,1\nc,0\n", ["a;b", "c"]),
        ("csv", "a;b,1\n", ["a;b"]),
        ("csv", "a;b,1\nc;d,0,\n", ["a;b", "c;d"]),  # empty cells at the end do no harm
        ("csv", '"a;b",1\n"c,d",0\n', ["a;b", "c,d"]),
        (
            "tsv",
            "Paris, France\t1\nRome, Italy\t0\tmore\nBonn, Rhine\t1\n",
            ["Paris, France", "Rome, Italy", "Bonn, Rhine"],
        ),
    ],
)
def test_the_usual_delimiter_stays_where_it_fits(write: Writer, ending: str, content: str, expected: list[str]) -> None:
    name = f"rows.{ending}"
    task = declare(name, header=False, columns={"text": 1, "label": 2})
    assert texts(read_split(task, "train", write(content, name))) == expected


def test_a_delimiter_that_is_set_stays(write: Writer) -> None:
    task = declare("rows.csv", header=False, columns={"text": 1, "label": 2}, delimiter=",")
    rows = read_split(task, "train", write("a;b,1\nc;0\n", "rows.csv"))
    assert texts(rows) == ["a;b"]
    assert len(rows.bad) == 1


def test_lines_that_were_looked_at_are_read_once(write: Writer) -> None:
    lines = [f"text {number}{', well' * (1 + number % 3)};{number % 2}" for number in range(40)]
    task = declare("rows.csv", header=False, columns={"text": 1, "label": 2})
    rows = read_split(task, "train", write("\n".join(lines) + "\n", "rows.csv"))
    assert [row.number for row in rows.rows] == list(range(1, 41))
    assert texts(rows) == [line[:-2] for line in lines]
