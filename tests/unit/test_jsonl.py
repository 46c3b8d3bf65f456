"""JSON Lines files."""

import json

import pytest
from declared import Writer, bad, declare, outcomes, pairs, scores
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.rows import BadRow, Row
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.inference.inputs import open_inputs

LISTS = 'kind = "multilabel" takes lists of labels'


def test_unicode_line_separators_do_not_end_a_line(write: Writer) -> None:
    folder = write('{"text": "one\u2028two\x85three", "label": 1}\n{"text": "four", "label": 0}\n', "rows.jsonl")
    rows = read_split(declare("rows.jsonl"), "train", folder)
    assert [(row.number, row.text) for row in rows.rows] == [(1, "one\u2028two\x85three"), (2, "four")]


def test_half_a_surrogate_pair_is_a_bad_row_and_a_whole_one_is_text(write: Writer) -> None:
    lines = [
        r'{"id": "1", "text": "\ud83d\ude00 fine", "label": 1}',
        r'{"id": "2", "text": "\ud800", "label": 1}',
        r'{"id": "3", "text": "fine \udcff", "label": 1}',
        r'{"id": "\ud800", "text": "fine", "label": 1}',
        r'{"id": "5", "text": ["\ud800"], "label": 1}',
        r'{"id": "6", "text": {"\ud800": "x"}, "label": 1}',
        r'{"id": "7", "text": "fine", "label": "\ud800"}',
        r'{"id": "8", "text": "fine", "label": ["\ud800"]}',
        r'{"\ud800": 1, "id": "9", "text": "fine", "label": 1}',
        r'{"id": ["\ud800"], "text": "a list is an id all the same", "label": 1}',
    ]
    task = declare("rows.jsonl", columns={"text": "text", "label": "label", "id": "id"})
    rows = read_split(task, "train", write("\n".join(lines), "rows.jsonl"))
    assert [row.number for row in rows.rows] == [1, 10]
    assert rows.rows[0].text == "\U0001f600 fine"
    assert bad(rows) == [
        (2, "column 'text' has half of a surrogate pair"),
        (3, "column 'text' has bytes that are not UTF-8"),
        (4, "column 'id' has half of a surrogate pair"),
        (5, r"column 'text' is ['\ud800'], not text"),
        (6, r"column 'text' is {'\ud800': 'x'}, not text"),
        (7, "column 'label' has half of a surrogate pair"),
        (8, "column 'label' is ['\\ud800'], but a classification task takes one label; " + LISTS),
        (9, "a column name with half of a surrogate pair"),
    ]
    assert all(str(row).encode() for row in rows.bad)  # can be printed
    assert all(row.digested() for row in rows.rows)


def test_labels_that_are_neither_numbers_nor_names_are_reported(write: Writer) -> None:
    values = ["NaN", "Infinity", "null", "true", "[1]", '{"a": 1}', "1e400", "9" * 4000, "1.5", "1.0"]
    lines = [f'{{"text": "x", "label": {value}}}' for value in values]
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [(row.number, row.label) for row in rows.rows] == [(10, 1.0)]
    assert rows.label_notes.unlabelled == 2  # NaN and null
    assert [row.number for row in rows.bad] == [2, 4, 5, 6, 7, 8, 9]
    assert max(len(row.reason) for row in rows.bad) < 120


def test_texts_that_are_not_strings_are_reported_briefly(write: Writer) -> None:
    values = ["null", "3", "2.5", "true", "[]", json.dumps(["long"] * 1000), '{"a": "b"}', '""', '" "', '"3"']
    lines = [f'{{"text": {value}, "label": 1}}' for value in values]
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [(row.number, row.text) for row in rows.rows] == [(10, "3")]
    assert [row.reason for row in rows.bad] == [
        "column 'text' is empty",
        "column 'text' is 3, not text",
        "column 'text' is 2.5, not text",
        "column 'text' is True, not text",
        "column 'text' is [], not text",
        "column 'text' is ['long', 'long', 'long', 'long', 'long',, not text",
        "column 'text' is {'a': 'b'}, not text",
        "column 'text' is empty",
        "column 'text' is empty",
    ]


