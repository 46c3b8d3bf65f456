"""Label cells as people write them, the same from every source: spellings, missing values, lists, and too many bad rows."""

import datetime
import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from declared import Writer, bad, declare, pairs, scores
from hypothesis import assume, example, given
from hypothesis import strategies as st

from swissbert.data import MemoryRows, Tokenizer, cached_split, load_split, read_split
from swissbert.data.bad_rows import EARLY_ROWS, most_frequent, refuse_many_bad
from swissbert.data.completion import complete_task
from swissbert.data.rows import BadRow, Rows
from swissbert.errors import SwissbertError
from swissbert.kinds import is_missing
from swissbert.kinds.class_names import alike
from swissbert.tasks import Task

OPTIONS: dict[str, Any] = {"separate": False, "max_length": 16}


def read(task: Task, *cells: object) -> Rows:
    """Read rows in memory with these label cells."""
    return read_split(task, "train", MemoryRows([("a text", cell) for cell in cells], []))


def labels(rows: Rows) -> list[object]:
    """Return the labels of the usable rows."""
    return [row.label for row in rows.rows]


def topics(**changes: Any) -> Task:
    """Declare a multilabel task."""
    multilabel = {"kind": "multilabel", "labels": ["film", "music", "art"], "loss": "", "metric": ""}
    return declare(**{**multilabel, **changes})


# Missing values


def missing_values() -> list[object]:
    """All missing values of the libraries that are installed."""
    values: list[object] = [
        None,
        float("nan"),
        np.float32("nan"),
        np.datetime64("NaT"),
        np.ma.masked,
        Decimal("nan"),
        "",
        " \t\u00a0",
    ]
    if importlib.util.find_spec("pandas") is None:
        return values
    pandas = importlib.import_module("pandas")
    return [*values, pandas.NA, pandas.NaT]


@pytest.mark.parametrize("value", missing_values(), ids=lambda value: type(value).__name__)
def test_every_missing_value_is_one_as_label_text_and_pair(value: object) -> None:
    assert is_missing(value)
    rows = [("a", "b", value), (value, "b", 1), ("a", value, 1), ("a", "b", 1)]
    result = read_split(pairs(), "train", MemoryRows(rows, []))
    assert [row.number for row in result.rows] == [4]
    assert result.label_notes.unlabelled == 1
    assert bad(result) == [(2, "column 'a' is empty"), (3, "column 'b' is empty")]


@pytest.mark.parametrize("value", [0, False, "0", "-", [], (), np.array([]), np.float32(0), {}, "none"])
def test_values_are_not_missing_because_they_are_small(value: object) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet"])
def test_missing_labels_are_counted_alike_in_every_format(name: str, tmp_path: Path) -> None:
    texts, cells = [f"text {n}" for n in range(5)], ["good", None, "good", None, "bad"]
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": texts, "label": cells}), tmp_path / name)
    elif name.endswith("jsonl"):
        lines = [json.dumps({"text": text, "label": cell}) for text, cell in zip(texts, cells, strict=True)]
        (tmp_path / name).write_text("\n".join(lines))
    else:
        mark = "," if name.endswith("csv") else "\t"
        lines = [f"{text}{mark}{cell or ''}" for text, cell in zip(texts, cells, strict=True)]
        (tmp_path / name).write_text("\n".join([f"text{mark}label", *lines]))
    rows = read_split(declare(name), "train", tmp_path, refuse=True)
    assert labels(rows) == [1.0, 1.0, 0.0]
    assert (rows.bad, rows.label_notes.unlabelled, dict(rows.label_notes.spellings)) == ([], 2, {})


def test_nan_in_columns_of_text_and_numbers_of_a_parquet_file_is_missing(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None, "c"], "label": [1.0, 0.0, float("nan")]})
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = read_split(declare("rows.parquet"), "train", tmp_path)
    assert labels(rows) == [1.0]
    assert (bad(rows), rows.label_notes.unlabelled) == ([(2, "column 'text' is empty")], 1)


