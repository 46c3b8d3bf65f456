"""Settings and descriptions of any size and form are refused within bounds, in one short sentence."""

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swissbert.config import load_config, make_config
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.config_file import read_config
from swissbert.errors import SwissbertError, nearest
from swissbert.holdouts import uneven_holdouts, with_stratify
from swissbert.model_folder.description import read_description
from swissbert.reading import read_object, sha256
from swissbert.settings import read_toml
from swissbert.tasks import make_task

TASK = {
    "kind": "classification",
    "labels": ["low", "high"],
    "columns": {"text": "text", "label": "label"},
    "files": {"train": "a.csv"},
}


def refused(work: Callable[[], object]) -> str:
    """Run something that is refused within 10 s of processor time and 300 MB; return the message."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(SwissbertError) as caught:
        work()
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
    message = str(caught.value)
    assert len(message) <= 600
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a" + ".a" * 200_000 + " = 1", "not read as TOML"),
        ("a" + ".a" * 30 + " = 1", "a key of more than 20 parts"),
        ('"a"' + ' . "a"' * 30 + " = 1", "a key of more than 20 parts"),
        ("a = [" + "[]," * 300_000 + "]", "more than 200,000 keys and values"),
        ("a = " + "[" * 150 + "]" * 150, "nested more than 100 deep"),
        ("a = '" + "a" * 2**20 + "'", "more than 1,048,576 bytes"),
        ("seed = " + "9" * 10**6, "not valid TOML"),
        ("a" * 10**6 + " = 1", "unknown key 'aaa"),
        ("tasks = [" + "'sst'," * 100_000 + "]", "the name 'sst' is used twice"),
        ("tasks = [" + "1," * 150_000 + "]", "'tasks.0' is 1"),
        ("\n".join(f"a{i} = 1" for i in range(50_000)), "a table has 50,001 keys"),
    ],
    ids=str,
)
def test_a_recipe_that_would_take_long_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")
    assert sentence in refused(lambda: load_config(path))


@pytest.mark.parametrize("text", ["weights = [0.1, 0.2]", 'text = "a.b.c.d.e.f.g"', "a.b.c.d = 1", "x = 1.5"])
def test_usual_dots_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    assert read_toml(tmp_path / "r.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": "' + "a" * 2**24 + '"}', "more than 16,777,216 bytes"),
        ('{"a": [' + "1," * 800_000 + "1]}", "more than 700,000 values"),
        ('{"a": [' + "[],[]," * 200_000 + "1]}", "250,000 tables and lists"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested more than 100 deep"),
        ("[" * 200_000, "cannot be read"),
        ('{"a": ' + "9" * 10**7 + "}", "cannot be read (Exceeds the limit"),
    ],
    ids=["long", "values", "lists", "deep", "deeper", "number"],
)
def test_json_that_would_take_long_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "swissbert.json").write_text(text)
    assert sentence in refused(lambda: read_object(tmp_path / "swissbert.json"))
    refused(lambda: read_description(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "swissbert.json", "tokenizer.json", "vocab.txt", "recipe.toml", "sum"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)  # which would be waited for
    elif kind == "device":
        path.symlink_to("/dev/zero")  # which has no end
    else:
        path.mkdir()
    readers: dict[str, Callable[[], object]] = {
        "config.json": lambda: read_config(tmp_path),
        "swissbert.json": lambda: read_description(tmp_path),
        "recipe.toml": lambda: load_config(path),
        "sum": lambda: sha256(path),
    }
    refused(readers.get(name, lambda: Tokenizer(tmp_path)))


def test_the_tasks_of_a_run_are_compared_in_linear_time() -> None:
    tasks = [make_task({**TASK, "name": f"t{i}", "files": {"train": f"{i}.csv"}}, "here") for i in range(5000)]
    start = time.process_time()
    assert len(make_config({"tasks": tasks}).tasks) == 5000
    assert len(with_stratify(tasks)) == 5000
    one_file = [
        task.model_copy(update={"files": {"train": "f.csv"}, "holdout": 0.1 + i / 1e5}) for i, task in enumerate(tasks)
    ]
    assert len(list(uneven_holdouts(one_file))) == 1
    assert time.process_time() - start < 10  # comparing each with each takes a minute


def test_a_description_of_many_tasks_is_read_in_linear_time(tmp_path: Path) -> None:
    tasks = [{**TASK, "name": f"t{i}", "loss": "cross_entropy", "metric": "accuracy"} for i in range(10_000)]
    table = {"format": 2, "tasks": tasks, "encoder": {}, "model": {}}
    (tmp_path / "swissbert.json").write_text(json.dumps(table))
    start = time.process_time()
    assert len(read_description(tmp_path).tasks) == 10_000
    assert time.process_time() - start < 15
    tasks[-1]["name"] = "t7"
    (tmp_path / "swissbert.json").write_text(json.dumps(table))
    assert "the name 't7' is used twice" in refused(lambda: read_description(tmp_path))


@pytest.mark.parametrize(
    "provenance",
    [{f"k{i}": f"/a/b{i}" for i in range(2000)}, {"x": "/a" * 600_000}, {"x": ["/y"] * 200_000}],
    ids=["keys", "text", "list"],
)
def test_provenance_has_bounds(tmp_path: Path, provenance: dict[str, object]) -> None:
    table = {"format": 2, "tasks": [{**TASK, "name": "t"}], "encoder": {}, "model": {}, "provenance": provenance}
    (tmp_path / "swissbert.json").write_text(json.dumps(table))
    assert "provenance has more than 100 keys or 1,000,000 characters" in refused(lambda: read_description(tmp_path))


def test_a_very_long_word_is_not_compared() -> None:
    assert nearest("a" * 10**6, ["a" * 10**6]) == ""
    assert nearest("quickstrat", ["quickstart"]) == "; did you mean 'quickstart'?"


@pytest.mark.parametrize("length", [601, 10**6])
def test_a_message_is_one_short_line_that_a_terminal_can_show(length: int) -> None:
    message = str(SwissbertError("a.json: \x1b[31m\x9b\u202e\n" + "x" * length + "; choose another"))
    assert all(len(line) <= 600 and line.isprintable() for line in message.split("\n"))
    assert message.startswith("a.json: \\u001b[31m\\u009b\\u202e\n")
    assert message.endswith("; choose another")
    assert len(str(SwissbertError("\n" * 1000 + "choose another")).split("\n")) <= 22
