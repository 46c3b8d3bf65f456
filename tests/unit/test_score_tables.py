"""Tables of scores: undefined figures, notes, and confusion matrices of many labels."""

import json
import math

import numpy as np

from swissbert.cli.tables import check_text, scores_table
from swissbert.data.check import Report, SplitReport
from swissbert.evaluation import Scores, TaskScores


def scores(labels: list[str], confusion: list[list[int]], value: float = 0.5) -> Scores:
    """Return scores of one task with a confusion matrix."""
    task = TaskScores("accuracy", 10, 0, {"accuracy": value, "mcc": math.nan}, confusion=confusion, labels=labels)
    task.notes.append("mcc is undefined: the model answers 'x' to every row")
    return Scores({"topic": task}, value, value)


def test_an_undefined_figure_is_named_so_with_its_reason_and_without_interval() -> None:
    text = scores_table(scores(["x", "y"], [[5, 0], [5, 0]]))
    assert next(line.split() for line in text.splitlines() if " mcc " in line)[:3] == ["topic", "mcc", "undefined"]
    assert "topic: mcc is undefined: the model answers 'x' to every row" in text
    assert "nan" not in text


def test_of_150_labels_the_most_confused_are_named_and_none_is_cut() -> None:
    labels = [f"intent number {i:03} with a long name" for i in range(150)]
    confusion = np.diag(np.full(150, 9))
    confusion[3, 77], confusion[77, 3], confusion[140, 2] = 8, 5, 30
    result = scores(labels, confusion.tolist())
    text = scores_table(result)
    assert "…" not in text
    assert "150 labels; the JSON has the whole table" in text
    pairs = [line.split("  ") for line in text.splitlines() if line.strip().endswith((" 30", " 8", " 5"))]
    assert [[cell.strip() for cell in pair if cell.strip()] for pair in pairs] == [
        [labels[140], labels[2], "30"],
        [labels[3], labels[77], "8"],
        [labels[77], labels[3], "5"],
    ]
    assert f"{9 / 39:.3f}" in text
    assert max(map(len, text.splitlines())) < 120
    whole = json.loads(json.dumps(result.as_json(), allow_nan=False))["tasks"]["topic"]
    assert whole["confusion"] == confusion.tolist()
    assert whole["labels"] == labels


def test_few_labels_keep_the_whole_matrix_unless_their_names_are_long() -> None:
    assert "true label by row" in scores_table(scores(["x", "y"], [[5, 1], [2, 3]]))
    long = ["x" * 90, "y" * 90]
    text = scores_table(scores(long, [[5, 1], [2, 3]]))
    assert "labels most often confused" in text
    assert all(name in text for name in long)


def test_the_balance_of_many_labels_shows_both_ends() -> None:
    balance = {f"label {i}": i / 11175 for i in range(150)}
    split = SplitReport("topic", "train", "t.csv", 100, [], 0, {}, balance, (3, 4, 5), 0)
    text = check_text(Report([split], [], {}))
    assert "label 149 1.3%" in text
    assert "... 144 more ..." in text
    assert "1 of 150 labels have no row" in text
    assert "…" not in text
