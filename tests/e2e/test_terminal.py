"""What a person sees on a terminal of 80 columns, and what a program reads instead."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from forked import swissbert
from screens import watch

LETTERS = "abcdefghijklmnopqrst"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def many(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe of twenty tasks that read one file."""
    folder = tmp_path_factory.mktemp("many")
    rows = [
        f"a {word} film\t{'yes' if number % 2 else 'no'}" for number, word in enumerate(["good", "bad", "dull"] * 8)
    ]
    (folder / "rows.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    tasks = "".join(
        f"""
[[tasks]]
name = "task_with_a_name_{letter}"
kind = "classification"
labels = ["yes", "no"]
loss = "cross_entropy"
metric = "accuracy"
columns = {{ text = "text", label = "label" }}
files = {{ train = "rows.tsv", dev = "rows.tsv" }}
"""
        for letter in LETTERS
    )
    head = f"""name = "many"
[encoder]
name = "{tiny}"
max_length = 16
[train]
max_steps = 2
batch_size = 4
tensorboard = false
baseline = false
[data]
dir = "{folder}"
"""
    (folder / "many.toml").write_text(f"{head}{tasks}")
    return folder


def test_twenty_tasks_are_trained_and_scored_in_eighty_columns(many: Path) -> None:
    trained = watch("train", many / "many.toml", "--out", "run", cwd=many)
    assert trained.status == 0, trained.text
    assert any(re.search(r"^training  [━─]+  [12]/2  (\d+:\d\d left|done)", bar) for bar in trained.ever("training"))
    assert trained.ever("task_with_a_name_a ", "and 18 more")
    assert "━" not in trained.text, "bars vanish"
    assert any(line.endswith("evaluate run") for line in trained.lines), "the next command"

    scored = watch("evaluate", "run", cwd=many)
    assert scored.status == 0, scored.text
    rows = [line for line in scored.lines if line.startswith(" task_with_a_name_")]
    assert len([row for row in rows if " accuracy * " in row]) == 20
    assert all(row.split()[-1] == "24" for row in rows if " accuracy * " in row), "no line of the table is broken"
    assert not any("overall_normalised" in line for line in scored.lines), "it is the overall where there is no r"
    assert "an epoch reads all rows of all 20 tasks" in trained.text

    checked = watch("data", "check", ".", "--tasks", "many.toml", cwd=many)
    assert checked.status == 0, checked.text
    assert all(len(line) <= 80 for line in checked.lines)
    assert checked.lines[-1].endswith("train many.toml --data .")
    assert (
        sum(line.split()[:2] == [f"task_with_a_name_{letter}", "train"] for line in checked.lines for letter in "at")
        == 4
    )

    asked = watch("predict", "run", "a good film", cwd=many)
    assert asked.status == 0, asked.text
    assert asked.lines[0] == "a good film"
    assert sum(line.startswith(" task_with_a_name_") for line in asked.lines) == 20


@pytest.mark.parametrize("columns", [80, 120])
def test_answers_are_a_table_for_a_person_and_json_lines_for_a_program(
    tiny_run: Path, tmp_path: Path, columns: int
) -> None:
    shown = watch("predict", tiny_run, "--task", "sst", "a good film", columns=columns)
    assert shown.status == 0, shown.text
    title, header, _, row = shown.lines[:4]
    assert title == "a good film"
    assert header.split() == ["task", "answer", "probability", "other", "labels"]
    assert re.match(r" sst +\D+ \d+%", row)
    assert f"loading {tiny_run}"[:40] in shown.raw, "a model that is loaded is no silence"
    assert "{" not in shown.text

    path = tmp_path / "answers"
    piped = watch("predict", tiny_run, "--task", "sst", "a good film", columns=columns, out=path)
    assert set(json.loads(path.read_text())) == {"label", "label_name", "probabilities"}
    assert piped.lines == [], "no next command where the results go elsewhere"
    on_demand = watch("predict", tiny_run, "--task", "sst", "a good film", "--json", columns=200)
    assert json.loads(on_demand.text)["label_name"]