@pytest.mark.parametrize("word", ["NA", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A", "\\N", "NaT"])
def test_words_for_no_label_are_counted_and_named_unless_they_are_declared(word: str) -> None:
    rows = read(declare(), "good", word, word)
    assert (len(rows), rows.bad) == (1, [])
    assert rows.label_notes.without_label() == f"2 without a label (2 {word!r})"
    assert labels(read(declare(labels=["good", word]), "good", word)) == [0.0, 1.0]


def test_a_word_for_no_label_is_a_text_like_any_other() -> None:
    assert [row.text for row in read_split(declare(), "train", MemoryRows([("NA", 1), ("None", 0)], [])).rows] == [
        "NA",
        "None",
    ]


def test_words_of_missing_hold_for_label_text_and_pair() -> None:
    task = pairs(missing=["-", "n/a", -9])
    cells = [("a", "b", "-"), ("n/a", "b", 1), ("a", "-", 1), ("a", "b", -9.0), ("a", "b", "-9"), ("a - b", "b", 1)]
    rows = read_split(task, "train", MemoryRows(cells, []))
    assert [row.text for row in rows.rows] == ["a - b"]
    assert rows.label_notes.unlabelled == 3
    assert bad(rows) == [
        (2, "column 'a' is 'n/a', which the task declares as missing"),
        (3, "column 'b' is '-', which the task declares as missing"),
    ]


def test_missing_cannot_have_a_label() -> None:
    with pytest.raises(SwissbertError, match="missing has 'good', which is one of the labels"):
        declare(missing=["-", "good"])


def test_a_sign_alone_is_a_bad_row_whose_reason_names_missing() -> None:
    rows = read(declare(), "good", "-", "?")
    assert [row.reason.split("; ")[1] for row in rows.bad] == [
        'if it stands for no label, missing = ["-"] in the task leaves such rows out',
        'if it stands for no label, missing = ["?"] in the task leaves such rows out',
    ]


@pytest.mark.parametrize("cell", [-1, "-1", "-1.0", -1.0, np.int64(-1)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_minus_one_is_no_label_unless_the_task_takes_it(cell: object, split: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        "\n".join(json.dumps({"text": "a", "label": value}) for value in ("bad", "good", *map(str, [cell])))
    )
    rows = read_split(declare("rows.jsonl"), split, tmp_path)  # type: ignore[arg-type]
    assert rows.bad == []
    assert labels(rows) == [0.0, 1.0, *([None] if split == "test" else [])]
    assert labels(read(scores(range=[-1, 1]), cell)) == [-1.0]
    assert labels(read(declare(labels=["-1", "1"]), cell)) == [0.0]
    assert read(scores(), cell, 3).label_notes.unlabelled == 1


def test_all_rows_without_a_label_are_an_error_that_names_the_column() -> None:
    with pytest.raises(
        SwissbertError, match=r"no row has a label for task 'mood' \(3 without a label \(2 'NaN'\)\); its"
    ):
        read(declare(), "NaN", None, "NaN")


def test_rows_without_a_label_are_on_the_side_of_their_text(write: Writer) -> None:
    lines = "".join(f"sentence {n},{'good' if n % 3 else ''}\n" for n in range(600))
    task = declare("rows.csv", files={"train": "rows.csv"}, stratify=False)
    folder = write(f"text,label\n{lines}", "rows.csv")
    train, dev = read_split(task, "train", folder), read_split(task, "dev", folder)
    assert len(train) + len(dev) == 400
    assert train.label_notes.unlabelled + dev.label_notes.unlabelled == 200
    assert 5 < dev.label_notes.unlabelled < 40


# Spellings


@pytest.mark.parametrize(
    ("names", "cells", "expected"),
    [
        (["0", "1"], ["0", "1", "1.0", 1.0, "01", "+1", 1, True, "0.00", "1e0", "yes", "F"], "011111110110"),
        (["0", "1"], [np.int8(1), np.bool_(False), Decimal("1.0"), np.float32(0), "TRUE"], "10101"),
        (["no", "yes"], ["Yes", "y", "TRUE", "t", "1", "1.0", 1, True, "No", "n", "false", 0, False], "1111111100000"),
        (["False", "True"], ["true", "T", "1", 0, "no", "YES", True, False], "11100110"),
        (["very bad", "good"], ["Very_Bad", "VERY  BAD", "very\u00a0bad", "Good ", "GOOD", 1, "0"], "0001110"),
        (["no", "yes", "maybe"], ["Maybe", True, "FALSE", 2, "1"], "21021"),
        (["one", "two", "three"], ["2", "2.0", 1, 0.0, "Three"], "22102"),
        (["2024-01-01", "2024-01-02"], [datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 1)], "10"),
        (["caf\u00e9", "bar"], ["cafe\u0301", "CAF\u00c9"], "00"),
        (["10", "20", "30"], [20, "30.0", 10.0], "120"),
    ],
)
def test_cells_that_mean_a_declared_label_are_taken(names: list[str], cells: list[object], expected: str) -> None:
    rows = read(declare(labels=names), *cells)
    assert rows.bad == []
    assert labels(rows) == [float(number) for number in expected]


@pytest.mark.parametrize(
    ("names", "cell", "why"),
    [
        (["positive", "negative"], "positiv", "did you mean 'positive'?"),
        (["positive", "negative"], "sad", "is not one of positive, negative or 0 to 1"),
        (["true", "yes"], "t", "is not one of"),  # two names stand for yes
        (["bad", "good"], True, "is not one of"),
        (["0", "1", "2"], "yes", "is not one of 0, 1, 2"),
        (["US", "us"], "Us", "US and us differ in case or space alone, so one of them has to be written exactly"),
        (["1", "1.0"], "1.00", "is not one of 1, 1.0"),
        (["yes", "no"], "1", "is the number of 'no' but reads like 'yes'; write the name, or declare the negative"),
        (["yes", "no"], 0, "is the number of 'yes' but reads like 'no'"),
        (["one", "two"], 2, "numbers of labels count from 0"),
        (["one", "two"], "0.5", "is not one of"),
        (["good", "bad"], '"good"', "quotes = true in the task reads quotes as syntax"),
        (["a1", "a2"], "a3", "is not one of a1, a2 or 0 to 1"),
    ],
)
def test_cells_that_may_mean_another_label_are_refused(names: list[str], cell: object, why: str) -> None:
    [row] = read(declare(labels=names), names[0], cell).bad
    assert why in row.reason


def test_names_near_by_letters_are_offered_only_if_plausible() -> None:
    for cell in ("angry", "-", "2", "ba", "x1"):
        assert "did you mean" not in read(declare(), "good", cell).bad[0].reason


def test_other_spellings_are_said_once_with_their_numbers() -> None:
    rows = read(declare(), "good", "Good", "Good", " BAD ", "bad", "1")
    assert rows.label_notes.other_spellings() == (
        "labels read as declared ones: 'Good' as 'good' in 2 row(s), 'BAD' as 'bad' in 1 row(s)"
    )
    assert read(declare(), "good", "bad", 1).label_notes.other_spellings() == ""


NAMES = st.lists(st.text(st.characters(categories=["L", "P", "Zs"]), min_size=1, max_size=6), min_size=2, max_size=6)


@given(NAMES.map(lambda names: [name.strip() for name in names]))
@example(["Ib", "ıB"])
def test_every_name_is_its_own_label_and_another_spelling_is_that_label_or_none(names: list[str]) -> None:
    assume(all(map(alike, names)) and len(set(names)) == len(names))
    task = declare(labels=names)
    for number, name in enumerate(names):
        assert task.parse_label(f" {name} ") == number
        for other in (name.upper(), name.lower(), name.replace(" ", "_"), name.replace(" ", "  ")):
            try:
                read_as = task.parse_label(other)
            except ValueError:
                assert sum(alike(known) == alike(other) for known in names) != 1
            else:
                assert isinstance(read_as, float)
                assert other in names or alike(names[int(read_as)]) == alike(other)
                # an upper-case letter may be that of two: IB is so for ıB too, which is another label than Ib
                assert other in names or read_as == number or alike(other) != alike(name)


def test_declared_labels_may_be_numbers_and_booleans() -> None:
    assert declare(labels=[0, 1]).labels == ["0", "1"]
    assert declare(labels=[False, True]).labels == ["False", "True"]
    assert declare(labels=[datetime.date(2024, 1, 1), 2.5]).labels == ["2024-01-01", "2.5"]
    assert labels(read(declare(labels=[False, True]), True, "no", 1)) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_booleans_are_the_same_labels_from_every_file(name: str, tmp_path: Path) -> None:
    values = [True, False, True]
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": ["a", "b", "c"], "label": values}), tmp_path / name)
    elif name.endswith("jsonl"):
        (tmp_path / name).write_text("\n".join(json.dumps({"text": "a", "label": value}) for value in values))
    else:
        (tmp_path / name).write_text("text,label\n" + "".join(f"a,{value}\n" for value in values))
    for names in (["no", "yes"], ["False", "True"], ["false", "true"], ["0", "1"], ["N", "Y"]):
        assert labels(read_split(declare(name, labels=names), "train", tmp_path)) == [1.0, 0.0, 1.0]


def test_labels_counted_from_one_are_recognised_by_a_number_behind_the_last(tiny: Path) -> None:
    task = declare(labels=[f"name {n}" for n in range(30)])
    rows = [(f"text {n}", n % 30 + 1) for n in range(300)]
    with pytest.raises(SwissbertError, match=r"seem to count from 1 to 30, since none is 0; declare labels = \["):
        load_split(task, "train", MemoryRows(rows, rows), Tokenizer(tiny), **OPTIONS, max_bad=0.1)
    one_slip = [*((text, number - 1) for text, number in rows), ("a slip", 30)]
    assert len(load_split(task, "train", MemoryRows(one_slip, rows), Tokenizer(tiny), **OPTIONS, max_bad=0.1)) == 300


@pytest.mark.parametrize("names", [["good", "bad"], ["Bad", "Good"], ["bad", "mixed"], ["1", "2"]])
def test_classes_of_a_data_set_are_read_by_name_where_the_names_are_declared(names: list[str]) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    table = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features=features)
    rows = read_split(declare(labels=names), "train", MemoryRows(table, []))
    expected = {"good": [1.0, 0.0], "Bad": [0.0, 1.0], "bad": [0.0], "1": [0.0]}[names[0]]
    assert labels(rows) == expected
    assert rows.label_notes.unlabelled == 1


def test_classes_in_lists_of_a_hub_data_set_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = datasets.List(datasets.ClassLabel(names=["art", "film"]))
    features = datasets.Features({"text": datasets.Value("string"), "label": classes})
    table = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [[0, 1], []]}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: table)
    task = topics(files={}, hub={"dataset": "owner/set"})
    assert labels(read_split(task, "train", None)) == [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0)]


