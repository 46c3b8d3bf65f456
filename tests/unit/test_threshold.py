"""The decision threshold of a cosine head: fitted on train rows, compared with a grid search."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swissbert.config import make_config
from swissbert.data.batches import pack
from swissbert.data.packing import take
from swissbert.data.token_table import TokenTable
from swissbert.inference.loading import load
from swissbert.model.heads.base import best_threshold
from swissbert.model.heads.cosine import CosineHead
from swissbert.training.loop import train

VALUES = st.sampled_from([-0.9, -0.5, -0.1, 0.0, 0.2, 0.2, 0.6, 0.8, 0.95])


@given(st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=30))
def test_no_other_threshold_has_a_higher_accuracy(rows: list[tuple[float, bool]]) -> None:
    cosines, labels = np.array([c for c, _ in rows]), np.array([float(y) for _, y in rows])
    threshold = best_threshold(cosines, labels)
    accuracies = [float(((cosines >= t) == (labels > 0.5)).mean()) for t in [*np.linspace(-1, 1, 401), threshold]]
    assert accuracies[-1] == max(accuracies)
    assert -1 <= threshold <= 1


def test_separable_cosines_are_separated_midway() -> None:
    assert best_threshold(np.array([0.9, 0.3, 0.5, 0.1]), np.array([1.0, 0, 1, 0])) == pytest.approx(0.4)


def test_rows_taken_from_a_table_are_those_rows() -> None:
    table = TokenTable(
        np.arange(10, dtype=np.int32), np.array([1, 2, 2, 1], np.int32), np.array([0, 2, 5, 9, 10]), 2, 1
    )
    rows = take(table, np.array([1, 0]))
    assert pack(rows, np.array([0])).input_ids.tolist() == pack(table, np.array([1])).input_ids.tolist()
    assert rows.lengths.tolist() == [5, 5]


def test_a_run_with_cosine_heads_fits_saves_and_reports_both_thresholds(tiny: Path, tmp_path: Path) -> None:
    table = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": "starter", "limit": 40},
        "encoder": {"name": str(tiny), "max_length": 24},
        "model": {"pair_encoding": False, "pair_head": "cosine"},
        "train": {
            "epochs": 1,
            "batch_size": 8,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    result = train(make_config(table, "here"), tmp_path)
    assert {"para.accuracy", "para.accuracy_at_0"} <= result.scores.keys()
    head = load(result.model, "cpu").network.head("para")
    assert isinstance(head, CosineHead)
    assert 0 < head.threshold.item() < 1
    dev = [line for line in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()) if "dev" in line]
    assert dev[-1]["dev"]["para.accuracy_at_0"] == result.scores["para.accuracy_at_0"]
