"""The course's files, and other published data sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from declared import bad

from swissbert.data.rows import labels_of
from swissbert.data.splits import read_split
from swissbert.tasks import SPLITS, Split, find_task, make_task


@pytest.mark.parametrize(
    ("name", "counts", "bad_rows"),
    [
        ("sst", (8544, 1101, 2210), []),
        ("para", (14012, 3000, 3200), [3455]),
        ("sts", (6040, 863, 1725), []),
        ("cfimdb", (1707, 245, 488), []),
    ],
)
def test_the_course_files_give_the_published_numbers_of_rows(
    cs224n: Path, name: str, counts: tuple[int, int, int], bad_rows: list[int]
) -> None:
    task = find_task(name)
    for split, count in zip(SPLITS, counts, strict=True):
        rows = read_split(task, split, cs224n)
        assert len(rows) == count
        assert [row.number for row in rows.bad] == (bad_rows if split == "train" else [])
        assert len({row.id for row in rows.rows}) == count
        assert bool(np.isnan(labels_of(rows.rows)).all()) == (split == "test")


def test_the_question_pairs_have_an_empty_text_and_an_empty_label(cs224n: Path) -> None:
    rows = read_split(find_task("para"), "train", cs224n)
    assert bad(rows) == [(3455, "column 'sentence2' is empty")]
    assert rows.label_notes.unlabelled == 1
    lines = (cs224n / "quora-train.csv").read_text(encoding="utf-8").split("\n")
    assert [len(lines[number - 1].split("\t")) for number in (3455, 8711)] == [5, 5]


OWN: dict[str, dict[str, Any]] = {
    "msrp": {
        "kind": "binary",
        "labels": ["different", "paraphrase"],
        "loss": "binary_cross_entropy",
        "metric": "macro_f1",
        "columns": {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"},
        "files": {"train": "msrp-train.tsv", "dev": "msrp-dev.tsv"},
    },
    "trec": {
        "kind": "classification",
        "labels": ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "question", "label": "label"},
        "files": {"train": "trec-train.tsv"},
    },
    "subj": {
        "kind": "classification",
        "labels": ["objective", "subjective"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "subjective"},
        "files": {"train": "subj-train.jsonl"},
    },
    "sick": {
        "kind": "regression",
        "range": [1, 5],
        "loss": "mae",
        "metric": "spearman",
        "columns": {"text": "sentence_A", "text_pair": "sentence_B", "label": "relatedness_score", "id": "pair_ID"},
        "files": {"train": "sick-train.tsv", "dev": "sick-dev.tsv"},
    },
}


@pytest.mark.parametrize(
    ("name", "split", "count", "empty"),
    [
        ("msrp", "train", 3576, []),
        ("msrp", "dev", 500, []),
        ("trec", "train", 5452, []),
        (
            "subj",
            "train",
            7994,
            [83, 1885, 2177, 2507, 4034, 7913],
        ),  # the file has 8,000 lines, and six of them no text
        ("sick", "train", 4500, []),
        ("sick", "dev", 500, []),
    ],
)
def test_other_data_sets_are_read_from_a_declaration_alone(
    own_tasks: Path, name: str, split: Split, count: int, empty: list[int]
) -> None:
    task = make_task({"name": name, **OWN[name]}, name)
    rows = read_split(task, split, own_tasks)
    held_out = len(read_split(task, "dev", own_tasks)) if task.holds_out else 0
    assert len(rows) + held_out == count
    assert bad(rows) == [(number, "column 'text' is empty") for number in empty]


def test_quotes_inside_news_sentences_are_kept(own_tasks: Path) -> None:
    rows = read_split(make_task({"name": "msrp", **OWN["msrp"]}, "msrp"), "train", own_tasks)
    assert rows.rows[0].text.startswith('Amrozi accused his brother, whom he called "the witness", of')
    assert rows.rows[0].label == 1.0
    raw = (own_tasks / "msrp-train.tsv").read_text(encoding="utf-8-sig")
    assert sum(row.text.count('"') + (row.text_pair or "").count('"') for row in rows.rows) == raw.count('"')