# Labels that a declaration leaves out


@pytest.mark.parametrize(
    ("cells", "names", "rows"),
    [
        (["good", "Good", "good", "bad", "NaN", "", None], ["bad", "good"], 4),
        (["entailment", "neutral", "-", "contradiction"], ["contradiction", "entailment", "neutral"], 3),
        (["+", "-", "+"], ["+", "-"], 3),
        ([0, 1, 2, -1, 2], ["0", "1", "2"], 4),
        ([-1, 0, 1], ["-1", "0", "1"], 3),
        ([-2, -1, 0, 1, 2], ["-2", "-1", "0", "1", "2"], 5),
        ([1.0, 0.0, float("nan")], ["0", "1"], 2),
    ],
)
def test_labels_are_inferred_without_cells_that_stand_for_none(
    cells: list[object], names: list[str], rows: int
) -> None:
    task = complete_task(declare(labels=[]), MemoryRows([("a", cell) for cell in cells], []), lambda line: None)
    assert task.labels == names
    assert len(read(task, *cells)) == rows


@pytest.mark.parametrize(
    ("kind", "cells", "reason"),
    [
        ("classification", [["a"], ["b"]], 'takes one label; kind = "multilabel" takes lists of labels'),
        ("classification", ["a", "b", "a|b"], "label 'a|b' is several labels; kind = \"multilabel\" with separator"),
        ("regression", ["4,5", "3,5"], "label '4,5' has a decimal comma"),
        ("regression", ["45%", "35%"], "label '45%' has a percent sign"),
        (
            "regression",
            ["\u22121", "\u22122"],
            "has a minus sign of typographers (U+2212), but a number is expected; write -1",
        ),
    ],
)
def test_cells_from_which_nothing_can_be_inferred_end_in_the_reason(
    kind: str, cells: list[object], reason: str
) -> None:
    task = declare(kind=kind, labels=[], loss="", metric="")
    with pytest.raises(SwissbertError) as caught:
        complete_task(task, MemoryRows([("a", cell) for cell in cells], []), lambda line: None)
    assert reason in str(caught.value)


