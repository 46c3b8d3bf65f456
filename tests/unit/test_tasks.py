from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from swissbert.errors import SwissbertError, nearest
from swissbert.settings import Settings, explain, read_toml
from swissbert.tasks import SHIPPED, Task, find_task, make_task, shipped_tasks

KINDS: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["bad", "good"], "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "macro_f1"},
    "regression": {"range": [0, 5], "loss": "mse", "metric": "pearson"},
}


def table(kind: str = "classification", /, **changes: Any) -> dict[str, Any]:
    """Return a valid declaration with changes; None removes a key."""
    common = {"name": "mood", "kind": kind, "columns": {"text": "text", "label": "label"}, "files": {"train": "a.tsv"}}
    return {key: value for key, value in {**common, **KINDS[kind], **changes}.items() if value is not None}


def problem(declaration: dict[str, Any]) -> str:
    """Return the error message of an invalid declaration."""
    with pytest.raises(SwissbertError) as caught:
        make_task(declaration, "mood.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("mood.toml: ")


# Valid declarations


@pytest.mark.parametrize("kind", KINDS)
def test_a_declaration_of_each_kind_is_accepted(kind: str) -> None:
    task = make_task(table(kind), "mood.toml")
    assert task.kind.name == kind
    assert task.outputs == (2 if kind == "classification" else 1)
    assert not task.is_pair


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("classification", {"metric": "macro_f1"}),
        ("binary", {"metric": "accuracy"}),
        ("regression", {"loss": "mae", "metric": "spearman", "output": "linear"}),
        ("regression", {"range": [-1, 1]}),
        ("classification", {"labels": [f"topic {i}" for i in range(50)]}),
        (
            "classification",
            {"columns": {"text": "#1 String", "text_pair": "#2 String", "label": "Quality", "id": "id"}},
        ),
        ("binary", {"files": {"train": ["a.tsv", "b.csv"], "test": "c.parquet"}}),
        ("binary", {"files": None, "hub": {"dataset": "nyu-mll/glue", "config": "mrpc", "revision": "main"}}),
        ("binary", {"files": None, "hub": {"dataset": "imdb", "splits": {"train": "train[:10%]"}}}),
    ],
)
def test_valid_fields_are_accepted(kind: str, changes: dict[str, Any]) -> None:
    task = make_task(table(kind, **changes), "mood.toml")
    for key, value in changes.items():
        if value is not None and key not in ("columns", "hub"):
            actual = getattr(task, key)
            assert (list(actual) if key == "range" else actual) == value


def test_the_files_of_a_split_are_tried_in_their_order() -> None:
    task = make_task(table(files={"train": ["a.tsv", "b.tsv"], "dev": "c.tsv"}), "mood.toml")
    assert task.candidates("train") == ["a.tsv", "b.tsv"]
    assert task.candidates("dev") == ["c.tsv"]
    assert task.candidates("test") == []


def test_a_second_text_column_makes_a_pair_task() -> None:
    columns = {"text": "a", "text_pair": "b", "label": "label"}
    assert make_task(table(columns=columns), "mood.toml").is_pair


def test_a_declaration_is_immutable() -> None:
    task = make_task(table(), "mood.toml")
    with pytest.raises(ValidationError, match="frozen"):
        task.name = "other"


@pytest.mark.parametrize("name", ["cfimdb", "para", "sst", "sts"])
def test_every_shipped_task_loads_under_its_own_name(name: str) -> None:
    task = find_task(name)
    assert task.name == name
    assert {"train", "dev", "test"} == set(task.files)
    assert task == find_task(str(SHIPPED / f"{name}.toml"))
    assert task.submit_column is not None


def test_the_shipped_tasks_are_those_of_the_paper() -> None:
    assert shipped_tasks() == ["cfimdb", "para", "sst", "sts"]
    assert find_task("sst").outputs == 5
    assert find_task("sts").range == (0.0, 5.0)
    assert find_task("para").is_pair
    assert find_task("cfimdb").labels == ["negative", "positive"]


@pytest.mark.parametrize("kind", KINDS)
def test_loss_metric_labels_and_range_may_be_left_out(kind: str) -> None:
    left_out = ("loss", "metric", "labels", "range")
    task = make_task({key: value for key, value in table(kind).items() if key not in left_out}, "mood.toml")
    assert (task.loss, task.metric) == (task.kind.losses[0], task.kind.metrics[0])
    assert not task.is_complete
    assert make_task(table(kind), "mood.toml").is_complete


