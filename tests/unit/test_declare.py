"""Declarations that are made from a data file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swissbert.config import make_config
from swissbert.data.declare import declare, recipe
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.kinds.guess import Guess, guess_kind

Write = Callable[..., Path]


def csv(write: Write, header: str, rows: list[str]) -> Path:
    return write("\n".join([header, *rows]) + "\n", "messages.csv") / "messages.csv"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["spam", "ham"] * 9, "binary"),
        (["0", "1", "1.0"] * 9, "binary"),
        ([True, False], "binary"),
        (["low", "normal", "high"] * 9, "classification"),
        (["1", "2", "3", "4", "5"] * 9, "classification"),
        ([str(n) for n in range(21)], "regression"),
        (["0.5", "1", "2"], "regression"),
        ([1.5, 2, 3], "regression"),
        ([["a"], ["a", "b"]], "multilabel"),
        (["a|b", "a", "b", "b|c", "c", "a|c", "a|b|c"], "multilabel"),
        (["red, dark", "red", "dark", "dark, red"], "multilabel"),
        (["yes, please", "no, thanks", "yes, please"], "binary"),
        (["v1|beta", "beta", "2.5", "alpha", "v1|alpha"], "multilabel"),
    ],
)
def test_the_kind_follows_from_the_cells(cells: list[object], kind: str) -> None:
    assert guess_kind(cells).kind == kind


def test_of_a_kind_that_is_given_only_the_separator_is_guessed() -> None:
    assert guess_kind(["4,5", "3,1"], "classification") == Guess("classification", "as given")
    assert guess_kind(["a|b", "a", "b", "b|c"], "classification").separator is None
    assert guess_kind(["a|b", "a", "b", "b|a"], "multilabel").separator == "|"
    assert guess_kind([["a"], ["a", "b"]], "multilabel").separator is None


@pytest.mark.parametrize(
    "cells",
    [
        ["4,5", "3,1", "2,0"],
        ["4,5", "3", "3,5", "4", "5", "5,5", "6"] * 9,  # half grades as spreadsheets write them
        ["4,5", "3", "4", "5"] * 9,
        ["4,5", *(str(n) for n in range(1, 30)), *(f"{n},5" for n in range(30))],
        ["4,50", "3,99", "12", *(f"{n},{n + 10}" for n in range(12))],
    ],
)
def test_a_decimal_comma_is_named(cells: list[str]) -> None:
    with pytest.raises(ValueError, match=r"'4,50?' has a decimal comma; write 4\.5"):
        guess_kind(cells)
    with pytest.raises(ValueError, match=r"(is|are) none; name the kind 'regression'|has a decimal comma"):
        guess_kind([*cells, "7.25"])
    assert guess_kind(cells, "multilabel").kind == "multilabel"


def test_several_label_columns_are_several_tasks(write: Write) -> None:
    path = csv(write, "id,Message,Level,Percent done", [f"{n},text {n},{'ab'[n % 2]},{n / 2}" for n in range(40)])
    level, percent = declare(path, "Message", ["Level", "Percent done"])
    assert (level.task.name, level.task.kind.name, level.task.labels, level.rows) == ("level", "binary", ["a", "b"], 40)
    assert (percent.task.name, percent.task.kind.name, percent.task.range) == (
        "percent_done",
        "regression",
        (0.0, 19.5),
    )
    assert level.task.holdout == 0.2
    config = make_config(recipe(path, [level, percent]))
    assert config.name == "messages"
    assert config.data.path == path.parent
    assert [task.name for task in config.tasks] == ["level", "percent_done"]


def test_usual_column_names_need_not_be_given(write: Write) -> None:
    path = csv(write, "Text,Label", [f"text {n},{'ab'[n % 2]}" for n in range(10)])
    task = declare(path)[0].task
    assert (task.columns.text, task.columns.label) == ("Text", "Label")


def test_usual_names_that_differ_in_case_alone_are_not_chosen_between(write: Write) -> None:
    path = csv(write, "text,Label,label", [f"text {n},{'ab'[n % 2]},{'xyz'[n % 3]}" for n in range(10)])
    sentence = "it is not clear which column is the label; name it (columns here: 'text', 'Label', 'label')"
    with pytest.raises(SwissbertError, match=re.escape(sentence)):
        declare(path)
    assert declare(path, labels=["label"])[0].task.labels == ["x", "y", "z"]
    assert declare(path, labels=["Label"])[0].task.labels == ["a", "b"]


def test_a_rare_label_is_scored_by_macro_f1(write: Write) -> None:
    path = csv(write, "text,label", [f"text {n},{'rare' if n < 4 else 'usual'}" for n in range(40)])
    declared = declare(path)[0]
    assert declared.task.metric == "macro_f1"
    assert declared.why == "2 different labels; the rarest label has 10% of the rows"


def test_rows_without_a_label_do_not_count(write: Write) -> None:
    path = csv(write, "text,label", ["a,x", "b,y", "c,", "d, "])
    assert declare(path)[0].rows == 2


def test_the_kind_can_be_given(write: Write) -> None:
    path = csv(write, "text,label", [f"text {n},{n % 5}" for n in range(40)])
    assert declare(path, options={"kind": "regression"})[0].task.range == (0.0, 4.0)


@pytest.mark.parametrize(
    ("header", "arguments", "message"),
    [
        ("body,label", {}, None),
        ("x,label", {}, "it is not clear which column is the text; name it (columns here: 'x', 'label')"),
        ("text,x", {}, "it is not clear which column is the label; name it (columns here: 'text', 'x')"),
        ("text,label", {"text": "txt"}, "no column 'txt'; did you mean 'text'? (columns here: 'text', 'label')"),
        (
            "text,label",
            {"labels": ["level"]},
            "no column 'level' (columns here: 'text', 'label')",
        ),
    ],
)
def test_a_column_that_is_missing_or_unclear_is_named(
    write: Write, header: str, arguments: dict[str, Any], message: str | None
) -> None:
    path = csv(write, header, [f"text {n},{'ab'[n % 2]}" for n in range(10)])
    if message is None:
        assert declare(path, **arguments)
        return
    with pytest.raises(SwissbertError) as caught:
        declare(path, **arguments)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no rows"),
        (["a,x", "b,x"], "column 'label': the train rows have only 'x'; at least two labels are needed"),
        (["a,", "b,"], "column 'label' has no label in any row"),
    ],
)
def test_a_file_that_teaches_nothing_is_refused(write: Write, rows: list[str], message: str) -> None:
    path = csv(write, "text,label", rows)
    with pytest.raises(SwissbertError) as caught:
        declare(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1,200", "2,300"], "'1,200' has a comma; write 1200 if it separates thousands, and 1.200 if it is a decimal"),
        (["900", "1,200", "3,400,100"], "'1,200' has a comma; write 1200"),
        (["1,200.50", "80.25"], "'1,200.50' has a comma; write 1200.50"),
        ([f"${n}.99" for n in range(30)], "'$0.99' is a number with a sign or a unit; write 0.99, or"),
        ([f"{n} kg" for n in range(30)], "'0 kg' is a number with a sign or a unit; write 0, or"),
        ([f"2024-01-{n:02}" for n in range(1, 31)], "'2024-01-01' is a date; name the kind 'classification'"),
    ],
)
def test_numbers_as_people_write_them_are_no_labels(cells: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        guess_kind(cells)


def test_thousands_are_not_taken_for_decimal_commas_where_the_kind_is_given() -> None:
    with pytest.raises(ValueError, match=r"'1,000' has a comma; write 1000 if it separates thousands, and 1\.000 if"):
        guess_kind(["1,000", "2,000", "3,000"], "regression")


def test_a_given_kind_takes_every_cell_as_a_label(write: Write) -> None:
    path = csv(write, "text,label", [f"text {n},{n % 4}0%" for n in range(40)])
    with pytest.raises(SwissbertError, match="percent sign"):
        declare(path)
    assert declare(path, options={"kind": "classification"})[0].task.labels == ["00%", "10%", "20%", "30%"]


@pytest.mark.parametrize(
    ("labels", "rows", "missing", "why"),
    [
        (["a", "b", "-"], 20, ["-"], "2 different labels; 10 without a label ('-')"),
        (["0", "1", "2", "-1"], 30, [], "3 different labels; 10 without a label ('-1')"),
        (["1", "3", "none"], 20, ["none"], "2 different labels; 10 without a label ('none')"),
        (["none", "mild", "strong"], 30, [], "3 different labels"),
        (["a", "b", "", "NA"], 20, [], "2 different labels; 20 without a label ('NA')"),
    ],
)
def test_what_stands_for_no_label_is_declared_and_named(
    write: Write, labels: list[str], rows: int, missing: list[str], why: str
) -> None:
    path = csv(write, "text,label", [f"text {n},{label}" for n, label in enumerate(labels * 10)])
    declared = declare(path)[0]
    assert (declared.rows, declared.task.missing, declared.why) == (rows, missing, why)


@pytest.mark.parametrize(
    ("labels", "rows", "missing", "without"),
    [
        (["neg", "pos"] * 4 + ["?", "-"], 80, ["-", "?"], "20 without a label (10 '-', 10 '?')"),
        (["0", "1", "2"] * 3 + ["?", "-", "None", "-1"], 90, ["-", "?", "None"], "40 without a label"),
        (["neg", "pos"] * 4 + ["None", "none"], 80, ["None"], "20 without a label ('None')"),
        (["neg", "pos"] * 4 + ["None", "?"], 80, ["?", "None"], "20 without a label (10 "),
        (
            ["neg", "pos", "#REF!", "#VALUE!", "#DIV/0!"],
            20,
            [],
            "30 without a label (10 '#REF!', 10 '#VALUE!', 10 '#DIV",
        ),
        (["neg", "pos", "[]"], 20, ["[]"], "10 without a label ('[]')"),
        (["+", "-", "?"], 30, [], None),
        (["+", "-", "+/-"], 30, [], None),
        (["*", "**", "***"], 30, [], None),
        (["neg", "trace"] * 9 + ["+", "++"], 200, [], None),  # a scale
        (["yes", "no", "-", "?"], 40, [], None),  # half of the rows
        (["yes", "-", "?"] * 9 + ["yes"], 280, [], None),
    ],
)
def test_several_signs_stand_for_no_label_where_they_are_rare(
    write: Write, labels: list[str], rows: int, missing: list[str], without: str | None
) -> None:
    path = csv(write, "text,label", [f"text {n},{label}" for n, label in enumerate(labels * 10)])
    declared = declare(path)[0]
    assert (declared.rows, sorted(declared.task.missing)) == (rows, missing)
    if without is None:
        assert "without a label" not in declared.why
    else:
        assert without in declared.why
    rows_read = read_split(
        declared.task.model_copy(update={"files": dict.fromkeys(("train", "dev"), path.name)}), "train", path.parent
    )
    assert (len(rows_read), rows_read.bad) == (rows, [])


@pytest.mark.parametrize(
    ("cells", "empty"),
    [
        (['["a", "b"]', '["a"]', '["b"]', "[]"], "[]"),
        (["('a', 'b')", "('a',)", "('b',)", "()"], "()"),
        (["{'a', 'b'}", "{'a'}", "{'b'}", "{}"], "{}"),
        (["a|b", "a", "b", "b|c", "c", "a|c", "a|b|c", "[]"], "[]"),
    ],
)
def test_an_empty_list_assigns_no_label(write: Write, cells: list[str], empty: str) -> None:
    lines = "".join(f"text {n}\t{cell}\n" for n, cell in enumerate(cells * 10))
    path = write(f"text\ttags\n{lines}text\t\n", "rows.tsv") / "rows.tsv"
    declared = declare(path, labels=["tags"])[0]
    assert (declared.task.kind.name, declared.rows, declared.task.missing) == ("multilabel", 10 * len(cells), [])
    rows = read_split(
        declared.task.model_copy(update={"files": dict.fromkeys(("train", "dev"), path.name)}), "train", path.parent
    )
    assert (len(rows), rows.bad, rows.label_notes.unlabelled) == (10 * len(cells), [], 1)
    assert [row.label for row in rows.rows].count((0.0,) * len(declared.task.labels)) == 10


def test_names_with_a_comma_are_told_apart_in_lists(write: Write) -> None:
    labels = ["Food, Drink", "Home", "Garden"]
    path = (
        write("".join(f"text {n}\t{label}\n" for n, label in enumerate(["label", *labels * 9])), "rows.tsv")
        / "rows.tsv"
    )
    path.write_text(path.read_text().replace("text 0\tlabel", "text\tlabel"))
    task = declare(path)[0].task
    assert task.kind.declared_in_words(task) == "3 labels: 'Food, Drink', Garden, Home"
    with pytest.raises(ValueError, match="label 'x' is not one of 'Food, Drink', Garden, Home or 0 to 2"):
        task.parse_label("x")


def test_a_plus_is_the_positive_label(write: Write) -> None:
    path = csv(write, "text,label", [f"text {n},{'-' if n % 3 else '+'}" for n in range(30)])
    assert declare(path)[0].task.labels == ["-", "+"]
    path.write_text(path.read_text().replace("+", "*").replace("-", "+").replace("*", "-"))
    assert declare(path)[0].task.labels == ["-", "+"]


def test_minus_one_is_a_score_among_scores(write: Write) -> None:
    path = csv(write, "text,label", [f"text {n},{n - 1}" for n in range(40)])
    assert declare(path)[0].task.range == (-1.0, 38.0)


@pytest.mark.parametrize("arguments", [{"labels": ["text"]}, {"text_pair": "text"}, {"text": "label"}])
def test_a_column_has_one_role(write: Write, arguments: dict[str, Any]) -> None:
    path = csv(write, "text,label", [f"text {n},{'ab'[n % 2]}" for n in range(10)])
    with pytest.raises(SwissbertError, match=r"column '\w+' is named twice"):
        declare(path, **{"text": "text", "labels": ["label"], **arguments})


def test_the_first_row_need_not_have_every_column(write: Write) -> None:
    lines = ['{"text": "first"}', *(f'{{"text": "text {n}", "label": "{"ab"[n % 2]}"}}' for n in range(20))]
    path = write("\n".join(lines), "rows.jsonl") / "rows.jsonl"
    assert declare(path)[0].rows == 20


def test_a_column_text_pair_is_the_second_text_as_predict_reads_it(write: Write) -> None:
    path = csv(write, "text,text_pair,label", [f"text {n},pair {n},{'ab'[n % 2]}" for n in range(20)])
    assert declare(path)[0].task.is_pair
    assert not declare(path, text="text")[0].task.is_pair, "columns that are named are all that is read"
    assert not declare(path, labels=["text_pair"])[0].task.is_pair


def test_a_file_without_rows_is_said_whatever_its_columns(write: Write) -> None:
    with pytest.raises(SwissbertError, match="there are no rows"):
        declare(csv(write, "sentence,label", []))


def test_a_file_without_a_header_needs_numbers_of_columns(write: Write) -> None:
    path = csv(write, "a text,x", ["b text,y"])
    with pytest.raises(SwissbertError, match="give the number of the column of the text"):
        declare(path, options={"header": False})


@pytest.mark.parametrize("odd", ["3,5", "tbd", "inf", "about 12", "n.d."])
@pytest.mark.parametrize("scores", [[n * 0.5 for n in range(60)], [1.5, 2, 2.5, 3] * 15, [*range(30)] * 20])
def test_cells_that_are_no_numbers_among_scores_are_named(write: Write, odd: str, scores: list[float]) -> None:
    cells = [odd if n in (7, 30) else score for n, score in enumerate(scores)]
    path = write("".join(f"text {n}\t{cell}\n" for n, cell in enumerate(["score", *cells])), "rows.tsv") / "rows.tsv"
    path.write_text(path.read_text().replace("text 0\tscore", "text\tscore"))
    with pytest.raises(SwissbertError) as caught:
        declare(path)
    assert f"most labels are numbers, but {odd!r} (2 rows, the first is row 9) is none; name" in str(caught.value)
    assert caught.value.argument == "kind"
    assert declare(path, options={"kind": "regression"})[0].task.range == (min(scores), max(scores))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "3", "4", "other"] * 3, "classification"),
        (["1.0", "2.5", "low", "high", "mid"] * 3, "classification"),
        ([f"{n},{n + 1}" for n in range(30)] + [str(n) for n in range(31)], "multilabel"),
    ],
)
def test_names_among_few_numbers_are_labels(cells: list[object], kind: str) -> None:
    assert guess_kind(cells).kind == kind


def test_a_minus_sign_of_typographers_is_named() -> None:
    with pytest.raises(ValueError, match=r"'\u22120.5' has a minus sign of typographers \(U\+2212\); write -0.5"):
        guess_kind(["0.5", "\u22120.5", "1"])


@pytest.mark.parametrize("cells", [["1 370", "4 100"], ["1'000", "3"]])
def test_numbers_with_marks_are_refused_with_the_way_to_write_them(cells: list[object]) -> None:
    with pytest.raises(ValueError, match="has marks between thousands; write 1"):
        guess_kind(cells)


def test_a_text_as_label_and_an_object_as_label_are_refused(write: Write) -> None:
    rows = [f"words {n},{'x' * 300 if n % 2 else 'no'}" for n in range(20)]
    with pytest.raises(SwissbertError, match="300 characters, which looks like a text"):
        declare(csv(write, "text,label", rows))
    folder = write("".join(f'{{"text": "a{n}", "label": {{"name": {n % 2}}}}}\n' for n in range(9)), "rows.jsonl")
    with pytest.raises(SwissbertError, match=r"column 'label' holds objects; name the key with the label: label\.name"):
        declare(folder / "rows.jsonl")
