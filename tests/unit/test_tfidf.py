"""The baseline of TF-IDF with a linear model."""

from pathlib import Path
from typing import Any

import pytest

from swissbert.data.dataset import load_split
from swissbert.data.memory import MemoryRows
from swissbert.data.tokens import Tokenizer
from swissbert.evaluation import tfidf_scores
from swissbert.tasks import Split, Task, make_task

SIDES: tuple[Split, ...] = ("train", "dev")
WORDS = {"good": ["good", "great", "fine"], "bad": ["bad", "awful", "dull"]}


def rows(label: Any) -> list[dict[str, Any]]:
    """Rows whose label follows from one word."""
    return [
        {"text": f"the {noun} is {word} {end}", "other": f"a {noun}", "label": label(mood)}
        for noun in ("film", "movie", "plot", "dog")
        for mood, words in WORDS.items()
        for word in words
        for end in ".!"
    ]


def declared(kind: str, pair: bool = False, **keys: Any) -> Task:
    columns = {"text": "text", "label": "label", **({"text_pair": "other"} if pair else {})}
    return make_task({"name": "mood", "kind": kind, "columns": columns, **keys}, "here")


CASES = [
    (declared("classification", labels=["bad", "good"]), lambda mood: mood, "accuracy"),
    (declared("binary", labels=["bad", "good"]), lambda mood: mood, "accuracy"),
    (declared("binary", pair=True, labels=["bad", "good"]), lambda mood: mood, "accuracy"),
    (declared("regression", range=[-3, 3]), lambda mood: 3 if mood == "good" else -3, "pearson"),
    (declared("multilabel", labels=["bad", "good"]), lambda mood: [mood], "micro_f1"),
]


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("task", "label", "metric"), CASES)
def test_it_learns_what_single_words_tell(tiny: Path, task: Task, label: Any, metric: str, separate: bool) -> None:
    source = MemoryRows(rows(label), rows(label))
    train, dev = (
        load_split(task, split, source, Tokenizer(tiny), separate=separate and task.is_pair, max_length=64)
        for split in SIDES
    )
    scores = tfidf_scores(train, dev)
    assert scores is not None
    assert scores[metric] > 0.95


def test_one_label_alone_teaches_nothing(tiny: Path) -> None:
    source = MemoryRows(rows(lambda mood: "good"), rows(lambda mood: mood))
    task = CASES[0][0]
    train, dev = (load_split(task, split, source, Tokenizer(tiny), separate=False, max_length=64) for split in SIDES)
    assert tfidf_scores(train, dev) is None
