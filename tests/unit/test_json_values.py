"""JSON values one after the other: arrays, values over several lines, damage."""

import io
import json

import pytest
from declared import Writer, declare, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.formats import json_values
from swissbert.data.formats.json_values import JsonValues
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError

VALUES = st.lists(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=8,
)


@given(values=VALUES, indent=st.sampled_from([None, 1, 2]), chunk=st.integers(1, 40))
@settings(deadline=None, max_examples=200)
def test_arrays_and_values_on_their_own_are_read_whatever_the_size_of_chunks(
    values: list[object], indent: int | None, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "CHUNK", chunk)
        array = JsonValues(io.StringIO(json.dumps(values, indent=indent)), "x")
        assert [value for _, value in array] == values
        loose = [value for value in values if isinstance(value, dict)]
        text = "\n".join(json.dumps(value, indent=indent) for value in loose)
        result = list(JsonValues(io.StringIO(text), "x"))
        assert [value for _, value in result] == loose
        lines = text.split("\n")
        assert all(lines[line - 1].startswith("{") for line, _ in result)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"a": 1},\n{"a": 2},\n{"a": }]', 3),
        ('[{"a": 1}\n{"a": 2}]', 2),
        ('[{"a": 1},\n{"a": 2}', 2),
        ('[{"a": 1}]\n\n[2]', 3),
        ('[\n{"a": 1},\n]', 3),
    ],
)
def test_damage_is_an_error_with_its_line(text: str, line: int) -> None:
    with pytest.raises(SwissbertError, match=rf"^x: not valid JSON on line {line} \("):
        list(JsonValues(io.StringIO(text), "x"))


def test_a_value_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "CHUNK", 10)
    monkeypatch.setattr(json_values, "OBJECT", 200)
    with pytest.raises(SwissbertError, match=r"begins on line 2 has more than \d+ MB"):
        list(JsonValues(io.StringIO('[1,\n"' + "x" * 1000 + '"]'), "x"))


ROWS = [{"text": f"text {number}", "label": number % 2} for number in range(6)]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (json.dumps(ROWS), {}),
        (json.dumps(ROWS, indent=4), {}),
        ("\n".join(json.dumps(row, indent=2) for row in ROWS), {}),
        (json.dumps({"version": 2, "data": ROWS}), {}),
        (json.dumps({"version": 2, "data": ROWS}, indent=1), {}),
        (json.dumps({"data": ROWS}), {"text": "data.text", "label": "data.label"}),
        ("\n".join(json.dumps({"a": {"b": row}, "label": 0}) for row in ROWS), {"text": "a.b.text", "label": "label"}),
        (
            "\n".join(json.dumps({"a.text": row["text"], "a": {"text": "x"}, "label": 0}) for row in ROWS),
            {"text": "a.text"},
        ),
        (json.dumps([[row["label"], row["text"]] for row in ROWS]), {"text": 2, "label": 1}),
        ("\n".join(json.dumps([row["label"], row["text"]]) for row in ROWS), {"text": 2, "label": 1}),
    ],
)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_rows_in_any_shape_of_json_are_the_same(
    write: Writer, name: str, content: str, columns: dict[str, object]
) -> None:
    task = declare(
        name, columns={"text": "text", "label": "label"} | columns, header="text" not in columns or columns["text"] != 2
    )
    rows = read_split(task, "train", write(content, name))
    assert texts(rows) == [row["text"] for row in ROWS]
    assert rows.bad == []


def test_a_table_of_columns_is_refused_with_what_to_do(write: Writer) -> None:
    content = json.dumps({"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]})
    with pytest.raises(SwissbertError, match="one object for each row is expected; pandas writes it with"):
        read_split(declare("rows.json"), "train", write(content, "rows.json"))


def test_the_names_of_nested_columns_are_offered(write: Writer) -> None:
    content = "\n".join(json.dumps({"data": row}) for row in ROWS)
    with pytest.raises(SwissbertError, match=r"no column 'text'.*columns here: 'data', 'data\.text', 'data\.label'"):
        read_split(declare("rows.jsonl"), "train", write(content, "rows.jsonl"))
