"""Tasks of a recipe that begin with the declaration of another task."""

from pathlib import Path
from typing import Any

import pytest

from swissbert.config import dump_config, load_config, make_config
from swissbert.errors import SwissbertError
from swissbert.settings import parse_toml
from swissbert.tasks import Task, find_task

EXTRA = {"file": "phrases.tsv", "share": 0.5, "columns": {"text": "phrase"}}


def task(**keys: Any) -> Task:
    return make_config({"tasks": [keys]}, "here").tasks[0]


def test_other_keys_are_added_and_the_rest_is_as_declared() -> None:
    shipped, changed = find_task("sst"), task(base="sst", extra=[EXTRA], ordinal_smoothing=0.5, guard="rows")
    new = {"extra", "ordinal_smoothing", "guard"}
    assert changed.model_dump(exclude={*new, "stratify"}) == shipped.model_dump(exclude={*new, "stratify"})
    assert [file.file for file in changed.extra] == ["phrases.tsv"]
    assert (changed.ordinal_smoothing, changed.guard) == (0.5, "rows")


def test_keys_of_tables_are_replaced_one_by_one_and_lists_as_a_whole() -> None:
    shipped = find_task("sst")
    changed = task(base="sst", name="stars", files={"train": "mine.tsv"}, columns={"text": "t"}, labels=list("12345"))
    assert changed.name == "stars"
    assert changed.files == {**shipped.files, "train": "mine.tsv"}
    assert changed.columns == shipped.columns.model_copy(update={"text": "t"})
    assert changed.labels == list("12345")


def test_another_source_of_rows_replaces_the_files() -> None:
    changed = task(base="sst", hub={"dataset": "me/sst"})
    assert changed.files == {}
    assert changed.hub is not None


def test_a_base_may_be_a_file_beside_the_recipe_and_settings_are_written_in_full(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nkind = "binary"\nlabels = ["no", "yes"]\ncolumns = { text = "text", label = "label" }\n'
    )
    (tmp_path / "recipe.toml").write_text('tasks = ["sst", { base = "mine.toml", guard = "sentences" }]\n')
    config = load_config(tmp_path / "recipe.toml")
    assert [(task.name, task.guard) for task in config.tasks] == [("sst", "off"), ("mine", "sentences")]
    assert make_config(parse_toml(dump_config(config), "there"), "there") == config


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"base": "sstt"}, "here: tasks: base: no shipped task 'sstt' "),
        ({"base": 3}, "here: tasks: base is 3, but it is the name of a shipped task"),
        ({"base": "nowhere.toml"}, "here: tasks: base: nowhere.toml: there is no such file"),
        ({"base": "sst", "gaurd": "rows"}, "here: tasks: unknown key 'gaurd'; did you mean 'guard'"),
        ({"name": "sst", "guard": "rows"}, "'kind' is missing and has no default; base = 'sst' instead of name"),
    ],
)
def test_mistakes_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        task(**keys)


def test_words_of_the_base_are_taken_over_while_it_asks_the_same() -> None:
    shipped = find_task("sst")
    assert task(base="sst", guard="rows").title == shipped.title
    assert task(base="sst", title="Mood").examples == shipped.examples
    assert task(base="sst", labels=["no", "yes"]).title == ""
    assert task(base="sst", labels=["no", "yes"], title="Mood").title == "Mood"
    assert task(base="sst", columns={"text_pair": "other"}).examples == []
