"""Answers in order, in constant memory, whatever stands next to a row."""

import io
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from swissbert.config import EncoderSettings, ModelSettings, load_config
from swissbert.data.rows import BadRow, Row
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference import stream as prediction
from swissbert.inference.inputs import read_inputs
from swissbert.inference.model import Model, load
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.description import Description
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task


@pytest.fixture(scope="module", params=[True, False], ids=["pair", "separate"])
def trained(request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with random weights and large heads, so that answers differ from text to text."""
    import torch

    torch.manual_seed(1)
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    encoder = read_encoder(tiny)
    model = MultitaskModel(encoder, tasks, pair_encoding=request.param, dropout=0.1)
    for parameter in model.parameters():
        parameter.data.mul_(8)
    folder = tmp_path_factory.mktemp("model") / "m"
    description = Description(
        format=1,
        tasks=tasks,
        encoder=EncoderSettings(name="tiny", max_length=64),
        model=ModelSettings(pair_encoding=request.param),
    )
    save_model(folder, model, Tokenizer(tiny), description)
    return load(folder)


def rows(count: int) -> Iterator[Row]:
    for n in range(count):
        yield Row(n, f"id{n}", "the movie " * (n % 7 + 1) + str(n), None, None)


def test_a_model_folder_gives_back_what_was_saved(trained: Model) -> None:
    assert [task.name for task in trained.description.tasks] == ["sst", "para", "sts"]
    assert not trained.network.training
    width = trained.network.heads.get_parameter("for_sts.out.weight").shape[1]
    assert width == (32 if trained.network.pair_encoding else 64)


def test_answers_come_in_order_and_do_not_depend_on_neighbours(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "CHUNK", 16)
    task = trained.task("sst")
    together = [answer for _, answer in prediction.stream(trained, task, rows(50))]
    for number in (0, 15, 16, 49):
        (_, alone), *_ = prediction.stream(trained, task, [list(rows(50))[number]])
        other = together[number]
        assert alone is not None
        assert other is not None
        assert alone.probabilities is not None
        assert alone.probabilities == pytest.approx(other.probabilities, abs=2e-5)
    assert len({answer.probabilities[0] for answer in together if answer and answer.probabilities}) > 10


def test_a_stream_is_read_no_further_than_needed(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "CHUNK", 8)
    taken = 0

    def endless() -> Iterator[Row]:
        nonlocal taken
        while True:
            taken += 1
            yield Row(taken, str(taken), "good film", None, None)

    assert len(list(islice(prediction.stream(trained, trained.task("sst"), endless()), 20))) == 20
    assert taken == 24


def test_probabilities_sum_to_one_and_scores_stay_in_the_range(trained: Model) -> None:
    pairs = [("a good film", "a bad film"), ("dog", "the cat sleeps in the park .")]
    for answer in trained.predict("para", pairs):
        assert answer.probabilities is not None
        assert sum(answer.probabilities) == pytest.approx(1, abs=1e-4)
        assert answer.label_name == ["different", "paraphrase"][int(np.argmax(answer.probabilities))]
    for answer in trained.predict("sts", pairs):
        assert answer.score is not None
        assert 0 <= answer.score <= 5
        assert set(answer.as_json()) == {"score"}


@pytest.mark.parametrize(
    ("task", "item", "message"),
    [
        ("sst", ("a", "b"), "takes one text"),
        ("sts", "a", "takes a pair"),
        ("sst", "  ", "is empty"),
        ("sst", 3, "takes one text"),
        ("sst", "\ud800", "half of a surrogate pair"),
        ("sst", "a\0b", "a NUL character"),
        ("nope", "a", "has no task 'nope'; its tasks are sst, para, sts"),
    ],
)
def test_bad_input_is_one_sentence(trained: Model, task: str, item: object, message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        list(trained.predict(task, iter([item])))  # type: ignore[arg-type]


def test_text_that_only_looks_dangerous_is_answered(trained: Model) -> None:
    texts = ["<script>alert(1)</script>", "🙂" * 50, "x" * 100_000, "\u202eright to left"]
    assert len(list(trained.predict("sst", texts))) == len(texts)


def test_lines_of_text_give_rows_and_bad_rows_in_their_places(trained: Model) -> None:
    file = io.StringIO("good film\n\nbad film\n")
    found = list(prediction.records(trained, trained.task("sst"), read_inputs("-", trained.task("sst"), stdin=file)))
    assert [item.get("id") for item in found] == ["1", None, "3"]
    assert found[1] == {"row": 2, "error": "the text is empty"}
    pairs = list(read_inputs("-", trained.task("sts"), stdin=io.StringIO("a\tb\nonly one\n")))
    assert isinstance(pairs[0], Row)
    assert isinstance(pairs[1], BadRow)


def test_files_are_read_by_their_own_columns_or_by_text_and_text_pair(trained: Model, tmp_path: Path) -> None:
    task = trained.task("para")
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps({"text": "a", "text_pair": "b", "id": 7}) + "\n")
    own = tmp_path / "own.tsv"
    own.write_text("id\tsentence1\tsentence2\tis_duplicate\nx\ta\tb\tnonsense\n")
    assert list(read_inputs(str(plain), task)) == [Row(1, "7", "a", "b", None)]
    assert list(read_inputs(str(own), task)) == [Row(2, "x", "a", "b", None)]
    with pytest.raises(SwissbertError, match="cannot be read"):
        list(read_inputs(str(tmp_path / "none.txt"), task))


def test_quickstart_recipe_names_the_starter_corpus() -> None:
    config = load_config("quickstart")
    assert config.data.path is not None
    assert (config.data.path / "sst-train.tsv").is_file()


COURSE = '\tid\tsentence\tsentiment\n0\tx1\t"A ""b"", c"\t0\n1\tx2\t "plain" d\t4\n'


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_a_file_of_the_tasks_own_format_is_read_as_training_reads_it(tmp_path: Path, name: str) -> None:
    task = find_task("sst").model_copy(update={"files": {"train": name}})
    (tmp_path / name).write_text(COURSE)
    rows = [row._replace(label=None) for row in read_split(task, "train", tmp_path).rows]
    assert list(read_inputs(str(tmp_path / name), task)) == rows
    assert [row.text for row in rows] == ['A "b", c', '"plain" d']


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,sentence\nx,"Good, really"\n'),
        ("b.csv", 'text\n"Good, really"\n'),
        ("c.tsv", "text\nGood, really\n"),
    ],
)
def test_other_delimited_files_go_by_their_header(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    [row] = read_inputs(str(tmp_path / name), find_task("sst"))
    assert isinstance(row, Row)
    assert row.text == "Good, really"


def test_the_courses_test_files_are_read(cs224n: Path) -> None:
    task = find_task("sst")
    found = list(read_inputs(str(cs224n / "ids-sst-test-student.csv"), task))
    assert found == read_split(task, "test", cs224n).rows


@pytest.mark.parametrize("first", ["{broken", "[1]", '{"other": 1}'])
def test_a_bad_first_line_of_json_costs_no_later_row(tmp_path: Path, first: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(first + '\n{"text": "good", "id": 7}\n{"text": ""}\n')
    bad, good, empty = read_inputs(str(path), find_task("sst"))
    assert isinstance(bad, BadRow)
    assert bad.number == 1
    assert good == Row(2, "7", "good", None, None)
    assert isinstance(empty, BadRow)


def test_a_file_that_has_the_columns_nowhere_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"other": 1}\n{"more": 2}\n')
    with pytest.raises(SwissbertError, match="no column 'sentence'"):
        list(read_inputs(str(path), find_task("sst")))


def test_what_is_no_file_or_has_an_unknown_ending_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows.xyz").write_text("text\na\n")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, format, message in [
        ("none.xyz", "auto", r"none\.xyz: cannot be read \(No such file or directory\)$"),
        ("none.csv", "auto", r"none\.csv: cannot be read \(No such file or directory\)$"),
        (".", "auto", r"cannot be read \(Is a directory\)$"),
        ("folder.csv", "auto", r"cannot be read \(Is a directory\)$"),
        ("rows.xyz", "auto", r"no format is known by the ending '\.xyz' \(known: .*\.txt\); set the format by name: "),
        ("pipe", "parquet", "Parquet needs a file"),
    ]:
        with pytest.raises(SwissbertError, match=message):
            list(read_inputs(str(tmp_path / name), find_task("sst"), format))
