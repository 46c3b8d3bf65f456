"""Tables of answers: columns of the input, names of the answers' columns, and what a table cannot hold."""

import csv
import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swissbert.data.formats import FORMATS
from swissbert.data.rows import BadRow, Row
from swissbert.errors import SwissbertError
from swissbert.inference.answer_table import AnswerTable
from swissbert.inference.input_columns import InputColumns
from swissbert.inference.input_options import InputOptions
from swissbert.inference.input_rows import InputRow
from swissbert.inference.inputs import open_inputs
from swissbert.inference.output import arrow_schema, is_table, json_output, keeps_quotes, table_output
from swissbert.inference.stream import Answered, record
from swissbert.kinds import Answer
from swissbert.tasks import Task, find_task, make_task

TOPICS = make_task(
    {
        "name": "topics",
        "kind": "multilabel",
        "labels": ["noise", "comfort, seat", "price"],
        "loss": "binary_cross_entropy",
        "metric": "micro_f1",
        "columns": {"text": "text", "label": "tags"},
    },
    "here",
)


def answered(cells: dict[str, object] | None, answers: dict[str, Answer], error: str = "") -> Answered:
    row = Row(7, "7", "a", None, None) if not error else BadRow("here", 7, error)
    return Answered(InputRow(7, None, cells, (row,)), answers, {"sst": error} if error else {})


def written(path: Path, columns: list[str], tasks: list[Task], rows: list[Answered], **options: Any) -> Path:
    with table_output(path, AnswerTable(columns, tasks, False), **options) as write:
        for row in rows:
            write(row)
    return path


SST = Answer(3, "somewhat positive", [0.1, 0.1, 0.1, 0.6, 0.1])

cells = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")),
    st.sampled_from(["=1+1", '"', 'a "b", c', " space ", "-", "@x", "a\nb"]),
)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=5), st.sampled_from([".csv", ".tsv"]))
def test_cells_of_the_input_are_unchanged(tmp_path_factory: pytest.TempPathFactory, rows: Any, ending: str) -> None:
    path = tmp_path_factory.mktemp("out") / f"out{ending}"
    given_rows = [answered(dict(zip(("a", "b"), row, strict=True)), {"sst": SST}) for row in rows]
    written(path, ["a", "b"], [find_task("sst")], given_rows)
    file = io.StringIO(path.read_text(encoding="utf-8"), newline="")
    header, *lines = csv.reader(file, delimiter="," if ending == ".csv" else "\t")
    assert header == ["a", "b", "label", "probability", "cut", "error"]
    assert [line[:2] for line in lines] == rows
    assert all(line[2:] == ["somewhat positive", "0.6", "false", ""] for line in lines)


@pytest.mark.parametrize(
    ("columns", "tasks", "names"),
    [
        (["text"], ["sst"], ["label", "probability", "cut", "error"]),
        (["text"], ["sts"], ["score", "cut", "error"]),
        (["label"], ["sst"], ["sst_label", "sst_probability", "cut", "error"]),
        (["label", "sst_label"], ["sst"], ["sst_label_2", "sst_probability", "cut", "error"]),
        (["cut", "error"], ["sts"], ["score", "answer_cut", "answer_error"]),
        (["a"], ["para", "sts"], ["para_label", "para_probability", "sts_score", "cut", "error"]),
    ],
)
def test_no_name_of_a_column_is_used_twice(columns: list[str], tasks: list[str], names: list[str]) -> None:
    table = AnswerTable(columns, [find_task(name) for name in tasks], False)
    assert table.names == [*columns, *names]


def test_several_labels_are_joined_by_what_none_of_them_holds() -> None:
    answer = Answer(probabilities=[0.9, 0.8, 0.1], labels=[0, 1], label_names=["noise", "comfort, seat"])
    table = AnswerTable(["text"], [TOPICS], True)
    assert table.names[1:5] == ["labels", "probability_noise", "probability_comfort, seat", "probability_price"]
    row = answered({"text": "a"}, {"topics": answer})
    assert table.answer_cells(row)[:4] == ["noise|comfort, seat", 0.9, 0.8, 0.1]
    assert TOPICS.parse_label(table.answer_cells(row)[0]) == (1, 1, 0)


def test_rows_that_cannot_be_used_keep_their_cells_or_their_number(tmp_path: Path) -> None:
    rows = [
        answered({"a": "", "b": "x"}, {}, "column 'a' is empty"),
        answered(None, {}, "3 cells where the header has 2"),
        answered({"a": "\udcff", "b": None}, {"sst": SST}),
    ]
    for ending in ("csv", "parquet"):
        written(tmp_path / f"out.{ending}", ["a", "b"], [find_task("sst")], rows)
    with (tmp_path / "out.csv").open(newline="") as file:
        _, *lines = csv.reader(file)
    assert lines == [
        ["", "x", "", "", "", "column 'a' is empty"],
        ["", "", "", "", "", "row 7: 3 cells where the header has 2"],
        ["?", "", "somewhat positive", "0.6", "false", ""],
    ]
    columns = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert columns["label"] == [None, None, "somewhat positive"]
    assert columns["a"] == ["", None, "?"]


