"""Rows given in memory: every accepted form, and what happens to others."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest

from swissbert.data import MemoryRows, cached_split, load_split, read_split
from swissbert.data.memory import plain
from swissbert.data.rows import Row
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.tasks import Task, make_task


def declare(**changes: Any) -> Task:
    table = {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "good"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "label"},
    }
    return make_task({**table, **changes}, "declaration")


def pairs() -> Task:
    return declare(columns={"text": "a", "text_pair": "b", "label": "label", "id": "id"})


TEXTS = [f"film {n}" for n in range(6)]
LABELS = ["good", "bad", "good", "bad", "good", "bad"]
TUPLES = list(zip(TEXTS, LABELS, strict=True))
EXPECTED = [Row(n, str(n), text, None, float(label == "good")) for n, (text, label) in enumerate(TUPLES, 1)]


def frame(**columns: Any) -> Any:
    """A pandas DataFrame, with an index that is in no order."""
    pandas = pytest.importorskip("pandas")
    length = len(next(iter(columns.values())))
    return pandas.DataFrame(columns, index=[float(length - n) for n in range(length)])


def data_set(**columns: Any) -> Any:
    return datasets.Dataset.from_dict(columns)


FORMS: dict[str, Callable[[], object]] = {
    "tuples": lambda: TUPLES,
    "lists": lambda: [list(row) for row in TUPLES],
    "a generator": lambda: (row for row in TUPLES),
    "dictionaries": lambda: [{"label": label, "text": text, "more": None} for text, label in TUPLES],
    "columns": lambda: {"text": TEXTS, "label": LABELS},
    "a generator as column": lambda: {"text": iter(TEXTS), "label": LABELS},
    "numpy columns": lambda: {"text": np.array(TEXTS), "label": np.array([1, 0, 1, 0, 1, 0])},
    "pandas": lambda: frame(text=TEXTS, label=LABELS),
    "pandas with numbers": lambda: frame(text=TEXTS, label=np.array([1, 0, 1, 0, 1, 0])),
    "pandas columns": lambda: {"text": frame(text=TEXTS)["text"], "label": LABELS},
    "datasets": lambda: data_set(text=TEXTS, label=[1, 0, 1, 0, 1, 0]),
    "datasets with a format": lambda: data_set(text=TEXTS, label=[1, 0, 1, 0, 1, 0]).with_format("torch"),
    "an iterable data set": lambda: data_set(text=TEXTS, label=LABELS).to_iterable_dataset(),
    "pyarrow": lambda: pa.table({"text": TEXTS, "label": LABELS}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows_each_time_it_is_read(form: str) -> None:
    rows = MemoryRows(FORMS[form](), TUPLES)
    for _ in range(2):
        result = read_split(declare(), "train", rows)
        assert result.rows == EXPECTED
        assert result.bad == []
    assert result.source == "train rows of task 'mood'"


@pytest.mark.parametrize("form", FORMS)
def test_tokens_and_fingerprints_are_those_of_a_file(form: str, tmp_path: Path, tiny: Path) -> None:
    lines = [f"{text}\t{label}" for text, label in TUPLES]
    (tmp_path / "rows.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    ids = {"text": "text", "label": "label"}
    task = declare(files={"train": "rows.tsv", "dev": "rows.tsv"}, columns=ids)
    memory = load_split(task, "train", MemoryRows(FORMS[form](), []), Tokenizer(tiny), separate=False, max_length=16)
    file = load_split(task, "train", tmp_path, Tokenizer(tiny), separate=False, max_length=16)
    assert memory.table.ids.tolist() == file.table.ids.tolist()
    assert memory.labels.tolist() == file.labels.tolist()
    assert memory.rows_digest != file.rows_digest  # ids are row numbers here, and lines there
    named = [{"text": text, "label": label, "id": str(n)} for n, (text, label) in enumerate(TUPLES, 2)]
    with_ids = declare(columns={**ids, "id": "id"})
    same = load_split(with_ids, "train", MemoryRows(named, []), Tokenizer(tiny), separate=False, max_length=16)
    assert same.fingerprint() == file.fingerprint()


def test_pairs_are_tuples_of_both_texts_and_the_label() -> None:
    rows = read_split(pairs(), "train", MemoryRows([("x", "y", 1), ["v", "w", "bad"]], []))
    assert rows.rows == [Row(1, "1", "x", "y", 1.0), Row(2, "2", "v", "w", 0.0)]


def test_an_id_column_is_used_if_there_is_one() -> None:
    rows = read_split(pairs(), "train", MemoryRows([{"a": "x", "b": "y", "label": 1, "id": 77}], []))
    assert rows.rows == [Row(1, "77", "x", "y", 1.0)]


def test_given_rows_are_not_changed() -> None:
    given = [{"a": "x", "b": "y", "label": 1}]
    read_split(pairs(), "train", MemoryRows(given, []))
    assert given == [{"a": "x", "b": "y", "label": 1}]


def test_rows_in_memory_take_precedence_over_declared_data() -> None:
    task = declare(hub={"dataset": "owner/set"})
    assert read_split(task, "train", MemoryRows(TUPLES, TUPLES)).rows == EXPECTED


# Dev rows


def test_dev_rows_are_those_given() -> None:
    rows = MemoryRows(TUPLES, [("another film", "bad")])
    assert read_split(declare(), "dev", rows).rows == [Row(1, "1", "another film", None, 0.0)]
    assert read_split(declare(), "dev", rows).source == "dev rows of task 'mood'"
    assert len(read_split(declare(), "train", rows)) == len(TUPLES)


def test_without_dev_rows_the_same_rows_are_held_out_as_of_a_file(tmp_path: Path) -> None:
    texts = [f"sentence {n}" for n in range(300)]
    (tmp_path / "rows.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t1\n" for text in texts), encoding="utf-8")
    task = declare(files={"train": "rows.tsv"}, holdout=0.2)
    memory = MemoryRows([(text, 1) for text in texts])
    for split in ("train", "dev"):
        expected = [row.text for row in read_split(task, split, tmp_path).rows]
        assert [row.text for row in read_split(task, split, memory).rows] == expected
    with pytest.raises(SwissbertError, match=r"holding out 0\.2 of the train rows of task 'mood' left none for dev"):
        read_split(task, "dev", MemoryRows([("sentence 0", 1)]))


def test_declared_dev_files_do_not_matter_to_rows_in_memory() -> None:
    task = declare(files={"train": "a.tsv", "dev": "b.tsv"}, holdout=0.5)
    rows = MemoryRows([(f"sentence {n}", 1) for n in range(50)])
    assert len(read_split(task, "train", rows)) + len(read_split(task, "dev", rows)) == 50


def test_there_are_no_test_rows_in_memory() -> None:
    with pytest.raises(SwissbertError, match="task 'mood' has rows in memory, but none for its test split"):
        read_split(declare(), "test", MemoryRows(TUPLES))


def test_a_task_without_data_names_the_ways_to_give_some(tmp_path: Path) -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(declare(), "train", tmp_path)
    message = "task 'mood' has no data: declare its 'files' or its 'hub' data set, or pass rows from Python"
    assert str(caught.value) == message


# Cells


@pytest.mark.parametrize("missing", ["None", "nan", "pandas.NA", "pandas.NaT", "numpy nan", ""])
def test_missing_values_count_as_empty(missing: str) -> None:
    values: dict[str, object] = {"None": None, "nan": float("nan"), "numpy nan": np.float32("nan"), "": " "}
    if missing.startswith("pandas"):
        pandas = pytest.importorskip("pandas")
        values = {"pandas.NA": pandas.NA, "pandas.NaT": pandas.NaT}
    rows = read_split(declare(), "train", MemoryRows([("fine", values[missing]), (values[missing], 1), ("ok", 1)], []))
    assert [row.number for row in rows.rows] == [3]
    assert rows.label_notes.unlabelled == 1
    assert [str(row) for row in rows.bad] == ["train rows of task 'mood':2: column 'text' is empty"]


def test_missing_values_of_pandas_columns_count_as_empty() -> None:
    pandas = pytest.importorskip("pandas")
    table = frame(
        text=pandas.array(["a", None, "c", "d"], "string"), label=pandas.array([0, 1, None, 1], dtype="Int64")
    )
    rows = read_split(declare(), "train", MemoryRows(table, []))
    assert [(row.text, row.label) for row in rows.rows] == [("a", 0.0), ("d", 1.0)]
    assert [(row.number, row.reason) for row in rows.bad] == [(2, "column 'text' is empty")]
    assert rows.label_notes.unlabelled == 1


def test_bytes_that_are_not_utf8_in_a_pyarrow_table_affect_their_own_row_only() -> None:
    raw, ends = b"goodb\xffdfine", np.array([0, 4, 7, 11], np.int32)
    column = pa.StringArray.from_buffers(3, pa.py_buffer(ends.tobytes()), pa.py_buffer(raw))
    rows = read_split(declare(), "train", MemoryRows(pa.table({"text": column, "label": [1, 0, 1]}), []))
    assert [row.text for row in rows.rows] == ["good", "fine"]
    assert [(row.number, row.reason) for row in rows.bad] == [(2, "bytes that are not UTF-8")]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a", "a"),
        (2.5, 2.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([1, 2]), [1, 2]),
        (np.datetime64("NaT"), None),
        (np.array(float("nan")), None),
        (["a", None], ["a", None]),
    ],
)
def test_cells_become_plain_values(cell: object, expected: object) -> None:
    assert plain(cell) == expected
    assert type(plain(cell)) is type(expected)


def test_labels_outside_the_declaration_are_bad_rows_and_may_be_refused() -> None:
    rows = MemoryRows([("a", 1), ("b", "angry"), ("c", 2)], [])
    result = read_split(declare(), "train", rows)
    assert [(row.number, row.reason) for row in result.bad] == [
        (2, "label 'angry' is not one of bad, good or 0 to 1"),
        (3, "label '2' is not one of bad, good or 0 to 1; numbers of labels count from 0"),
    ]
    with pytest.raises(SwissbertError, match=r"^train rows of task 'mood':2: label 'angry' .*'refuse'"):
        read_split(declare(), "train", rows, refuse=True)
    assert [row.text for row in read_split(declare(), "train", rows, limit=1).rows] == ["a"]


def test_rows_of_another_form_are_bad_rows() -> None:
    rows = read_split(declare(), "train", MemoryRows([("a", 1), ("b",), ("c", 1, 2), "text", None, {"text": "d"}], []))
    assert [(row.number, row.reason) for row in rows.bad] == [
        (2, "1 cells where (text, label) is expected"),
        (3, "3 cells where (text, label) is expected"),
        (4, "a row is 'text', but a dictionary or a tuple (text, label) is expected"),
        (5, "a row is None, but a dictionary or a tuple (text, label) is expected"),
    ]
    assert rows.label_notes.unlabelled == 1


# Errors


@pytest.mark.parametrize("rows", ["text", b"text", 3, object(), 1.5])
def test_rows_of_no_accepted_form_are_an_error_that_lists_the_forms(rows: object) -> None:
    with pytest.raises(SwissbertError, match=r"^train rows are .*, but they must be a list of dictionaries or of"):
        MemoryRows(rows)
    with pytest.raises(SwissbertError, match=r"^dev rows are "):
        MemoryRows([], rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"txt": "a", "label": 1}], "no column 'text', which task 'mood' reads; did you mean 'txt'? (columns here: "),
        ({"q": ["a"], 7: [1]}, "no column 'text', which task 'mood' reads (columns here: 'q', '7')"),
        ({"text": "film", "label": [1]}, "column 'text' is 'film', but a list of cells is expected"),
        ({"text": ["a"], "label": 1}, "column 'label' is 1, but a list of cells is expected"),
        ({"text": ["a"], "label": [1, 0]}, "column 'label' has 2 cells, but column 'text' has 1"),
        (pa.table([["a"], ["b"], [1]], ["text", "text", "label"]), "two columns are named 'text'"),
        ([], "there are no rows for task 'mood'"),
        (["a", "b"], "no usable row for task 'mood' (2 bad rows); all like row 1: a row is 'a', but a dictionary or"),
    ],
)
def test_rows_that_do_not_fit_the_task_end_in_one_sentence(rows: object, message: str) -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(declare(), "train", MemoryRows(rows, []))
    assert str(caught.value).startswith(f"train rows of task 'mood': {message}")
    assert "\n" not in str(caught.value)


def test_messages_about_tables_are_one_line() -> None:
    with pytest.raises(SwissbertError) as caught:
        read_split(declare(), "train", MemoryRows([data_set(text=["a"], label=[1])], []))
    assert "\n" not in str(caught.value)


# The cache, and libraries


def test_rows_in_memory_are_not_cached(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    data = cached_split(declare(), "train", MemoryRows(TUPLES, []), Tokenizer(tiny), separate=False, max_length=16)
    assert len(data) == 6
    assert not (tmp_path / "cache").exists()


def test_lists_are_read_without_pandas_datasets_or_pyarrow() -> None:
    code = """