# Invalid declarations


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("classification", {"loss": "mse"}, "loss is 'mse', but a classification task takes cross_entropy"),
        ("binary", {"loss": "cross_entropy"}, "loss is 'cross_entropy', but a binary task takes binary_cross_entropy"),
        ("regression", {"loss": "cross_entropy"}, "loss is 'cross_entropy', but a regression task takes mse or mae"),
        (
            "regression",
            {"metric": "accuracy"},
            "metric is 'accuracy', but a regression task takes pearson or spearman or mae or rmse",
        ),
        (
            "binary",
            {"metric": "pearson"},
            "metric is 'pearson', but a binary task takes accuracy or macro_f1 or f1 or precision or recall or "
            "balanced_accuracy or mcc or roc_auc or average_precision",
        ),
        ("regression", {"labels": ["a", "b"]}, "a regression task has a range = [low, high] and no labels"),
        ("regression", {"range": [5, 0]}, "range is [5.0, 0.0], but low must be below high"),
        ("regression", {"range": [1, 1]}, "range is [1.0, 1.0], but low must be below high"),
        ("classification", {"range": [0, 1]}, "a classification task has labels and no range"),
        ("binary", {"range": [0, 1]}, "a binary task has labels and no range"),
        (
            "binary",
            {"labels": ["a", "b", "c"]},
            "labels has 3 names, but a binary task takes 2, the negative one first",
        ),
        ("classification", {"labels": ["a"]}, "labels needs at least 2 names"),
        (
            "classification",
            {"labels": ["a", "a"]},
            "labels must be different, not empty and without space around them, but 'a' is there twice",
        ),
        (
            "classification",
            {"labels": ["a", ""]},
            "labels must be different, not empty and without space around them, but one is ''",
        ),
        (
            "binary",
            {"labels": ["a", " b"]},
            "labels must be different, not empty and without space around them, but one is ' b'",
        ),
        ("classification", {"loss": "hinge"}, "loss is 'hinge', but a classification task takes cross_entropy"),
        (
            "classification",
            {"hub": {"dataset": "a/b"}},
            "files and hub exclude each other: give one source of rows",
        ),
    ],
)
def test_contradictions_are_refused(kind: str, changes: dict[str, Any], message: str) -> None:
    assert problem(table(kind, **changes)) == message


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"name": "Mood"}, "name", "'Mood'"),
        ({"name": "1st"}, "name", "'1st'"),
        ({"name": ""}, "name", "''"),
        ({"name": "a" * 41}, "name", repr("a" * 41)),
        ({"name": "mood/../x"}, "name", "'mood/../x'"),
        ({"output": "relu"}, "output", "'relu'"),
        ({"quotes": "maybe"}, "quotes", "'maybe'"),
        ({"labels": "bad"}, "labels", "'bad'"),
        ({"labels": ["bad", ["good"]]}, "labels.1", "['good']"),
        ({"range": [0, float("inf")]}, "range.1", "inf"),
        ({"range": [float("nan"), 1]}, "range.0", "nan"),
        ({"range": [0]}, "range.1", None),
        ({"range": [0, 1, 2]}, "range", "[0, 1, 2]"),
        ({"columns": {"text": "", "label": "label"}}, "columns.text", "''"),
        ({"columns": {"text": "text", "label": ""}}, "columns.label", "''"),
        ({"columns": {"text": "text", "label": "label", "text_pair": ""}}, "columns.text_pair", "''"),
        ({"columns": {"text": "text", "label": "label", "id": ""}}, "columns.id", "''"),
        ({"columns": "text"}, "columns", "'text'"),
        ({"files": None, "hub": {"dataset": "a b"}}, "hub.dataset", "'a b'"),
        ({"files": None, "hub": {"dataset": "a/b/c"}}, "hub.dataset", "'a/b/c'"),
        ({"files": None, "hub": {"dataset": "a/b", "splits": {"dev": 1}}}, "hub.splits.dev", "1"),
        ({"files": None, "hub": "a/b"}, "hub", "'a/b'"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_key(
    changes: dict[str, Any], key: str, value: str | None
) -> None:
    message = problem(table(**changes))
    assert message.startswith(f"'{key}' is missing" if value is None else f"'{key}' is {value}; ")


FILES_REFUSED: list[Any] = [3, "", [], ["a.tsv", 3], {"first_of": []}, {"first": ["a.tsv"]}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"kind": "ranking"},
            "kind: 'ranking' is not a kind of task; the kinds are classification, binary, regression, multilabel",
        ),
        (
            {"format": "xlsx"},
            "format: 'xlsx' is not a file format; the formats are auto, cs224n, tsv, csv, jsonl, parquet, text",
        ),
        *(
            (
                {"files": {"train": value}},
                f"files.train: {value!r} stands for no files; give a name, a pattern such as 'part-*.csv', a list of "
                "which all are read, or { first_of = [...] }",
            )
            for value in FILES_REFUSED
        ),
        (
            {"columns": "text"},
            "'columns' is 'text'; a table is expected, such as { text = \"text\", label = \"label\" }",
        ),
    ],
)
def test_messages_say_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    assert problem(table(**changes)) == message


