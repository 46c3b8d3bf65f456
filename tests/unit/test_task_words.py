"""Words that a declaration has for people: they are checked, stored, shown, and change no answer and no run."""

import json
from pathlib import Path

import pytest

from swissbert.config import make_config, meaning_differences
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.kinds import KINDS
from swissbert.model_folder.card import card
from swissbert.model_folder.load import _fingerprint
from swissbert.serving.about import declared_examples, drawn_examples, public_name, worded
from swissbert.task_words import WORDS
from swissbert.tasks import find_task, make_task, shipped_tasks

MOOD = {
    "name": "mood",
    "kind": "classification",
    "labels": ["bad", "good"],
    "columns": {"text": "text", "label": "label"},
    "files": {"train": "a.tsv"},
}
SCORE = {**MOOD, "kind": "regression", "labels": [], "range": [0, 5]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": "x" * 81}, "title"),
        ({"ends": ["low", "high"]}, "ends is given, but a classification task has labels"),
        ({"examples": [{"text": "a", "text_pair": "b"}]}, "example 1 of examples has a text_pair, but the task takes"),
        ({"examples": [{"text": "a"}, {"text": "b", "label": "ugly"}]}, "example 2 of examples: label"),
        ({"examples": [{"text": ""}]}, "examples"),
        ({"examples": [{"text": "a"}] * 21}, "examples"),
    ],
)
def test_words_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SwissbertError) as caught:
        make_task({**MOOD, **changes}, "mood.toml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_are_stored_and_stand_in_the_card() -> None:
    task = make_task({**SCORE, "title": "How good", "help": "From bad\nto good.", "ends": ["bad", "good"]}, "x")
    assert make_task(json.loads(task.model_dump_json(exclude_none=True)), "x") == task
    description = load().description.model_copy(update={"tasks": [task]})
    assert "- mood: How good: From bad to good." in card(description)


@pytest.mark.parametrize("name", shipped_tasks())
def test_shipped_tasks_have_words_and_labelled_examples(name: str) -> None:
    task = find_task(name)
    assert task.title
    assert task.help
    assert task.ends is not None or task.kind != KINDS["regression"]
    assert len(task.examples) >= 2
    assert all(example.label is not None for example in task.examples)


def test_words_change_neither_a_run_nor_the_checksum_of_a_model() -> None:
    stored = make_config({"tasks": [{**SCORE}], "data": {"dir": "x"}}, "here")
    words = {"title": "How good", "help": "Yes.", "ends": ["bad", "good"], "examples": [{"text": "a", "label": 3}]}
    assert set(words) == WORDS
    config = make_config({"tasks": [{**SCORE, **words}], "data": {"dir": "x"}}, "here")
    assert meaning_differences(stored, config) == meaning_differences(config, stored) == []
    other = make_config({"tasks": [{**SCORE, "range": [0, 6]}], "data": {"dir": "x"}}, "here")
    assert len(meaning_differences(stored, other)) == 1
    model = load()
    with_words = model.description.model_copy(update={"tasks": [worded(task) for task in model.description.tasks]})
    assert with_words.tasks[0].title
    assert _fingerprint(model.folder, with_words) == model.fingerprint


def test_a_model_without_words_gets_those_of_the_same_shipped_task() -> None:
    sst = find_task("sst")
    bare = sst.model_copy(update={"title": "", "help": "", "examples": []})
    assert worded(bare) == sst
    other = bare.model_copy(update={"labels": ["down", "up"]})
    assert worded(other) is other
    mood = make_task(MOOD, "x")
    assert worded(mood) is mood


@pytest.fixture(scope="module")
def mini() -> Model:
    return load("mini", device="cpu")


def test_the_model_that_ships_answers_its_examples_right(mini: Model) -> None:
    examples = declared_examples(mini)
    assert {example.task for example in examples} == set(mini.tasks)
    for example in examples:
        answer = mini.predict(example.task, example.text, example.text_pair)
        if answer.score is None:
            assert answer.label_name == example.label
        else:
            assert answer.score == pytest.approx(float(example.label or "nan"), abs=0.75)


def test_examples_are_drawn_from_dev_rows_the_first_one_is_answered_right(mini: Model) -> None:
    from swissbert.config import STARTER

    examples = drawn_examples(mini, STARTER)
    for name in mini.tasks:
        mine = [example for example in examples if example.task == name]
        assert 2 <= len(mine) <= 4
        assert len({example.label for example in mine}) == len(mine)
        assert all(example.is_row for example in mine)
        rows = (STARTER / f"{name}-dev.tsv").read_text(encoding="utf-8")
        assert all(example.text in rows for example in mine)
    first = next(example for example in examples if example.task == "sst")
    assert mini.predict("sst", first.text).label_name == first.label
    with pytest.raises(SwissbertError, match="no such data directory"):
        drawn_examples(mini, Path("nowhere"))


def test_the_name_of_a_model_has_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "final" / "model").mkdir(parents=True)
    assert public_name("mini") == "mini"
    assert public_name("owner/name@main") == "owner/name@main"
    assert public_name(tmp_path / "final") == public_name("final/model") == public_name("final/") == "final"
