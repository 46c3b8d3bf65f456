"""What the page says about a model: its name, words for its tasks, what it is not for, and examples."""

import os
from itertools import islice
from pathlib import Path

import numpy as np

from swissbert.data.rows import Row, labels_of, text_size
from swissbert.data.splits import Reading
from swissbert.errors import SwissbertError
from swissbert.inference.model import Model
from swissbert.kinds import Label
from swissbert.model_folder.hub import is_hub_id
from swissbert.model_folder.layout import BEST_MODEL
from swissbert.serving.schemas import MAX_CHARACTERS, ExampleShape
from swissbert.task_words import WORDS
from swissbert.tasks import Task, find_task, shipped_tasks

ROWS = 256
"""First dev rows of a task, the shortest of which are candidates for its examples."""
CANDIDATES = 64
"""Candidates, which are answered when the server starts."""
PER_TASK = 4
"""Examples of a task that are drawn from dev rows."""


def worded(task: Task) -> Task:
    """Return a task with the words of the shipped declaration where it has none of its own: folders of earlier releases have none."""
    if task.title or task.name not in shipped_tasks():
        return task
    shipped = find_task(task.name)
    same = all(getattr(task, key) == getattr(shipped, key) for key in ("kind", "labels", "range", "is_pair"))
    return task.model_copy(update={key: getattr(shipped, key) for key in WORDS}) if same else task


def public_name(name: str | Path) -> str:
    """Return the name of a model without the folders above it: a hub id, or the name of the folder or run."""
    text = str(name)
    if not os.path.exists(text) and is_hub_id(text.partition("@")[0]):
        return text
    path = Path(os.path.abspath(text))
    return path.parent.name if path.name == Path(BEST_MODEL).name and path.parent.name else path.name


def not_for(model: Model) -> list[str]:
    """Return sentences about what the model is not for."""
    encoder = model.description.encoder
    scored = any(f"{task.name}.{task.metric}" in model.description.scores for task in model.tasks.values())
    rows = "the scores hold for the dev rows of its tasks only" if scored else "no score says how good they are"
    sentences = [
        f"Kinds of text that it was not trained on: they get answers too, but {rows}.",
        f"Texts of more than {encoder.max_length} tokens, some {encoder.max_length * 3 // 4} words: the rest is not read.",
        "Decisions about people without a person who checks them.",
    ]
    return (["Languages other than English."] if encoder.name == "minilm" else []) + sentences


def declared_examples(model: Model) -> list[ExampleShape]:
    """Return the examples that the tasks of a model declare."""
    return [
        ExampleShape(
            task=task.name,
            text=example.text,
            text_pair=example.text_pair,
            label=_label_text(task, None if example.label is None else task.parse_label(example.label)),
            is_row=False,
        )
        for task in map(worded, model.tasks.values())
        for example in task.examples
    ]


def drawn_examples(model: Model, directory: Path | None) -> list[ExampleShape]:
    """Draw examples from the dev rows of every task: short ones with different labels, the first of which is answered best.

    Args:
        model: The model.
        directory: Directory with the tasks' files.

    Raises:
        SwissbertError: If the rows of a task cannot be read, or none of its texts is short enough for a request.
    """
    return [
        ExampleShape(
            task=task.name,
            text=row.text,
            text_pair=row.text_pair,
            label=_label_text(task, row.label),
            is_row=True,
        )
        for task in model.tasks.values()
        for row in _drawn_rows(model, task, directory)
    ]


def _drawn_rows(model: Model, task: Task, directory: Path | None) -> list[Row]:
    """Return up to `PER_TASK` dev rows of a task, whatever the model answers to all but the first."""
    reading = Reading(task, "dev", directory)
    rows = [row for row in islice(reading, ROWS) if max(len(row.text), len(row.text_pair or "")) <= MAX_CHARACTERS]
    if not rows:
        raise SwissbertError(
            f"{reading.source}: no dev row of task '{task.name}' has at most {MAX_CHARACTERS:,} characters"
        )
    rows = sorted(rows, key=text_size)[:CANDIDATES]
    labels = labels_of(rows, task.kind.label_shape(task))
    errors = task.kind.error(labels, task.kind.decide(model.answer_rows(task, rows)))
    order = [int(np.argmin(errors)), *range(len(rows))]
    by_group: dict[int, Row] = {}
    for row in (rows[number] for number in order):
        group = int(np.argmax(task.kind.group_counts(task, [row.label], PER_TASK))) if row.label is not None else -1
        by_group.setdefault(group, row)
    return list(by_group.values())[:PER_TASK]


def _label_text(task: Task, label: Label | None) -> str | None:
    return None if label is None else task.kind.in_words(task, np.array(label))