def test_parquet_keeps_the_types_of_a_parquet_input(tmp_path: Path) -> None:
    given_table = pa.table({"text": ["a", "b"], "id": [7, None], "when": pa.array([0, 1], pa.timestamp("s"))})
    pq.write_table(given_table, tmp_path / "in.parquet")
    inputs = open_inputs(str(tmp_path / "in.parquet"), [find_task("sst")])
    rows = [Answered(row, {"sst": SST}, {}) for row in inputs]
    path = written(tmp_path / "out.parquet", inputs.columns, inputs.tasks, rows, schema=given_table.schema)
    assert pq.read_table(path).select(["text", "id", "when"]).cast(given_table.schema).equals(given_table)


def test_dates_and_decimals_of_a_parquet_input_are_written_as_they_read(tmp_path: Path) -> None:
    cells = {"day": datetime.date(2026, 1, 2), "price": Decimal("1.50"), "is_new": True, "tags": ["a"]}
    path = written(tmp_path / "out.csv", list(cells), [find_task("sst")], [answered(cells, {"sst": SST})])
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert row == {
        "day": "2026-01-02",
        "price": "1.50",
        "is_new": "true",
        "tags": '["a"]',
        "label": "somewhat positive",
        "probability": "0.6",
        "cut": "false",
        "error": "",
    }


