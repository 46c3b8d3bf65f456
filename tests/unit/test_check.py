import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swissbert.cli.tables import check_text
from swissbert.data.check import Report, Shared, SplitReport, check_directory
from swissbert.data.rows import BadRow
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.tasks import Split, Task, make_task

MOOD = make_task(
    {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "good", "mixed"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "label"},
        "files": {"train": "mood-train.tsv", "dev": "mood-dev.tsv", "test": "mood-test.tsv"},
    },
    "mood",
)
LIKE = make_task(
    {
        "name": "like",
        "kind": "regression",
        "range": [0, 5],
        "loss": "mse",
        "metric": "pearson",
        "columns": {"text": "a", "text_pair": "b", "label": "score"},
        "files": {"train": "like-train.csv", "dev": {"first_of": ["like-other.csv", "like-dev.csv"]}},
    },
    "like",
)


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(tiny)


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with an example of everything that a report contains."""
    write(
        tmp_path,
        "mood-train.tsv",
        "text\tlabel",
        "a good film\tgood",
        "a  GOOD film \tgood",
        "a bad film\tbad",
        "dull\tbad",
        "\tbad",
        "what a plot !\tangry",
        "the man sleeps in the park .\tbad",
    )
    write(tmp_path, "mood-dev.tsv", "text\tlabel", "A Good Film\tgood", "a bad\u00a0film\tmixed", "new film\tbad")
    write(tmp_path, "mood-test.tsv", "text", "DULL", "a new film")
    write(
        tmp_path,
        "like-train.csv",
        "a,b,score",
        "a man runs,a woman runs,4",
        "a woman  runs,A man runs,4",
        "a dog,a cat,0",
        "a cat eats,a cat sleeps,2.5",
        "a cat eats,a dog eats,5",
    )
    write(
        tmp_path, "like-dev.csv", "a,b,score", "A cat,a dog,1", "a man runs,a man runs,5", "a woman runs,a man runs,4"
    )
    write(tmp_path, "more.tsv", "id\ttitle\tbody", "1\tx\ty")
    write(tmp_path, "course.csv", "\tid\tsentence", '0\tx1\t"one, two"', "1\tx2\tthree")
    write(tmp_path, "more.jsonl", '{"question": "x", "answer": 3}')
    write(tmp_path, "notes.md", "not data")
    pq.write_table(pa.table({"premise": ["x"], "hypothesis": ["y"]}), tmp_path / "more.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"no")
    return tmp_path


@pytest.fixture
def report(directory: Path, tokenizer: Tokenizer) -> Report:
    return check_directory(directory, [MOOD, LIKE], tokenizer)


def split_report(report: Report, task: str, split: Split) -> SplitReport:
    [match] = [part for part in report.splits if (part.task, part.split) == (task, split)]
    return match


def test_every_declared_file_that_exists_is_reported_in_order(report: Report) -> None:
    assert [(part.task, part.split, part.file, part.rows) for part in report.splits] == [
        ("mood", "train", "mood-train.tsv", 5),
        ("mood", "dev", "mood-dev.tsv", 3),
        ("mood", "test", "mood-test.tsv", 2),
        ("like", "train", "like-train.csv", 5),
        ("like", "dev", "like-dev.csv", 3),
    ]


def test_bad_rows_are_given_with_line_and_reason(report: Report) -> None:
    assert split_report(report, "mood", "train").bad == [
        BadRow("mood-train.tsv", 6, "column 'text' is empty"),
        BadRow("mood-train.tsv", 7, "label 'angry' is not one of bad, good, mixed or 0 to 2"),
    ]
    assert all(part.bad == [] for part in report.splits if part.file != "mood-train.tsv")


def test_the_balance_includes_classes_without_rows(report: Report) -> None:
    assert split_report(report, "mood", "train").balance == {"bad": 0.6, "good": 0.4, "mixed": 0.0}
    assert split_report(report, "mood", "test").balance == {}


def test_the_balance_of_scores_is_by_fifths_of_the_range_with_both_ends(report: Report) -> None:
    assert split_report(report, "like", "train").balance == {
        "0 to 1": 0.2,
        "1 to 2": 0.0,
        "2 to 3": 0.2,
        "3 to 4": 0.0,
        "4 to 5": 0.6,
    }


def test_lengths_are_tokens_at_the_median_the_95th_percentile_and_the_longest(report: Report) -> None:
    # rows have 5, 5, 5, 3 and 9 tokens; the 95th percentile lies four fifths between 5 and 9
    assert split_report(report, "mood", "train").lengths == (5, 8, 9)
    # pairs have [CLS] and two [SEP]: 9, 9, 7, 9 and 9
    assert split_report(report, "like", "train").lengths == (9, 9, 9)


def test_lengths_are_not_truncated(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path, "mood-train.tsv", "text\tlabel", "film " * 700 + "\tbad")
    assert split_report(check_directory(tmp_path, [MOOD], tokenizer), "mood", "train").lengths == (702, 702, 702)


def test_repeated_rows_are_counted_whatever_their_case_space_or_order(report: Report) -> None:
    assert split_report(report, "mood", "train").repeated == 1
    assert split_report(report, "like", "train").repeated == 1
    assert split_report(report, "mood", "dev").repeated == 0


def test_rows_shared_with_train_are_counted_whatever_their_case_space_or_order(report: Report) -> None:
    assert report.shared == [
        Shared("mood", "dev", 2, 1, "A Good Film"),
        Shared("mood", "test", 1, 0, "DULL"),
        Shared("like", "dev", 2, 1, "A cat"),
    ]


def test_a_pair_is_not_shared_with_a_sentence_of_another_pair(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path, "like-train.csv", "a,b,score", "a man,a dog,1", "a cat,a street,1")
    write(tmp_path, "like-dev.csv", "a,b,score", "a man,a street,1", "a man,a man,1", "a mana,dog,1")
    assert check_directory(tmp_path, [LIKE], tokenizer).shared == []


def test_tasks_are_compared_with_their_own_train_split_only(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path, "mood-train.tsv", "text\tlabel", "a film\tbad")
    write(tmp_path, "mood-dev.tsv", "text\tlabel", "dull\tbad")
    other = MOOD.model_copy(update={"name": "other", "files": {"train": "mood-dev.tsv", "dev": "mood-dev.tsv"}})
    assert check_directory(tmp_path, [MOOD, other], tokenizer).shared == [Shared("other", "dev", 1, 0, "dull")]


def test_files_that_no_task_reads_are_listed_with_their_columns(report: Report) -> None:
    assert report.other == {
        "broken.parquet": [],
        "course.csv": ["id", "sentence"],
        "more.jsonl": ["question", "answer"],
        "more.parquet": ["premise", "hypothesis"],
        "more.tsv": ["id", "title", "body"],
    }


def test_the_course_files_show_their_columns_to_other_tasks(cs224n: Path, tokenizer: Tokenizer) -> None:
    result = check_directory(cs224n, [], tokenizer).other
    assert result["ids-sst-train.csv"] == ["id", "sentence", "sentiment"]
    assert result["quora-dev.csv"] == ["id", "sentence1", "sentence2", "is_duplicate"]
    assert result["ids-sst-test-student.csv"] == ["0", "id", "sentence"]
    assert len(result) == 12


def test_a_file_with_columns_in_another_encoding_is_listed_without_them(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "old.csv").write_bytes(("texte,étiquette\n" + 3 * "é,1\n").encode("latin-1"))
    (tmp_path / "folder.csv").mkdir()
    assert check_directory(tmp_path, [], tokenizer).other == {"folder.csv": [], "old.csv": []}


def test_a_missing_directory_or_a_file_is_an_error(directory: Path, tokenizer: Tokenizer) -> None:
    for path in (directory / "nowhere", directory / "notes.md"):
        with pytest.raises(SwissbertError, match=f"^{path}: there is no such directory$"):
            check_directory(path, [MOOD], tokenizer)


def test_a_recipe_in_place_of_a_directory_is_told_where_it_goes(directory: Path, tokenizer: Tokenizer) -> None:
    recipe = directory / "my.toml"
    recipe.write_text("")
    with pytest.raises(SwissbertError, match=f"a recipe or a declaration, not a directory; .* add --tasks {recipe}$"):
        check_directory(recipe, [MOOD], tokenizer)


def test_an_empty_directory_makes_an_empty_report(tmp_path: Path, tokenizer: Tokenizer) -> None:
    assert check_directory(tmp_path, [MOOD, LIKE], tokenizer) == Report([], [], {})


@pytest.mark.parametrize("task", [MOOD, LIKE])
def test_a_file_that_cannot_be_used_is_a_problem_and_the_others_are_reported(
    directory: Path, tokenizer: Tokenizer, task: Task
) -> None:
    name = f"{task.name}-train.{'tsv' if task is MOOD else 'csv'}"
    write(directory, name, "something", "x")
    result = check_directory(directory, [MOOD, LIKE], tokenizer)
    [problem] = result.problems
    assert (problem.task, problem.split) == (task.name, "train")
    assert problem.sentence.startswith(f"{name}: no column '{task.columns.text}', which task '{task.name}'")
    assert len(result.splits) == 4
    assert name not in result.other
    assert f"Problems\n  {task.name} train: {name}: no column" in check_text(result)


def test_shared_rows_are_left_out_of_the_text_without_a_train_split(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path, "mood-dev.tsv", "text\tlabel", "dull\tbad")
    assert "shared with train" not in check_text(check_directory(tmp_path, [MOOD], tokenizer))
    write(tmp_path, "mood-train.tsv", "text\tlabel", "fine\tgood")
    assert "Rows shared with train\n  none" in check_text(check_directory(tmp_path, [MOOD], tokenizer))


def test_a_report_can_be_written_as_json(report: Report) -> None:
    result: dict[str, Any] = json.loads(json.dumps(asdict(report)))
    assert result["splits"][0]["rows"] == 5
    assert result["splits"][0]["bad"][0][1:] == [6, "column 'text' is empty"]
    assert result["shared"][0]["other_label"] == 1


def test_the_text_of_a_report_has_all_its_parts(report: Report) -> None:
    text = check_text(report)
    for expected in (
        "mood-train.tsv:6: column 'text' is empty",
        "mood: 2 row(s) of dev are in train too, 1 with another label (the first: A Good Film)",
        "broken.parquet: columns not readable",
        "more.tsv: columns id, title, body",
        "bad 60%  good 40%  mixed 0%",
    ):
        assert expected in text