# Scores


@pytest.mark.parametrize(
    ("interval", "cell", "way_out"),
    [
        ([0, 100], "87%", "has a percent sign, but a number from 0 to 100 is expected; write 87"),
        ([0, 1], "87 %", "has a percent sign, but a number from 0 to 1 is expected; write 0.87"),
        ([0, 1], "8,5%", "write 0.085"),
        ([0, 5], "4,5", "has a decimal comma, but numbers have a decimal point; write 4.5"),
        ([0, 5000], "1,234", "write 1.234 or 1234"),
        ([0, 5], "4/5", "is not a number from 0 to 5"),
    ],
)
def test_the_reason_says_what_is_wrong_with_a_number(interval: list[float], cell: str, way_out: str) -> None:
    [row] = read(scores(range=interval), 1, cell).bad
    assert row.reason.startswith(f"label {cell!r} ")
    assert row.reason.endswith(way_out)


# Several labels


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("['film', 'art']", [1, 0, 1]),
        ("['film' 'art']", [1, 0, 1]),  # as numpy writes arrays
        ('["film","art"]', [1, 0, 1]),
        ("{'art'}", [0, 0, 1]),
        ("(film, art)", [1, 0, 1]),
        ("[0 2]", [1, 0, 1]),
        ("[]", [0, 0, 0]),
        ("Film | ART", [1, 0, 1]),
        (["Film"], [1, 0, 0]),
    ],
)
def test_lists_in_text_cells_are_lists(cell: object, expected: list[int]) -> None:
    rows = read(topics(), cell)
    assert rows.bad == []
    assert labels(rows) == [tuple(map(float, expected))]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("film|sport|war", "labels 'sport', 'war' are not among film, music, art"),
        ("film/art", 'is several labels; separator = "/" in the task splits them'),
        ("film art", 'is several labels; separator = " " in the task splits them'),
        ("film|musik", "label 'musik' is not one of film, music, art or 0 to 2"),
        ("0|1|0", "names a number twice"),
    ],
)
def test_labels_of_a_list_that_are_not_declared_are_named(cell: object, reason: str) -> None:
    [row] = read(topics(), "film", cell).bad
    assert reason in row.reason


