"""Rows of answers on a terminal: columns that fit scores and wide characters."""

from rich.cells import cell_len

from swissbert.cli.answers import RowLines
from swissbert.data.rows import Row
from swissbert.inference.input_rows import InputRow
from swissbert.inference.stream import Answered
from swissbert.kinds import Answer
from swissbert.tasks import Task

PRICE = {"name": "eur", "kind": "regression", "columns": {"text": "text", "label": "label"}}
MOOD = {**PRICE, "name": "mood", "kind": "classification", "labels": ["良い感じです", "悪い"]}


def line_of(task: Task, answer: Answer) -> tuple[str, str]:
    lines = RowLines([task], 80)
    row = InputRow(1, None, {"text": "a text"}, (Row(1, "1", "a text", None, None),))
    return lines.head(), lines.lines(Answered(row, {task.name: answer}, {}))


def test_scores_of_a_wide_range_are_whole() -> None:
    head, line = line_of(Task.model_validate({**PRICE, "range": (-1000, 523.4)}), Answer(score=-523.4))
    assert line == "1       -523.40   a text"
    assert head.index("text") == line.index("a text")


def test_labels_of_wide_characters_are_whole() -> None:
    head, line = line_of(
        Task.model_validate(MOOD), Answer(label=0, label_name="良い感じです", probabilities=[0.9, 0.1])
    )
    assert "良い感じです  90%" in line
    assert cell_len(head.partition("text")[0]) == cell_len(line.partition("a text")[0])
