"""Synthesised rows: the same for a seed, without dev and test texts, and files that the task's declaration reads."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swissbert.analysis.buckets import buckets_for
from swissbert.cli.synthesise import rules_table
from swissbert.config import STARTER, make_config
from swissbert.data.memory import MemoryRows
from swissbert.data.splits import read_split
from swissbert.data.synthesis import Synthesis, recipe_lines, rules_for, synthesise, write_rows
from swissbert.data.synthesis.build import normalised
from swissbert.errors import SwissbertError
from swissbert.settings import parse_toml
from swissbert.tasks import Task, find_task, make_task

TASKS = ["para", "sts", "sst"]


def swissbert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "swissbert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def para(**changes: Any) -> Task:
    """The declaration of question pairs with other keys."""
    task = find_task("para")
    table = {
        "name": "para",
        "kind": "binary",
        "labels": task.labels,
        "columns": {"text": "sentence1", "text_pair": "sentence2", "label": "is_duplicate"},
        "files": {"train": "train.tsv", "dev": "dev.tsv"},
    }
    return make_task({**table, **changes}, "test")


def rows_of(synthesis: Synthesis) -> dict[str, list[tuple[str, str | None, object]]]:
    return {
        result.rule.name: [(row.text, row.text_pair, row.label) for row in result.rows] for result in synthesis.by_rule
    }


def write(folder: Path, name: str, *pairs: tuple[str, str]) -> None:
    lines = [f"{first}\t{second}\t0\n" for first, second in pairs]
    (folder / name).write_text("sentence1\tsentence2\tis_duplicate\n" + "".join(lines), encoding="utf-8")


@pytest.mark.parametrize("task", TASKS)
def test_rows_depend_on_the_seed_and_not_on_the_other_rules(task: str) -> None:
    first = rows_of(synthesise(task, STARTER, rows=20))
    assert first == rows_of(synthesise(task, STARTER, rows=20))
    assert first != rows_of(synthesise(task, STARTER, rows=20, seed=1))
    for name in rules_for(task):
        assert rows_of(synthesise(task, STARTER, [name], rows=20)) == {name: first[name]}


def test_most_rows_are_in_the_bucket_that_their_rule_aims_at() -> None:
    for task in TASKS:
        buckets = {bucket.name: bucket for bucket in buckets_for(find_task(task))}
        for result in synthesise(task, STARTER).by_rule:
            inside = sum(buckets[result.rule.bucket].matches(row) for row in result.rows)
            assert inside >= 0.7 * len(result.rows), result.rule.name


def test_fewer_rows_are_the_first_ones_of_more_rows() -> None:
    more, fewer = (rows_of(synthesise("para", STARTER, ["negated"], rows=rows)) for rows in (20, 5))
    assert fewer["negated"] == more["negated"][:5]
    assert len(more["negated"]) == 20


@pytest.mark.parametrize("task", TASKS)
def test_files_are_train_files_of_the_task_without_a_bad_row(task: str, tmp_path: Path) -> None:
    synthesis = synthesise(task, STARTER)
    paths = write_rows(synthesis, tmp_path)
    assert sorted(paths) == sorted(result.rule.name for result in synthesis.by_rule if result.rows)
    for result in synthesis.by_rule:
        if not result.rows:
            continue
        path = paths[result.rule.name]
        assert path == tmp_path / f"{task}-{result.rule.name}.tsv"
        reader = find_task(task).model_copy(update={"files": {"train": path.name, "dev": path.name}})
        rows = read_split(reader, "train", tmp_path, refuse=True)
        assert [row[1:5] for row in rows.rows] == [row[1:5] for row in result.rows]
        assert rows.label_notes.other_spellings() == ""
        header = path.read_text(encoding="utf-8").splitlines()[0].split("\t")
        columns = find_task(task).columns
        assert header == [name for name in (columns.id, columns.text, columns.text_pair, columns.label) if name]


def test_no_row_is_a_train_row_or_comes_twice() -> None:
    known = {(row.text, row.text_pair) for row in read_split(find_task("para"), "train", STARTER).rows}
    for result in synthesise("para", STARTER).by_rule:
        pairs = [(row.text, row.text_pair) for row in result.rows]
        assert len(pairs) == len({frozenset(pair) for pair in pairs})
        assert not known & set(pairs)


def test_texts_of_dev_and_test_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train.tsv",
        ("Why do cats purr at night?", "Is tea hot?"),
        ("Why do dogs bark loudly?", "Is ice cold?"),
    )
    write(tmp_path, "dev.tsv", ("WHY DON'T CATS PURR, at night", "Where?"))
    (tmp_path / "test.tsv").write_text("sentence1\tsentence2\nwhy do  dogs bark loudly\tWhen?\n", encoding="utf-8")
    task = para(files={"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    synthesis = synthesise(task, tmp_path, ["negated"])
    assert (synthesis.by_rule[0].rows, synthesis.by_rule[0].shared) == ([], 2)
    assert synthesis.checked == ["dev.tsv", "test.tsv"]
    without = synthesise(para(), tmp_path, ["negated"])
    assert [row.text for row in without.by_rule[0].rows] != []
    assert without.by_rule[0].shared == 1
    assert without.checked == ["dev.tsv"]


def test_held_out_rows_are_neither_changed_nor_written(tmp_path: Path) -> None:
    write(tmp_path, "train.tsv", *((f"Why do cats eat number {n} first?", f"Is it {n}?") for n in range(60)))
    task = para(files={"train": "train.tsv"}, holdout=0.3)
    held = {normalised(row.text) for row in read_split(task, "dev", tmp_path).rows}
    synthesis = synthesise(task, tmp_path, ["negated"])
    texts = {normalised(text) for row in synthesis.by_rule[0].rows for text in (row.text, row.text_pair or "")}
    assert held
    assert texts
    assert not any(text.replace("dont", "do") in held for text in texts)
    assert synthesis.checked == ["train.tsv (dev)"]


def test_texts_are_compared_without_case_space_and_punctuation() -> None:
    assert normalised("It's 5 °C,  OK?") == normalised("its 5 ℃ ok")
    assert normalised("?!") == "?!"


def test_rows_in_memory_are_a_source_too() -> None:
    rows = [{"sentence1": "Why do cats purr at night?", "sentence2": "Is tea hot?", "is_duplicate": 0}]
    synthesis = synthesise("para", MemoryRows(train=rows, dev=rows[:0] or rows), ["negated"])
    assert synthesis.by_rule[0].shared == 1, "the dev rows have the text"


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"format": "jsonl"}, ".jsonl"),
        ({"format": "csv"}, ".csv"),
        ({"delimiter": ";"}, ".tsv"),
        ({"header": False, "columns": {"text": 4, "text_pair": 2, "label": 1}}, ".tsv"),
        ({"encoding": "windows-1252"}, ".tsv"),
        ({"columns": {"text": "a", "text_pair": "b", "label": "c", "weight": "w"}}, ".tsv"),
    ],
)
def test_files_have_the_format_of_the_task(changes: dict[str, Any], ending: str, tmp_path: Path) -> None:
    synthesis = synthesise("para", STARTER, ["negated"], rows=10)
    changed = Synthesis(para(**changes), synthesis.by_rule, "train.tsv")
    paths = write_rows(changed, tmp_path)
    assert paths["negated"].name == f"para-negated{ending}"
    reader = changed.task.model_copy(update={"files": {"train": paths["negated"].name, "dev": paths["negated"].name}})
    assert len(read_split(reader, "train", tmp_path, refuse=True)) == 10


def test_a_format_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    by_rule = synthesise("para", STARTER, ["negated"], rows=5).by_rule
    with pytest.raises(SwissbertError, match="has the format 'parquet', in which synthesised rows are not written"):
        write_rows(Synthesis(para(format="parquet"), by_rule, "train"), tmp_path)
    with pytest.raises(SwissbertError, match="cannot be written so that its declaration reads them"):
        write_rows(Synthesis(para(encoding="cp037"), by_rule, "train"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lines_of_a_recipe_share_a_tenth_of_the_rows(tmp_path: Path) -> None:
    synthesis = synthesise("para", STARTER)
    lines = recipe_lines(synthesis, write_rows(synthesis, tmp_path))
    shares = [float(share) for share in re.findall(r"share = ([\d.]+)", lines)]
    assert sum(shares) == pytest.approx(0.1, abs=0.01)
    assert f'file = "{tmp_path}/para-negated.tsv"' in lines
    assert 'format = "cs224n"' in lines
    config = make_config(parse_toml(lines, "lines"))
    keys = {"extra", "stratify"}
    assert config.tasks[0].model_dump(exclude=keys) == find_task("para").model_dump(exclude=keys)
    assert len(config.tasks[0].extra) == len(synthesis.by_rule)
    assert 'base = "/here/my.toml"' in recipe_lines(synthesis, {}, "/here/my.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": ["negatd"]}, r"rules: 'negatd' is not a rule of task 'para'; .*; did you mean 'negated'\?"),
        ({"rules": []}, "rules is empty; the rules of 'para' are question_more_specific, "),
        ({"rules": "negated"}, r"rules is 'negated', but it is a list of names, such as \['negated'\]"),
        ({"rows": 0}, "rows is 0, but it is a whole number from 1"),
        ({"rows": True}, "rows is True, but it is a whole number from 1"),
        ({"seed": -1}, "seed is -1, but it is a whole number from 0"),
        ({"task": "cfimdb"}, "task 'cfimdb' has no synthesis rules; there are rules for para, sts, sst"),
        (
            {"task": para(labels=[])},
            "task 'para' is not declared as its synthesis rules expect: a binary of pairs of texts",
        ),
        ({"data": "nowhere"}, "nowhere: there is no such data directory"),
    ],
)
def test_mistakes_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        synthesise(**{"task": "para", "data": STARTER, **arguments})


def test_agreement_of_real_rows_is_counted(tmp_path: Path) -> None:
    lines = ["Is 5 odd?\tIs 6 odd?\t0", "Is 5 odd?\tIs 7 odd?\t1", "Is 5 odd?\tIs it odd?\t0"]
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text("sentence1\tsentence2\tis_duplicate\n" + "\n".join(lines), encoding="utf-8")
    result = synthesise(para(), tmp_path, ["number_changed"]).by_rule[0]
    assert (result.agreeing, result.real) == (1, 2)


def test_the_command_writes_files_and_shows_rules_examples_and_lines_of_a_recipe(tmp_path: Path) -> None:
    out = tmp_path / "made"
    arguments = ("--data", "starter", "--out", out, "--rules", "negated, reworded", "--rows", "7")
    done = swissbert("synthesise", "para", *arguments)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["para-negated.tsv", "para-reworded.tsv"]
    assert len((out / "para-negated.tsv").read_text(encoding="utf-8").splitlines()) == 8
    assert re.search(r"negated +much overlap +different +7 +\d", done.stdout)
    assert "  of the train rows that are like this, 1 of 1 have this label\n" in done.stdout
    assert done.stdout.count(" | ") == 4, "two examples for each rule"
    assert f'{{ file = "{out}/para-negated.tsv", share = 0.05, format = "cs224n" }},' in done.stdout
    before = (out / "para-negated.tsv").read_bytes()
    assert swissbert("synthesise", "para", *arguments).stdout == done.stdout
    assert (out / "para-negated.tsv").read_bytes() == before


@pytest.mark.parametrize("name", ["para", "sts", "sst"])
def test_the_table_is_at_most_80_characters_wide(name: str) -> None:
    synthesis = synthesise(name, STARTER, rows=1)
    many = [replace(result, rows=result.rows * 123_456, shared=1_234) for result in synthesis.by_rule]
    lines = rules_table(replace(synthesis, by_rule=many)).splitlines()
    assert len(lines) == len(many) + 4
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"'dropped': rows with a text of {synthesis.checked[0]}"


def test_a_mistake_on_the_command_line_names_the_option(tmp_path: Path) -> None:
    done = swissbert("synthesise", "sst", "--data", "starter", "--out", tmp_path / "made", "--rules", "negated")
    assert done.returncode == 2
    assert done.stderr == (
        "error: rules: 'negated' is not a rule of task 'sst'; they are contrast_reworded, negation_reworded "
        "(on the command line: --rules)\n"
    )


def test_texts_of_test_rows_are_dropped_whatever_their_labels_are(tmp_path: Path) -> None:
    write(tmp_path, "train.tsv", ("Why do cats purr at night?", "Is tea hot?"))
    write(tmp_path, "dev.tsv", ("Where?", "When?"))
    task = para(files={"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    (tmp_path / "test.tsv").write_text(
        "sentence1\tsentence2\tis_duplicate\nwhy don't cats purr at night\tWhen?\thidden\n", encoding="utf-8"
    )
    synthesis = synthesise(task, tmp_path, ["negated"])
    assert (synthesis.by_rule[0].rows, synthesis.by_rule[0].shared) == ([], 1)
    assert synthesis.checked == ["dev.tsv", "test.tsv"]
