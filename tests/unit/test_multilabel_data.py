"""Several labels per row, from every source to batches, the cache and the report of a data directory."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from swissbert.cli.tables import check_text
from swissbert.data import MemoryRows, Source, Tokenizer, cached_split, check_directory, load_split, read_split
from swissbert.data.rows import Row, labels_of
from swissbert.errors import SwissbertError
from swissbert.tasks import Task, make_task

TOPICS = ["film", "music", "art"]
ROWS: list[tuple[str, list[str]]] = [
    ("the plot", ["film"]),
    ("a song in a film", ["music", "film"]),
    ("a walk", []),
    ("a picture of a guitar", ["art", "music"]),
]
EXPECTED = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
OPTIONS: dict[str, Any] = {"separate": False, "max_length": 16}


def declare(file: str | None = None, **changes: Any) -> Task:
    table = {
        "name": "topics",
        "kind": "multilabel",
        "labels": TOPICS,
        "loss": "binary_cross_entropy",
        "metric": "micro_f1",
        "columns": {"text": "text", "label": "topics"},
        **({"files": {"train": file, "dev": file}} if file else {}),
    }
    return make_task({**table, **changes}, "declaration")


def write(folder: Path, form: str) -> tuple[Task, Source]:
    """Write the rows in one form, and return a task and where its rows are."""
    records = [{"text": text, "topics": topics} for text, topics in ROWS]
    if form == "memory":
        return declare(), MemoryRows(ROWS, records)
    if form == "jsonl":
        content = "".join(json.dumps(record) + "\n" for record in records)
    elif form == "csv":  # an empty cell is a missing label, so that no label at all is an empty list
        cells = ["|".join(topics) or "[]" for _, topics in ROWS]
        content = "".join(["text,topics\n", *(f"{text},{cell}\n" for (text, _), cell in zip(ROWS, cells, strict=True))])
    else:
        pq.write_table(pa.Table.from_pylist(records), folder / "rows.parquet")
        return declare("rows.parquet"), folder
    (folder / f"rows.{form}").write_text(content, encoding="utf-8")
    return declare(f"rows.{form}"), folder


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "memory"])
def test_every_source_gives_the_same_labels_tokens_and_batches(form: str, tmp_path: Path, tiny: Path) -> None:
    task, source = write(tmp_path, form)
    for split in ("train", "dev"):
        rows = read_split(task, split, source)
        assert [row.label for row in rows.rows] == [tuple(label) for label in EXPECTED]
        assert rows.bad == []
    data = load_split(task, "train", source, Tokenizer(tiny), **OPTIONS)
    assert data.labels.dtype == np.float64
    assert data.labels.tolist() == EXPECTED
    batch = data.batch(np.array([3, 1]))
    assert batch.labels.dtype == torch.float32
    assert batch.labels.tolist() == [EXPECTED[3], EXPECTED[1]]
    assert batch.to(torch.device("meta")).labels.shape == (2, 3)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("film;art", [1, 0, 1]),
        ("film, art", [1, 0, 1]),
        ("art", [0, 0, 1]),
        ("0|2", [1, 0, 1]),
        ('["film", 1]', [1, 1, 0]),
        (["film", "film"], [1, 0, 0]),
        (("art",), [0, 0, 1]),
        (np.array([0, 1]), [1, 1, 0]),
        (2, [0, 0, 1]),
        ([], [0, 0, 0]),
    ],
)
def test_cells_of_several_forms_are_lists_of_labels(cell: object, expected: list[int]) -> None:
    [row] = read_split(declare(), "train", MemoryRows([("a film", cell)], [])).rows
    assert row.label == tuple(map(float, expected))


def test_a_declared_separator_is_the_only_one() -> None:
    task = declare(separator=" / ")
    result = read_split(task, "train", MemoryRows([("a", "film / art"), ("b", "film|art")], []))
    assert [row.label for row in result.rows] == [(1.0, 0.0, 1.0)]
    assert [row.number for row in result.bad] == [2]


def test_labels_that_are_not_declared_or_missing_are_bad_rows() -> None:
    cells = [None, "", ["film", "sport"], {"film": True}, [None], [["film"]]]
    result = read_split(declare(), "train", MemoryRows([("ok", ["art"]), *(("a", cell) for cell in cells)], []))
    assert result.label_notes.unlabelled == 2
    assert [row.reason for row in result.bad] == [
        "label 'sport' is not one of film, music, art or 0 to 2",
        "column 'topics' is {'film': True}, but a multilabel task takes a list of labels",
        "label 'None' is not one of film, music, art or 0 to 2",
        """label "['film']" is not one of film, music, art or 0 to 2""",
    ]


@pytest.mark.parametrize("cell", [["film"], [], [1], ("film",), {"film"}, np.array([1, 0])])
@pytest.mark.parametrize("kind", ["classification", "binary", "regression"])
def test_a_list_is_no_label_of_a_task_with_one_label_per_row(kind: str, cell: object) -> None:
    changes: dict[str, dict[str, Any]] = {
        "classification": {"loss": "cross_entropy", "metric": "accuracy"},
        "binary": {"labels": ["film", "music"], "metric": "accuracy"},
        "regression": {"labels": [], "range": [0, 5], "loss": "mse", "metric": "pearson"},
    }
    task = declare(kind=kind, **changes[kind])
    result = read_split(task, "train", MemoryRows([("a", cell), ("ok", 1)], []))
    assert [row.text for row in result.rows] == ["ok"]
    [bad] = result.bad
    assert bad.reason.startswith("column 'topics' is ")
    lists = "" if kind == "regression" else '; kind = "multilabel" takes lists of labels'
    assert bad.reason.endswith(f", but a {kind} task takes one label{lists}")


def test_a_json_list_is_no_label_of_a_task_with_one_label_per_row(tmp_path: Path) -> None:
    lines = ['{"text": "a", "topics": ["film"]}', '{"text": "b", "topics": "film"}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = declare("rows.jsonl", kind="classification", loss="cross_entropy", metric="accuracy")
    result = read_split(task, "train", tmp_path)
    assert [row.text for row in result.rows] == ["b"]
    reason = (
        """column 'topics' is ['film'], but a classification task takes one label; kind = "multilabel" takes lists"""
    )
    assert [row.reason for row in result.bad] == [f"{reason} of labels"]


def test_missing_labels_are_nan_in_every_column() -> None:
    rows = [Row(1, "1", "a", None, (1.0, 0.0)), Row(2, "2", "b", None, None)]
    labels = labels_of(rows, (2,))
    assert labels.shape == (2, 2)
    assert labels[0].tolist() == [1.0, 0.0]
    assert np.isnan(labels[1]).all()
    assert labels_of([], (2,)).shape == (0, 2)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_cache_keeps_and_maps_labels_of_rows(
    form: str, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("swissbert.data.dataset.CHUNK", 3)
    task, source = write(tmp_path, form)
    plain = load_split(task, "train", source, Tokenizer(tiny), **OPTIONS)
    for _ in range(2):
        data = cached_split(task, "train", source, Tokenizer(tiny), **OPTIONS)
        assert isinstance(data.labels.base, np.memmap)
        assert data.labels.tolist() == plain.labels.tolist() == EXPECTED
        assert data.fingerprint() == plain.fingerprint()
    [entry] = (tmp_path / "cache").iterdir()
    assert json.loads((entry / "about.json").read_text(encoding="utf-8"))["label_shape"] == [3]


def test_the_report_of_a_directory_shows_the_share_of_rows_with_each_label(tmp_path: Path, tiny: Path) -> None:
    task, _ = write(tmp_path, "jsonl")
    report = check_directory(tmp_path, [task], Tokenizer(tiny))
    assert report.splits[0].balance == {"film": 0.5, "music": 0.5, "art": 0.25}
    assert report.problems == []
    assert report.shared[0].other_label == 0
    assert "film 50%  music 50%  art 25%" in check_text(report)


def test_rows_shared_with_train_may_have_other_labels(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a film", "topics": ["film"]}\n', encoding="utf-8")
    (tmp_path / "dev.jsonl").write_text('{"text": "A film", "topics": ["art"]}\n', encoding="utf-8")
    task = declare(files={"train": "train.jsonl", "dev": "dev.jsonl"})
    assert check_directory(tmp_path, [task], Tokenizer(tiny)).shared[0].other_label == 1


def test_a_missing_label_column_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a film", "topic": ["film"]}\n', encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"no column 'topics', which task 'topics' reads; did you mean 'topic'\?"):
        read_split(declare("rows.jsonl"), "train", tmp_path)


@pytest.mark.parametrize("cell", [[0, 1, 0], np.array([1, 1, 0]), "[1, 1, 0]"])
def test_a_0_or_1_for_each_label_is_a_bad_row(cell: object) -> None:
    result = read_split(declare(), "train", MemoryRows([("ok", ["art"]), ("a", cell)], []))
    assert "names a number twice; a list of names or numbers is expected" in result.bad[0].reason
