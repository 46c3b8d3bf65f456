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
from swissbert.data.check import check_directory
from swissbert.inference.loading import load
from swissbert.inference.model import Model
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


def rows_of(report: Path, name: str) -> list[dict[str, str]]:
    with (report.parent / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def answered(model: Model, data: Path) -> AnsweredSplit:
    return answer_split(model, model.task("topics"), "dev", data)


def test_all_metrics_have_intervals_and_chance_levels(report: Path) -> None:
    rows = [row for row in rows_of(report, "scores") if row["task"] == "topics"]
    names = ["micro_f1 *", "macro_f1", "average_precision", "exact_match"]
    assert [row["metric"] for row in rows] == names
    for row in rows:
        assert 0 <= float(row["from"]) <= float(row["score"]) <= float(row["to"]) <= 1
        assert 0 <= float(row["chance"]) < float(row["score"]), "the model has learned something"


def test_labels_are_scored_one_by_one(report: Path, answered: AnsweredSplit) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    expected = precision_recall_fscore_support(answered.labels, answered.decisions, zero_division=0)
    rows = rows_of(report, "classes-topics")
    assert [row["label"] for row in rows] == list(TOPICS)
    assert [int(row["rows"]) for row in rows] == expected[3].tolist()
    for name, values in zip(("precision", "recall", "F1"), expected, strict=False):
        assert [float(row[name]) for row in rows] == pytest.approx(values.tolist())
    figures = {path.stem for path in (report.parent / "figures").glob("*.svg")}
    assert {"label-scores-topics", "calibration-topics", "buckets-topics", "labels-topics"} <= figures
    assert {"overlap-relation", "attention-relation"} <= figures
    assert not any(name.startswith(("confusion", "scatter")) for name in figures)


def test_calibration_counts_every_label_of_every_row(answered: AnsweredSplit) -> None:
    confidence, right = decision_confidence(answered)
    assert confidence.shape == right.shape == (answered.labels.size,)
    assert confidence.min() >= 0.5
    assert right.mean() == pytest.approx(1 - answered.errors.mean())
    bins, error = calibration_bins(answered)
    assert sum(count for *_, count in bins) == answered.labels.size
    assert 0 <= error <= 1


def test_worst_rows_are_those_that_are_surest_of_what_is_wrong(report: Path, answered: AnsweredSplit) -> None:
    rows = rows_of(report, "mistakes-topics")
    severity = [float(row["severity"]) for row in rows]
    assert severity == sorted(severity, reverse=True)
    assert severity[0] == pytest.approx(answered.severity[answered.errors > 0].max())
    assert answered.severity[0] == pytest.approx(np.abs(answered.answers[0] - answered.labels[0]).mean())
    for row in rows:
        true, predicted = ({*row[name].split(", ")} - {"none"} for name in ("true", "predicted"))
        assert true != predicted
        assert true | predicted <= set(TOPICS)
    best = rows_of(report, "successes-topics")
    assert all(row["true"] == row["predicted"] for row in best)
    assert [float(row["confidence"]) for row in best] == sorted((float(r["confidence"]) for r in best), reverse=True)


def test_buckets_and_text_say_hamming_loss(report: Path, answered: AnsweredSplit) -> None:
    assert f"Hamming loss on 60 rows: {answered.errors.mean():.1%}." in report.read_text(encoding="utf-8")
    for row in rows_of(report, "buckets-topics"):
        assert 0 <= float(row["Hamming loss"]) <= 1
        assert float(row["difference"]) == pytest.approx(float(row["Hamming loss"]) - float(row["other rows"]))


def test_label_distribution_is_a_share_of_rows(report: Path, data: Path) -> None:
    lines = (data / "topics-train.jsonl").read_text(encoding="utf-8").splitlines()
    topics = [json.loads(line)["topics"] for line in lines]
    for row in rows_of(report, "labels"):
        if row["task"] == "topics" and row["split"] == "train":
            count = sum(row["label"] in labels for labels in topics)
            assert (int(row["rows"]), float(row["share"])) == (count, count / len(lines))


def test_two_models_are_compared(report: Path) -> None:
    rows = {(row["task"], row["metric"]): row for row in rows_of(report, "versus")}
    assert len(rows) == 8
    for (_, metric), row in rows.items():
        assert (row["McNemar p"] != "") == (metric == "exact_match")
        assert float(row["from"]) <= float(row["difference"]) <= float(row["to"])
    counts = rows_of(report, "who-is-right")
    assert [sum(int(value) for name, value in row.items() if name != "task") for row in counts] == [60, 60]


def test_bad_rows_are_listed(report: Path) -> None:
    (row,) = rows_of(report, "left-out")
    assert (row["file"], row["row"]) == ("topics-dev.jsonl", "61")
    assert row["reason"].startswith("label 'cars' is not one of film, animals, cooking, street")


def test_terminal_tables(model: Model, data: Path) -> None:
    scores = model.evaluate(data)
    baseline = scores.tasks["topics"].baseline
    assert baseline is not None
    lines = [line.split() for line in scores_table(scores).splitlines() if line.split()[:1] == ["topics"]]
    assert [line[1] for line in lines] == ["micro_f1", "macro_f1", "average_precision", "exact_match"]
    for line in lines:
        assert line[-2:] == [f"{baseline[line[1]]:.3f}", "60"]
    tasks = [make_task(table, "here") for table in (TOPIC_TASK, RELATION_TASK)]
    text = check_text(check_directory(data, tasks, model.tokenizer))
    (labels,) = [line for line in text.splitlines() if line.split()[:2] == ["topics", "dev"] and "%" in line]
    assert [word for word in labels.split()[2:] if not word.endswith("%")] == list(TOPICS)


def test_many_labels_are_drawn_without_names(answered: AnsweredSplit) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(0)
    labels = [f"label {i}" for i in range(60)]
    many = replace(
        answered,
        task=answered.task.model_copy(update={"labels": labels}),
        labels=(rng.random((40, 60)) > 0.9).astype(float),
        answers=rng.random((40, 60)).astype(np.float32),
    )
    figure = label_figure(many)
    assert max(figure.get_size_inches()) < 20
    assert "label 7" not in render(figure, "svg").decode()
    assert len(label_scores(many)) == 60
    assert len(metric_scores(many, resamples=5)) == 4