def test_rows_of_a_file_are_lines_of_a_table_with_what_cannot_be_used(tiny_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("sentence,other\n" + "a very good film " * 9 + ",x\n,x\nbad,x\n")
    shown = watch("predict", tiny_run, "--task", "sst", "--input", source)
    assert shown.status == 0, shown.text
    heads = [number for number, line in enumerate(shown.lines) if line.split() == ["row", "sst", "text"]]
    assert len(heads) == 1, shown.text
    first, second, third = shown.lines[heads[0] + 1 : heads[0] + 4]
    assert re.match(r"2 +\D+ +\d+%  a very good film .*…$", first)
    assert re.match(r"3 +cannot be used: ", second)
    assert re.match(r"4 +\D+ +\d+%  bad$", third)
    assert max(map(len, shown.lines)) <= 80

    with_file = watch("predict", tiny_run, "--task", "sst", "--input", source, "--output", tmp_path / "out.csv")
    assert with_file.status == 0, with_file.text
    assert (tmp_path / "out.csv").read_text().startswith("sentence,other,label,")
    words = " ".join(with_file.text.split())
    assert "out.csv: answers to 2 rows" in words
    assert f"swissbert serve {tiny_run}" in words


def test_an_error_is_wrapped_between_words(tmp_path: Path) -> None:
    shown = watch("predict", "a/" * 30, "text", cwd=tmp_path)
    assert shown.status == 2
    assert len(shown.lines) > 1
    assert max(map(len, shown.lines)) <= 80
    piped = swissbert("predict", "a/" * 30, "text")
    assert " ".join(shown.text.split()) == " ".join(piped.stderr.split())


def test_the_next_command_after_an_evaluation_has_its_data(tiny_run: Path) -> None:
    scored = watch("evaluate", tiny_run, "--data", "starter", columns=200)
    assert scored.lines[-1].endswith(f"analyse {tiny_run} --data starter --out report")


def test_colour_is_for_terminals_and_for_those_who_ask(tiny_run: Path, tmp_path: Path) -> None:
    coloured = watch("evaluate", tiny_run)
    assert "\x1b[1mScores" in coloured.raw
    plain = watch("evaluate", tiny_run, environment={"NO_COLOR": "1"})
    assert COLOUR.findall(plain.raw) == []
    assert plain.lines == coloured.lines
    dumb = watch("evaluate", tiny_run, environment={"TERM": "dumb"})
    assert "\x1b" not in dumb.raw

    program = [sys.executable, "-m", "swissbert", "recipes"]
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    piped = subprocess.run(program, capture_output=True, text=True, check=True, env=environment | {"COLUMNS": "40"})
    assert "\x1b" not in piped.stdout + piped.stderr
    assert piped.stderr == ""
    assert max(map(len, piped.stdout.splitlines())) > 80, "no width is guessed where a program reads"


def test_a_pipe_gets_whole_tables(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = swissbert("evaluate", tiny_run)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" overall_normalised")]
    assert "r as (r+1)/2" in line


def test_a_plan_is_short_and_its_settings_come_on_request(tiny: Path, tmp_path: Path) -> None:
    options = ["--set", f'encoder.name="{tiny}"', "--set", "encoder.max_length=64", "--set", "data.limit=48"]
    plan = watch("train", "quickstart", "--dry-run", *options, cwd=tmp_path)
    assert plan.status == 0, plan.text
    assert "Plan of 'quickstart'; nothing is trained" in plan.lines
    assert len(plan.lines) < 60
    assert "".join(plan.lines[-2:]).endswith("--toml")  # a long path is wrapped


def test_a_dry_run_of_a_table_fits_eighty_columns(tiny: Path, tmp_path: Path) -> None:
    options = [
        "--small",
        "--data",
        "starter",
        "--encoder",
        str(tiny),
        "--set",
        "encoder.max_length=64",
        "--set",
        "data.limit=24",
    ]
    shown = watch("reproduce", "table2", "--rows", "none,pair-surgery-automatic", "--dry-run", *options, cwd=tmp_path)
    assert shown.status == 0, shown.text
    table = shown.lines[shown.lines.index("Rows") :]
    assert re.search(r"^ row +description +state +seed +steps +tokens", "\n".join(table), re.MULTILINE)
    assert all(len(line) <= 80 for line in table[:10])
    assert shown.ever("timing a few steps")