@pytest.mark.parametrize("cell", [[0, 1], [1, 0], "1|0", np.array([1, 0])])
def test_two_numbers_for_two_labels_are_refused_because_they_may_be_a_0_and_a_1(cell: object) -> None:
    [row] = read(topics(labels=["film", "art"]), "film", cell).bad
    assert "may be two numbers or a 0 and a 1" in row.reason


@pytest.mark.parametrize(
    ("cell", "way_out"),
    [
        ("bad|good", 'kind = "multilabel" with separator = "|" takes several of them'),
        ("bad / good", 'kind = "multilabel" with separator = "/" takes several of them'),
        ("['good']", 'kind = "multilabel" takes lists of labels'),
        (["good"], 'kind = "multilabel" takes lists of labels'),
    ],
)
def test_several_labels_of_a_task_with_one_name_the_kind_that_takes_them(cell: object, way_out: str) -> None:
    [row] = read(declare(), "good", cell).bad
    assert row.reason.endswith(way_out)


@pytest.mark.parametrize("cell", [None, "", float("nan"), "NaN"])
def test_an_empty_cell_of_several_labels_is_no_label_and_an_empty_list_is_one(cell: object) -> None:
    rows = read(topics(), [], cell)
    assert labels(rows) == [(0.0, 0.0, 0.0)]
    assert rows.label_notes.unlabelled == 1


