"""The report on a model of a multilabel task, and of one task of pairs with several labels beside it."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest

from swissbert.analysis import analyse, answer_split, label_figure
from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.calibration import calibration_bins, decision_confidence
from swissbert.analysis.label_figures import label_scores
from swissbert.analysis.score_figures import metric_scores
from swissbert.analysis.style import render
from swissbert.cli.tables import check_text, scores_table
from swissbert.config import make_config
from swissbert.data.check import check
from swissbert.inference.model import Model, load
from swissbert.tasks import make_task
from swissbert.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")

TOPICS = {
    "film": ["film", "movie", "plot"],
    "animals": ["dog", "cat"],
    "cooking": ["cook", "bread", "eats"],
    "street": ["street", "park", "bike"],
}
TOPIC_TASK = {
    "name": "topics",
    "kind": "multilabel",
    "columns": {"text": "text", "label": "topics"},
    "labels": list(TOPICS),
    "loss": "binary_cross_entropy",
    "metric": "micro_f1",
    "files": {"train": "topics-train.jsonl", "dev": "topics-dev.jsonl"},
}
RELATION_TASK = {
    "name": "relation",
    "kind": "multilabel",
    "columns": {"text": "one", "text_pair": "two", "label": "shared"},
    "labels": list(TOPICS),
    "loss": "binary_cross_entropy",
    "metric": "average_precision",
    "files": {"train": "relation-train.jsonl", "dev": "relation-dev.jsonl"},
}


def sentence(rng: random.Random) -> tuple[str, list[str]]:
    """Draw a sentence and the topics whose words it has, none to three."""
    topics = sorted(rng.sample(list(TOPICS), rng.choice([0, 1, 1, 2, 3])))
    words = [rng.choice(TOPICS[topic]) for topic in topics] + rng.sample(["the", "a", "is", "very", "good", "not"], 3)
    rng.shuffle(words)
    return " ".join(words), topics


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of both tasks as jsonl; one dev row of topics has an unknown label."""
    folder = tmp_path_factory.mktemp("topics")
    rng = random.Random(0)
    for split, count in (("train", 160), ("dev", 60)):
        topics, relation = [], []
        for _ in range(count):
            (one, first), (two, second) = sentence(rng), sentence(rng)
            topics.append({"text": one, "topics": first})
            relation.append({"one": one, "two": two, "shared": sorted({*first} & {*second})})
        if split == "dev":
            topics.append({"text": "the red car", "topics": ["cars"]})
        for name, rows in (("topics", topics), ("relation", relation)):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}-{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


def trained(tiny: Path, data: Path, out: Path, seed: int) -> Path:
    settings = {"epochs": 10, "batch_size": 8, "lr": 5e-3, "threads": 1, "precision": "fp32", "device": "cpu"}
    table = {
        "seed": seed,
        "tasks": [TOPIC_TASK, RELATION_TASK],
        "data": {"dir": str(data), "cache": False},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 32},
        "train": {**settings, "tensorboard": False},
    }
    train(make_config(table, "here"), out)
    return out


@pytest.fixture(scope="module")
def model(tiny: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(trained(tiny, data, tmp_path_factory.mktemp("run") / "topics", 0), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def report(model: Model, tiny: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    other = trained(tiny, data, tmp_path_factory.mktemp("run") / "other", 1)
    out = tmp_path_factory.mktemp("out") / "report"
    return analyse(model, data, out, against=load(other, device="cpu", precision="fp32"))