import sys
from swissbert.data import MemoryRows, read_split
from swissbert.tasks import find_task
rows = MemoryRows([("a film", 1), {"sentence": "dull", "sentiment": 0}], [])
print(len(read_split(find_task("sst"), "train", rows)))
print([name for name in ("pandas", "datasets", "pyarrow", "torch") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["2", "[]"]


@pytest.mark.parametrize(
    "rows",
    [
        pa.RecordBatch.from_pydict({"text": ["a", "b"], "label": ["bad", "good"]}),
        pa.table({"text": ["a", "b"], "label": pa.array([b"bad", b"good"])}),
        pa.table({"text": ["a", "b"], "label": ["bad", "good"]}).to_reader(),
        np.array([["a", "bad"], ["b", "good"]]),
        np.array([("a", "bad"), ("b", "good")], dtype=[("text", "U9"), ("label", "U9")]),
        {"text": np.array(["a", "b"], dtype="S"), "label": np.array(["bad", "good"], dtype="S")},
    ],
    ids=["batch", "bytes", "reader", "array", "structured", "byte strings"],
)
def test_tables_of_arrow_and_numpy_are_rows(rows: object) -> None:
    assert [(row.text, row.label) for row in read_split(declare(), "train", MemoryRows(rows, [])).rows] == [
        ("a", 0.0),
        ("b", 1.0),
    ]


def test_a_data_set_with_splits_is_refused() -> None:
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})
    with pytest.raises(SwissbertError, match=r"splits train; pass one"):
        MemoryRows(splits)
