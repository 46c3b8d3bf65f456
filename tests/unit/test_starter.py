"""The starter corpus that ships."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from swissbert.data.check import Report, check_directory
from swissbert.data.rows import Row
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.tasks import Split, find_task

STARTER = Path(__file__).parents[2] / "src" / "swissbert" / "data" / "starter"
TASKS = ["sst", "para", "sts"]
SPLITS: list[Split] = ["train", "dev"]


@pytest.fixture(scope="module")
def report(tiny: Path) -> Report:
    return check_directory(STARTER, [find_task(name) for name in TASKS], Tokenizer(tiny))


def rows(task: str, split: Split) -> list[Row]:
    return read_split(find_task(task), split, STARTER, refuse=True).rows


@pytest.mark.parametrize("task", TASKS)
def test_there_are_enough_rows_for_training_and_scoring(task: str) -> None:
    assert len(rows(task, "train")) >= 300
    assert len(rows(task, "dev")) >= 100


def test_no_row_is_bad_or_repeated(report: Report) -> None:
    assert [(part.task, part.split) for part in report.splits] == [(task, split) for task in TASKS for split in SPLITS]
    assert [part.bad for part in report.splits] == [[]] * 6
    assert [part.repeated for part in report.splits] == [0] * 6


def test_no_dev_row_occurs_in_train(report: Report) -> None:
    assert report.shared == []


def test_every_file_that_ships_is_read_by_a_task(report: Report) -> None:
    assert report.other == {}
    assert sorted(path.name for path in STARTER.iterdir()) == sorted(part.file for part in report.splits)


@pytest.mark.parametrize("split", SPLITS)
def test_all_five_levels_of_sentiment_have_similar_numbers_of_rows(split: Split) -> None:
    counts = Counter(row.label for row in rows("sst", split))
    assert counts.keys() == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert min(counts.values()) > 0.1 * sum(counts.values())


@pytest.mark.parametrize("split", SPLITS)
def test_both_labels_of_paraphrases_have_similar_numbers_of_rows(split: Split) -> None:
    counts = Counter(row.label for row in rows("para", split))
    assert counts.keys() == {0.0, 1.0}
    assert min(counts.values()) > 0.3 * sum(counts.values())


@pytest.mark.parametrize("split", SPLITS)
def test_similarity_covers_every_fifth_of_its_range(split: Split) -> None:
    counted, _ = np.histogram([row.label or 0.0 for row in rows("sts", split)], bins=5, range=(0, 5))
    assert counted.min() > 0.1 * counted.sum()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", SPLITS)
def test_ids_are_unique_and_texts_are_clean(task: str, split: Split) -> None:
    result = rows(task, split)
    assert len({row.id for row in result}) == len(result)
    for row in result:
        for text in (row.text, row.text_pair or row.text):
            assert text == " ".join(text.split())
            assert len(text.split()) >= 2
            assert text.isprintable()


@pytest.mark.parametrize("task", TASKS)
def test_train_and_dev_share_no_id(task: str) -> None:
    assert not {row.id for row in rows(task, "train")} & {row.id for row in rows(task, "dev")}