def test_a_parquet_input_with_a_repeated_name_has_no_types_of_its_own(tmp_path: Path) -> None:
    table = pa.table([pa.array(["fine"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(table, tmp_path / "twice.parquet")
    pq.write_table(table.select([0, 1]), tmp_path / "once.parquet")
    assert arrow_schema(str(tmp_path / "twice.parquet"), FORMATS["parquet"]) is None
    schema = arrow_schema(str(tmp_path / "once.parquet"), FORMATS["parquet"])
    assert schema is not None
    assert schema.names == ["text", "n"]


def test_a_row_whose_id_is_not_a_number_has_no_id(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1.0, float("nan")], "text": ["a", "b"]}), tmp_path / "in.parquet")
    rows = list(open_inputs(str(tmp_path / "in.parquet"), [find_task("sst")]))
    assert [row.id for row in rows] == ["1.0", None]


def test_a_table_that_fails_leaves_no_file(tmp_path: Path) -> None:
    for ending in ("csv", "parquet"):
        with pytest.raises(ZeroDivisionError), table_output(tmp_path / f"out.{ending}", AnswerTable([], [], False)):
            raise ZeroDivisionError
    with pytest.raises(SwissbertError, match="cannot be written"):
        written(tmp_path / "none" / "out.parquet", [], [find_task("sts")], [])
    assert list(tmp_path.iterdir()) == []


def test_endings_decide_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    assert [is_table(tmp_path / name) for name in ("a.csv", "a.TSV", "a.parquet")] == [True] * 3
    assert [is_table(path) for path in (None, tmp_path / "a.jsonl", tmp_path / "a", Path("/dev/stdout"))] == [False] * 4
    for name in ("a.json", "a.csv.gz", "a.xlsx"):
        with pytest.raises(SwissbertError, match=r"the endings are \.csv, \.tsv, \.parquet, \.jsonl, \.ndjson"):
            is_table(tmp_path / name)


def test_tasks_with_columns_of_their_own_are_chosen_by_them(tmp_path: Path) -> None:
    tasks = [find_task(name) for name in ("sst", "para", "sts")]

    def chosen(content: str, columns: InputColumns | None = None) -> list[str]:
        path = tmp_path / "rows.jsonl"
        path.write_text(content)
        inputs = open_inputs(str(path), tasks, is_choice=True, options=InputOptions(columns or InputColumns()))
        assert len(inputs.groups) == len({task.is_pair for task in inputs.tasks})
        return [task.name for task in inputs.tasks]

    assert chosen('{"text": "a"}') == ["sst"]
    assert chosen('{"sentence": "a"}') == ["sst"]
    assert chosen('{"text": "a", "text_pair": "b"}') == ["para", "sts"]
    assert chosen('{"sentence": "a", "sentence1": "b", "sentence2": "c"}') == ["sst", "para", "sts"]
    assert chosen('{"q1": "a", "q2": "b"}', InputColumns("q1", "q2")) == ["para", "sts"]
    assert chosen('{"q1": "a"}', InputColumns("q1")) == ["sst"]
    with pytest.raises(SwissbertError, match=r"sst reads 'sentence'; para reads 'sentence1' and 'sentence2'"):
        chosen('{"other": "a"}')
    pair = '{"sentence": "a", "sentence1": "b", "sentence2": "c"}'
    assert chosen(pair, InputColumns("sentence", "sentence2")) == ["para", "sts"]
    assert chosen(pair, InputColumns("sentence2")) == ["sst"], "a text is not compared with itself"
    for columns in (InputColumns(text_pair="nope"), InputColumns("sentence", "nope")):
        with pytest.raises(SwissbertError, match="no column 'nope', which text_pair_column names"):
            chosen(pair, columns)
    with pytest.raises(SwissbertError, match="no column '', which text_column names"):
        chosen(pair, InputColumns(""))
    for named in (InputColumns("sentence2", "sentence2"), InputColumns("sentence2"), InputColumns(None, "sentence1")):
        with pytest.raises(
            SwissbertError, match=r"column 'sentence[12]' is named for the first text of task 'para' and for the second"
        ):
            open_inputs(str(tmp_path / "rows.jsonl"), tasks[1:], options=InputOptions(named))
    with pytest.raises(SwissbertError, match="'Sentence2' differs from 'sentence2' in case alone"):
        chosen('{"Sentence2": "a", "sentence1": "b"}')
    with pytest.raises(SwissbertError, match="no column 'q9', which id_column names"):
        chosen('{"text": "a"}', InputColumns(id="q9"))


def test_plain_text_is_single_unless_all_tasks_are_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    tasks = [find_task(name) for name in ("sst", "para")]
    path.write_text("a film\nanother\n")
    assert [task.name for task in open_inputs(str(path), tasks, is_choice=True).tasks] == ["sst"]
    path.write_text("a film\tanother\n")
    assert [task.name for task in open_inputs(str(path), tasks[1:], is_choice=True).tasks] == ["para"]
    with pytest.raises(SwissbertError, match="the first line has a tab, so it may be a pair"):
        open_inputs(str(path), tasks, is_choice=True)
    with pytest.raises(SwissbertError, match="read different inputs"):
        open_inputs(str(path), tasks)
    with pytest.raises(SwissbertError, match="plain text, which has no columns"):
        open_inputs(str(path), tasks[:1], options=InputOptions(InputColumns("a")))


def test_records_of_several_tasks_have_a_part_for_each() -> None:
    tasks = [find_task("sst"), find_task("sts")]
    row = InputRow(2, "x", None, (Row(2, "x", "a", None, None), BadRow("here", 2, "column 'b' is empty")))
    half = Answered(row, {"sst": SST}, {"sts": "column 'b' is empty"})
    assert json.loads(json.dumps(record(half, tasks))) == {
        "id": "x",
        "sst": SST.as_json(),
        "sts": {"error": "column 'b' is empty"},
    }
    assert half.error == "sts: column 'b' is empty"
    none = Answered(row, {}, {"sst": "bad", "sts": "bad"})
    assert record(none, tasks) == {"id": "x", "error": "bad"}


def test_a_tab_separated_table_is_written_as_it_was_read(tmp_path: Path) -> None:
    task = make_task(
        {
            "name": "t",
            "kind": "regression",
            "range": [0, 1],
            "columns": {"text": "text", "label": "label"},
            "format": "tsv",
        },
        "test",
    )
    source = 'id\ttext\nx1\tA "fine" day.\n\t"Dull\n'
    (tmp_path / "in.tsv").write_text(source)
    inputs = open_inputs(str(tmp_path / "in.tsv"), [task])
    output = tmp_path / "out.tsv"
    assert not keeps_quotes(output, inputs.format, None)
    with table_output(output, AnswerTable(inputs.columns, [task], False), quotes=False) as write:
        for row in inputs:
            write(Answered(row, {}, {"t": "a\treason"}))
    lines = output.read_text().splitlines()
    assert ["\t".join(line.split("\t")[:2]) for line in lines] == source.splitlines()
    assert lines[1].split("\t")[-1] == "a reason"
    for path, format, quotes in (("out.csv", "tsv", None), ("out.tsv", "csv", True), ("out.tsv", "tsv", True)):
        assert keeps_quotes(Path(path), FORMATS[format], quotes)


def test_a_tab_separated_table_of_another_format_reads_as_the_same_texts(tmp_path: Path) -> None:
    task = find_task("sst")
    (tmp_path / "in.csv").write_text('text,n\n"he said ""great"" and left",1\n"two\nlines",2\n"a\ttab",3\n')
    inputs = open_inputs(str(tmp_path / "in.csv"), [task])
    output, said = tmp_path / "out.tsv", list[str]()
    quotes = keeps_quotes(output, inputs.format, None)
    with table_output(output, AnswerTable(inputs.columns, [task], False), quotes=quotes, say=said.append) as write:
        for row in inputs:
            write(Answered(row, {}, {"sst": "none"}))
    texts = [(row.cells or {})["text"] for row in open_inputs(str(output), [task])]
    assert texts == ['he said "great" and left', "two lines", "a tab"]
    assert said == [f"{output}: tabs and line ends in 2 cells became spaces; a .csv file keeps them"]


def test_lines_of_json_have_no_control_characters_and_read_as_the_same_text() -> None:
    """A terminal obeys them, and a label may hold any."""
    stream, label = io.StringIO(), "caf\u00e9 \x9b31m \x7f \u202e \u2028 \x1b"
    with json_output(None, stream, [], lambda answered, tasks: {"label": label}) as write:
        write(SimpleNamespace())  # type: ignore[arg-type]
    assert json.loads(stream.getvalue()) == {"label": label}
    assert "caf\u00e9" in stream.getvalue()
    assert not any(mark in stream.getvalue() for mark in "\x9b\x7f\u202e\u2028\x1b")