@pytest.mark.parametrize("key", ["name", "kind", "columns"])
def test_a_missing_key_is_named(key: str) -> None:
    without = {name: value for name, value in table().items() if name != key}
    assert problem(without) == f"'{key}' is missing and has no default"


def test_a_missing_column_is_named() -> None:
    assert problem(table(columns={"text": "text"})) == "'columns.label' is missing and has no default"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": ["a", "b"]}, "unknown key 'label'; did you mean 'labels'?"),
        ({"metrics": "accuracy"}, "unknown key 'metrics'; did you mean 'metric'?"),
        ({"columns": {"txt": "text", "label": "label"}}, "unknown key 'columns.txt'; did you mean 'text'?"),
        (
            {"columns": {"text": "t", "label": "l", "textpair": "p"}},
            "unknown key 'columns.textpair'; did you mean 'text_pair'?",
        ),
        ({"files": {"trian": "a.tsv"}}, "unknown key 'files.trian'; did you mean 'train'?"),
        ({"files": None, "hub": {"datset": "a/b"}}, "unknown key 'hub.datset'; did you mean 'dataset'?"),
        (
            {"files": None, "hub": {"dataset": "a/b", "splits": {"tset": "x"}}},
            "unknown key 'hub.splits.tset'; did you mean 'test'?",
        ),
        (
            {"columns": {"text": "t", "label": "l", "zzz": "p"}},
            "unknown key 'columns.zzz' (the keys here are text, text_pair, label, id, weight)",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(changes: dict[str, Any], message: str) -> None:
    assert problem(table(**changes)) == message


@given(kind=st.sampled_from(list(KINDS)), changes=st.dictionaries(st.text(max_size=6), st.integers(), min_size=1))
def test_unknown_keys_are_refused(kind: str, changes: dict[str, int]) -> None:
    for key in changes.keys() - Task.model_fields.keys():
        with pytest.raises(SwissbertError, match="unknown key"):
            make_task({**table(kind), key: changes[key]}, "mood.toml")


# Errors inside lists and unions


class Many(Settings):
    tasks: list[Task]


def test_errors_inside_a_list_name_their_place() -> None:
    for changes, message in (
        ({"labels": ["bad", {}]}, "'tasks.1.labels.1' is {}; input should be a valid string"),
        ({"colums": {}}, "unknown key 'tasks.1.colums'; did you mean 'columns'?"),
        ({"kind": "topic"}, "tasks.1.kind: 'topic' is not a kind of task; the kinds are classification, binary, "),
        ({"metric": "pearson"}, "tasks.1: metric is 'pearson', but "),
        (
            {"columns": {"text": "t", "label": 3}},
            "tasks.1: columns.label is the number 3, which stands for a column of files ",
        ),
        ({"files": {"train": [3]}}, "tasks.1.files.train: [3] stands for no files; "),
        ({"files": {"train": []}}, "tasks.1.files.train: [] stands for no files; "),
        ({"name": "Mood"}, "'tasks.1.name' is 'Mood'; up to 40 small letters, digits and '_' are expected, "),
    ):
        with pytest.raises(ValidationError) as caught:
            Many.model_validate({"tasks": [table(), table(**changes)]})
        assert str(explain(caught.value, Many, "here")).startswith(f"here: {message}")


def test_values_in_messages_are_one_line_of_limited_length() -> None:
    assert problem(table(labels="a\nb")).startswith("'labels' is 'a\\nb'; ")
    assert len(problem(table(labels="x" * 10_000))) < 400


# Finding declarations


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        SwissbertError,
        match=r"no shipped task 'sstt' \(there are cfimdb, para, sst, sts; a file of your own ends in \.toml\)",
    ):
        find_task("sstt")


def test_a_declaration_is_found_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mood.toml").write_text((SHIPPED / "sst.toml").read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert find_task(str(tmp_path / "mood.toml")) == find_task("sst")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = \n", r"mood\.toml: not valid TOML: .*line 1"),
        (b'name = "a"\nname = "b"\n', r"mood\.toml: not valid TOML: .*line 2"),
        (b'name = "\xff"\n', r"mood\.toml: cannot be read as UTF-8 text"),
        (b"", r"mood\.toml: 'name' is missing and has no default"),
    ],
)
def test_an_unreadable_declaration_names_its_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "mood.toml").write_bytes(content)
    with pytest.raises(SwissbertError, match=message):
        find_task(str(tmp_path / "mood.toml"))