# Too many bad rows


def load(tiny: Path, good: int, wrong: int, max_bad: float | None = 0.1, unlabelled: int = 0) -> int:
    """Return the number of rows of a split with so many good rows, bad rows and rows without a label."""
    cells = [*["good"] * good, *["angry"] * wrong, *[None] * unlabelled]
    rows = MemoryRows([(f"text {n}", cell) for n, cell in enumerate(cells)], [])
    return len(load_split(declare(), "train", rows, Tokenizer(tiny), **OPTIONS, max_bad=max_bad))


@pytest.mark.parametrize(
    ("good", "wrong", "max_bad"), [(90, 10, 0.1), (3, 1, 0.1), (1, 9, 0.9), (1, 99, None), (9, 0, 0)]
)
def test_a_share_of_bad_rows_that_is_allowed_is_skipped(tiny: Path, good: int, wrong: int, max_bad: float) -> None:
    assert load(tiny, good, wrong, max_bad) == good


@pytest.mark.parametrize(("good", "wrong", "max_bad"), [(89, 11, 0.1), (6, 2, 0.1), (9, 1, 0)])
def test_a_larger_share_stops_with_the_reason_and_the_setting(
    tiny: Path, good: int, wrong: int, max_bad: float
) -> None:
    with pytest.raises(SwissbertError) as caught:
        load(tiny, good, wrong, max_bad)
    message = str(caught.value)
    assert f"{wrong} of {good + wrong} rows read for task 'mood' cannot be used, all like row {good + 1}: " in message
    assert "label 'angry' is not one of bad, good or 0 to 1; " in message
    assert "data.max_bad above" in message


@pytest.mark.parametrize(("good", "wrong"), [(44, 5), (3, 2), (996, 4), (1, 199), (2, 4)])
def test_the_advised_share_of_bad_rows_is_enough(good: int, wrong: int) -> None:
    bad = [BadRow("f", n, "odd") for n in range(wrong)]
    with pytest.raises(SwissbertError) as caught:
        refuse_many_bad(bad, good, 0.001, "mood")
    share = float(str(caught.value).partition("data.max_bad above ")[2].split()[0])
    assert share < 1
    refuse_many_bad(bad, good, share, "mood")


def test_rows_without_a_label_are_not_bad_rows(tiny: Path) -> None:
    assert load(tiny, 10, 0, unlabelled=90) == 10
    with pytest.raises(SwissbertError, match="2 of 12 rows read"):
        load(tiny, 10, 2, unlabelled=90)


def test_reading_stops_early_if_nearly_all_rows_are_bad(tiny: Path) -> None:
    with pytest.raises(SwissbertError, match=f"{EARLY_ROWS:,} of {EARLY_ROWS:,} rows read"):
        load(tiny, 0, 5 * EARLY_ROWS)


def test_the_most_frequent_reason_is_found_whatever_the_values_in_it() -> None:
    reasons = ["column 'text' is empty", *(f"label '{n},5' has a decimal comma; write {n}.5" for n in range(3))]
    reasons += [f"column 'text' is [{'x' * n}], not text" for n in range(2)] + ["column 'label' is empty"]
    reason, rows = most_frequent([BadRow("f", n, reason) for n, reason in enumerate(reasons)])
    assert reason == "label '0,5' has a decimal comma; write 0.5"
    assert [row.number for row in rows] == [1, 2, 3]