def test_lines_that_are_not_objects_are_reported(write: Writer) -> None:
    lines = ['{"text": "x", "label": 1}', '["x", 1]', '"x"', "3", "null", "{", "text", "", "  ", "[" * 100_000]
    lines += ['{"text": "x", "label": ' + "9" * 5000 + "}", '{"text": "y", "label": 0}']
    rows = read_split(declare("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert [row.number for row in rows.rows] == [1, 12]
    assert [row.number for row in rows.bad] == [2, 3, 4, 5, 6, 7, 10, 11]
    assert rows.bad[0].reason.startswith("a JSON list, not an object with column names; for lists write header = false")
    assert rows.bad[3].reason == ('JSON null, not an object with column names; a row is for instance {"text": "..."}')
    assert rows.bad[4].reason.startswith("not a JSON object (")
    assert rows.bad[6].reason == "not a JSON object (nested too deeply)"
    assert rows.bad[7].reason.startswith("not a JSON object (")


@pytest.mark.parametrize("between", ["", "\n"])
def test_null_in_an_array_costs_its_own_row_alone(write: Writer, between: str) -> None:
    items = ['{"text": "x", "label": 1}', "null", '{"text": "y", "label": 0}']
    folder = write(f"[{between}{f', {between}'.join(items)}{between}]", "rows.json")
    rows = read_split(declare("rows.json"), "train", folder)
    assert [row.text for row in rows.rows] == ["x", "y"]
    assert [row.reason.split(",")[0] for row in rows.bad] == ["JSON null"]


def test_a_list_in_an_object_has_the_columns_of_its_rows(write: Writer) -> None:
    folder = write('{"data": [{"text": "x", "label": 1}]}', "rows.json")
    [row] = open_inputs(str(folder / "rows.json"), [declare("rows.json")])
    assert row.cells == {"text": "x", "label": 1}
    nested = declare("rows.json", columns={"text": "data.text", "label": "data.label"})
    [read] = read_split(nested, "train", folder).rows
    assert read.text == "x"


def test_objects_without_a_column_of_the_first_one_are_reported(write: Writer) -> None:
    lines = ['{"id": 7, "a": "x", "b": "y", "label": 1}', '{"id": 8, "a": "x", "label": 1}']
    lines += ['{"a": "x", "b": "y", "label": 1}', '{"id": 9, "a": "x", "b": "y"}']
    rows = read_split(pairs("rows.jsonl"), "train", write("\n".join(lines), "rows.jsonl"))
    assert rows.rows == [Row(1, "7", "x", "y", 1.0)]
    assert bad(rows) == [(number, f"there is no column '{name}' in this row") for number, name in ((2, "b"), (3, "id"))]
    assert rows.label_notes.unlabelled == 1


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


line = (
    st.fixed_dictionaries({}, optional={"text": value, "label": value, "id": value, "\ud800": value}).map(json.dumps)
    | value.map(json.dumps)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
)


@given(lines=st.lists(line, max_size=12), damage=st.booleans())
@settings(deadline=None, max_examples=120)
def test_every_line_of_messy_json_lines_is_a_row_or_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], damage: bool
) -> None:
    lines = ['{"text": "fine", "label": 1, "id": 1}', *lines]
    path = tmp_path_factory.mktemp("messy") / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode() + (b"\n{\xff" if damage else b""))
    task = declare("rows.jsonl", columns={"text": "text", "label": "label", "id": "id"})
    results = outcomes(task, path)
    expected = [number for number, line in enumerate(lines, 1) if line.strip()]
    assert [row.number for row in results] == expected + ([len(lines) + 1] if damage else [])
    for row in results:
        if isinstance(row, Row):
            row.text.encode()
            assert row.label in (0.0, 1.0, None)
        else:
            str(row).encode()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["false", "true"], [0.0, 1.0]),
        (["False", "True"], [0.0, 1.0]),
        (["1", "0"], [1.0, 0.0]),
        (["no", "true"], [0.0, 1.0]),
        (["no", "n", "true"], [None, 2.0]),
        (["bad", "good"], [None, None]),
    ],
)
def test_a_boolean_is_the_label_of_its_name_or_number(
    write: Writer, labels: list[str], expected: list[float | None]
) -> None:
    folder = write('{"text": "x", "label": false}\n{"text": "y", "label": true}\n', "rows.jsonl")
    task = declare("rows.jsonl", labels=labels)
    results = outcomes(task, folder / "rows.jsonl")
    assert [row.label if isinstance(row, Row) else None for row in results] == expected


def test_a_boolean_is_not_a_score(write: Writer) -> None:
    folder = write('{"text": "x", "label": true}\n', "rows.jsonl")
    [row] = outcomes(scores("rows.jsonl"), folder / "rows.jsonl")
    assert isinstance(row, BadRow)


def test_an_object_of_rows_is_read_and_a_split_table_is_refused(write: Writer) -> None:
    folder = write('{"a7": {"text": "fine", "label": 1}, "a8": {"text": "dull", "label": 0}}', "rows.json")
    rows = read_split(declare("rows.json"), "train", folder)
    assert [(row.text, row.label) for row in rows.rows] == [("fine", 1.0), ("dull", 0.0)]
    assert rows.source_notes == ["rows.json: the rows are the values of one object"]
    folder = write('{"columns": ["text", "label"], "index": [0], "data": [["fine", 1]]}', "rows.json")
    with pytest.raises(SwissbertError, match="one object for each row is expected"):
        read_split(declare("rows.json"), "train", folder)


def test_lines_that_are_nearly_json_say_what_is_wrong(write: Writer) -> None:
    content = """{"text": "a", "label": 1},\n{'text': 'b', 'label': 1}\n{"text": "c", "label": 0}\n"""
    reasons = [reason for _, reason in bad(read_split(declare("rows.jsonl"), "train", write(content, "rows.jsonl")))]
    assert [reason.partition("; ")[2] for reason in reasons] == [
        "a line of JSON Lines does not end with a comma",
        "names and texts of JSON are in double quotes",
    ]


@pytest.mark.parametrize("name", ["te\u0301xt", "t\u00e9xt\u200b", "t\u00e9xt\u00a0"])
def test_columns_whose_names_look_the_same_are_the_same(write: Writer, name: str) -> None:
    columns = {"text": "t\u00e9xt", "label": "label"}
    for file, content in (
        ("rows.jsonl", f'{{"{name}": "a", "label": 1}}\n' * 2),
        ("rows.csv", f"{name},label\na,1\na,1\n"),
    ):
        rows = read_split(declare(file, columns=columns), "train", write(content, file))
        assert [row.text for row in rows.rows] == ["a", "a"]