def test_a_missing_declaration_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"none\.toml: there is no such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(SwissbertError, match="cannot be read"):
        read_toml(tmp_path)


# Labels


def labelled(labels: list[str]) -> Task:
    return make_task(table(labels=labels), "mood.toml")


@pytest.mark.parametrize(
    ("value", "number"),
    [("bad", 0), (" good ", 1), ("0", 0), ("1.0", 1), (1, 1), (1.0, 1), ("1e0", 1), ("+1", 1), ("-0", 0)],
)
def test_a_class_is_given_by_name_or_number(value: object, number: float) -> None:
    assert labelled(["bad", "good"]).parse_label(value) == number


@pytest.mark.parametrize("value", ["2", -1, 0.5, "goods", "", "nan", "inf", None, True, [1], "1,0"])
def test_an_undeclared_class_is_refused_with_the_declared_ones(value: object) -> None:
    with pytest.raises(ValueError, match=r" is not one of bad, good or 0 to 1") as caught:
        labelled(["bad", "good"]).parse_label(value)
    assert str(value) in str(caught.value)


@pytest.mark.parametrize(
    "labels", [["1", "2", "3"], ["one", "2"], ["-1", "+1"], ["0.5", "x"], ["1e3", "x"], ["5", "4", "3"], ["1 ", "a"]]
)
def test_numbers_are_names_if_a_name_looks_like_a_number(labels: list[str]) -> None:
    labels = [name.strip() for name in labels]
    task = labelled(labels)
    assert [task.parse_label(name) for name in labels] == list(range(len(labels)))
    with pytest.raises(ValueError, match=r"^label '0' is not one of [^:]*$") as caught:
        task.parse_label("0")
    assert not str(caught.value).endswith(f"0 to {len(labels) - 1}")


@pytest.mark.parametrize("labels", [["1st", "2nd"], ["v1", "v2"], ["nan", "inf"], ["a.b", "."]])
def test_names_that_only_resemble_numbers_leave_numbers_usable(labels: list[str]) -> None:
    assert labelled(labels).parse_label("1") == 1
    assert labelled(labels).parse_label(labels[1]) == 1


def test_a_long_list_of_labels_and_a_long_value_are_cut_in_the_message() -> None:
    task = labelled([f"topic {i}" for i in range(40)])
    with pytest.raises(ValueError, match=r"topic 11 and 28 more, or 0 to 39$") as caught:
        task.parse_label("x" * 1000)
    assert len(str(caught.value)) < 300


@given(st.floats(0, 5))
def test_a_score_inside_the_range_is_itself(score: float) -> None:
    task = make_task(table("regression"), "mood.toml")
    assert task.parse_label(score) == score
    assert task.parse_label(f" {score!r} ") == score


@given(st.floats(max_value=0, exclude_max=True) | st.floats(min_value=5, exclude_min=True) | st.just(float("nan")))
def test_a_score_outside_the_range_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=r" is not a number from 0 to 5$"):
        make_task(table("regression"), "mood.toml").parse_label(score)


@given(st.lists(st.text(min_size=1, max_size=5).map(str.strip).filter(bool), min_size=2, max_size=6, unique=True))
def test_every_declared_name_is_its_own_number(labels: list[str]) -> None:
    task = labelled(labels)
    assert [task.parse_label(name) for name in labels] == list(range(len(labels)))


# The nearest word


def test_the_nearest_word_is_suggested_only_if_it_is_near() -> None:
    assert nearest("trian", ["train", "dev"]) == "; did you mean 'train'?"
    assert nearest("xyz", ["train", "dev"]) == ""
    assert nearest("", []) == ""


def test_a_column_for_each_label_is_refused_with_the_way_out() -> None:
    table = {"name": "t", "kind": "multilabel", "labels": ["a", "b"], "files": {"train": "x.csv"}}
    with pytest.raises(SwissbertError, match=r"columns.label.*one column is expected; for a column of 0 and 1"):
        make_task({**table, "columns": {"text": "text", "label": ["a", "b"]}}, "here")


def test_label_names_have_a_bound() -> None:
    assert make_task(table(labels=["a" * 1000, "b"]), "here").labels[0] == "a" * 1000
    with pytest.raises(SwissbertError, match=r"labels has a name of 10,000,001 characters, but at most 1,000 are"):
        make_task(table(labels=["a", "中" * 10_000_001]), "here")