def test_counts_and_shares_are_the_same_read_and_cached(write: Writer, tiny: Path) -> None:
    content = "text,label\n" + "".join(
        f"text {n},{cell}\n" for n, cell in enumerate(["good", "BAD", "", "nan", "angry"])
    )
    folder = write(content, "rows.csv")
    task, tokenizer = declare("rows.csv"), Tokenizer(tiny)
    for _ in range(2):
        data = cached_split(task, "train", folder, tokenizer, **OPTIONS, max_bad=0.5)
        assert data.label_notes == read_split(task, "train", folder).label_notes
        assert data.label_notes.unlabelled == 2
        with pytest.raises(SwissbertError, match="1 of 3 rows"):
            cached_split(task, "train", folder, tokenizer, **OPTIONS, max_bad=0)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["01", "02", "01"], ["01", "02"]),
        (["007", "017", "7"], ["007", "017"]),
        (["1.0", "0.0", "1"], ["0", "1"]),
        ([2**63, 2**63 + 1], [str(2**63), str(2**63 + 1)]),
        ([True, False, 0, 1, "True"], ["false", "true"]),
        (["yes", "no", "1", "1"], ["no", "yes"]),
        (["yes", "yes\u200b", "yes\u200b", "no"], ["no", "yes"]),
        (["none", "favor", "against"], ["against", "favor", "none"]),
        (["NONE", "FAVOR", "AGAINST"], ["AGAINST", "FAVOR", "NONE"]),
        (["None", "spam", "ham"], ["ham", "spam"]),
        (["none", "0", "1"], ["0", "1"]),
        ([None, "None", "True", "False"], ["False", "True"]),
        ([b"spam", b"ham"], ["ham", "spam"]),
    ],
)
def test_label_names_are_those_that_a_person_sees_in_the_cells(cells: list[object], names: list[str]) -> None:
    rows = MemoryRows([(f"text {n}", cell) for n, cell in enumerate(cells)], [])
    task = complete_task(declare(labels=[]), rows, lambda line: None)
    assert sorted(task.labels) == sorted(names)
    assert not read_split(task, "train", rows).bad


def test_a_label_that_cannot_be_read_is_no_name(write: Writer) -> None:
    folder = write("text\tlabel\na\tyes\nb\tno\nc\tn\0o\n")
    task = complete_task(declare(labels=[]), folder, lambda line: None)
    assert task.labels == ["no", "yes"]
    assert bad(read_split(task, "train", folder)) == [(4, "column 'label' has a NUL character")]


def test_without_labels_the_reason_of_the_rows_is_given(write: Writer) -> None:
    open_task = declare(labels=[])
    for rows, reason in (
        (MemoryRows(["a", "b"], []), "a row is 'a', but a dictionary or a tuple (text, label) is expected"),
        (MemoryRows([], []), "there are no rows"),
        (
            MemoryRows([("a", "x"), ("b", None)], []),
            r"have only 'x'; at least two labels are needed \(1 rows have none\)",
        ),
        (write("text\tlabel\na\n"), "1 cell where the header has 2"),
    ):
        with pytest.raises(SwissbertError, match=reason.replace("(text, label)", r"\(text, label\)")):
            complete_task(open_task, rows, lambda line: None)


def test_a_cell_that_is_no_number_among_the_labels_of_a_declaration_is_named(write: Writer) -> None:
    lines = "".join(f"text {n}\t{n / 2 if n != 7 else 'tbd'}\n" for n in range(60))
    folder = write(f"text\tlabel\n{lines}", "rows.tsv")
    with pytest.raises(SwissbertError) as caught:
        complete_task(declare("rows.tsv", labels=[]), folder, lambda line: None)
    assert "most labels are numbers, but 'tbd' (row 9 of rows.tsv) is none; kind = \"regression\" says" in str(
        caught.value
    )


def test_the_file_without_the_label_column_is_named(write: Writer) -> None:
    write("text\tlabel\na\tx\n", "one.tsv")
    folder = write("text\tLabel\nb\ty\n", "two.tsv")
    with pytest.raises(SwissbertError, match=r"^two.tsv: no column 'label'.*did you mean 'Label'"):
        complete_task(declare("*.tsv", labels=[]), folder, lambda line: None)


def test_a_column_that_the_first_row_lacks_is_read(write: Writer) -> None:
    folder = write('{"text": "a"}\n{"text": "b", "label": 1}\n', "rows.jsonl")
    rows = read_split(declare("rows.jsonl"), "train", folder)
    assert [row.text for row in rows.rows] == ["b"]
    assert rows.label_notes.unlabelled == 1
