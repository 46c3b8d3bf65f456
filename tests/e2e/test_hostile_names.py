"""Labels with control characters reach no terminal, whatever prints them; and what a model says to wrong arguments."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from forked import swissbert
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.text_table import table

ODD = ["esc\x1b[31mred\x1b[0m", "\x9b31m", "line\nbreak", "\u202egnp", "tab\tbed"]


@pytest.fixture
def odd(tiny: Path, tmp_path: Path) -> Path:
    """A recipe with such labels, and a data folder."""
    rows = "".join(f"words {i} and more\t{i % len(ODD)}\n" for i in range(60))
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    task = {
        "name": "odd",
        "kind": "classification",
        "labels": ODD,
        "columns": {"text": "text", "label": "label"},
        "files": {"train": "train.tsv", "dev": "dev.tsv"},
    }
    import tomli_w

    recipe = {"encoder": {"name": str(tiny), "max_length": 32}, "tasks": [task]}
    recipe["train"] = {"epochs": 1, "threads": 1, "tensorboard": False, "max_steps": 2}
    (tmp_path / "odd.toml").write_text(tomli_w.dumps(recipe), encoding="utf-8")
    return tmp_path


def controls(text: str) -> list[str]:
    """Return the characters that a terminal obeys."""
    return sorted(
        {mark for mark in text if (mark < " " and mark != "\n") or "\x7f" <= mark <= "\x9f" or mark in "\u202e"}
    )


def run(folder: Path, *arguments: object) -> str:
    done = swissbert(*map(str, arguments), cwd=folder)
    output = done.stdout + done.stderr
    assert done.returncode in (0, 1), output
    return output


def test_labels_reach_the_terminal_without_control_characters(odd: Path, tiny: Path) -> None:
    encoder = f"encoder.name={tiny}"
    for arguments in (
        ("train", "odd.toml", "--data", odd, "--out", "run", "--set", encoder),
        ("train", "odd.toml", "--data", odd, "--dry-run"),
        ("evaluate", "run", "--data", odd),
        ("predict", "run", "words"),
        ("data", "check", odd, "--tasks", "odd.toml", "--encoder", tiny),
    ):
        output = run(odd, *arguments)
        assert controls(output) == [], arguments
        assert output


def test_tables_and_lines_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    text = table("t\x1b", ["h\x9b"], [[label] for label in ODD])
    assert controls(text) == []
    assert r"esc\u001b[31mred" in text
    assert r"line\u000abreak" in text
    Display().say("\n".join(ODD))
    assert controls(capsys.readouterr().err) == []


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu")


COPIES: list[Callable[[Any], object]] = [pickle.dumps, copy.deepcopy, copy.copy]


@pytest.mark.parametrize("make", COPIES, ids=lambda make: make.__name__)
def test_a_model_says_what_to_do_instead_of_copying(model: Model, make: Callable[[Any], object]) -> None:
    with pytest.raises(SwissbertError, match=r"cannot be pickled or copied: .* swissbert\.load\('"):
        make(model)


WRONG: list[Any] = [None, 3, b"bytes", ["a"], [["a", "b", "c"]], [None], [("a",)], {"a": 1}, float("nan"), (), [()]]
WRONG += [("a", "b", "c"), [("a", None)], object(), range(3), iter([1])]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:20])
def test_wrong_types_end_in_a_sentence(model: Model, value: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: load(value),
        lambda: load("mini", value),
        lambda: load("mini", precision=value),
        lambda: load("mini", heads=value or cast(Any, 1)),
        lambda: model.predict(value, "x"),
        lambda: model.predict("sst", value),
        lambda: model.predict("sts", "a", value),
        lambda: model.numbers("sst", value),
        lambda: model.predict_all(value),
        lambda: model.predict_all("a", tasks=value),
        lambda: model.predict("para", "a", "b", threshold=value),
        lambda: model.evaluate("starter", value),
    ]
    said: list[str] = []
    for call in calls:
        try:
            result = call()
            if not isinstance(result, list | Model | dict):
                list(result)  # type: ignore[call-overload]
        except SwissbertError as error:
            said.append(str(error))
    assert all(json.dumps(text) for text in said)
