"""Scores of a model on labelled rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from swissbert.data.batches import batches_by_tokens, pack
from swissbert.data.cs224n import write_submission
from swissbert.data.dataset import TaskData, load_split, tokenize
from swissbert.data.reader import BadRow, find_split_file, read_split
from swissbert.data.tokens import TokenTable
from swissbert.device import on_each_core
from swissbert.errors import SwissbertError
from swissbert.heads import CosineHead
from swissbert.metrics import confusion, decisions, intervals, overall, scores
from swissbert.model import MultitaskModel, cosine_answers
from swissbert.model_folder import Trained
from swissbert.tasks import Split, Task

TOKEN_BUDGET = 2048
"""Tokens of one batch where nothing is learned: enough to keep a processor busy, small enough for its caches."""
CORE_BUDGET = 1024
"""The same for one core."""


@dataclass(frozen=True)
class TaskScores:
    """Scores of one task, bad rows left out: metrics, on request with 95 % intervals and the confusion matrix ``[true][predicted]``."""

    metric: str
    rows: int
    bad_rows: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] | None = None
    confusion: list[list[int]] | None = None
    labels: list[str] | None = None

    @property
    def value(self) -> float:
        """The declared metric."""
        return self.metrics[self.metric]


@dataclass(frozen=True)
class Scores:
    """Scores of all tasks, and both overall scores."""

    tasks: dict[str, TaskScores]
    overall: float
    overall_normalised: float

    def by_name(self, name: str) -> float:
        """``overall``, ``overall_normalised`` or ``task.metric``."""
        if name in ("overall", "overall_normalised"):
            return float(getattr(self, name))
        task, metric = name.rsplit(".", 1)
        return self.tasks[task].metrics[metric]

    def flat(self) -> dict[str, float]:
        """Every figure under its dotted name."""
        figures = {f"{name}.{metric}": v for name, task in self.tasks.items() for metric, v in task.metrics.items()}
        return figures | {"overall": self.overall, "overall_normalised": self.overall_normalised}

    def as_json(self) -> dict[str, object]:
        """Plain dictionaries and lists."""
        return asdict(self)


def table_answers(model: MultitaskModel, task: Task, table: TokenTable) -> np.ndarray:
    """Answers for every row of a table, in its order, in fp32: probabilities ``[N, C]`` or scores ``[N]``."""
    return tables_answers(model, [task], table)[task.name]


def tables_answers(model: MultitaskModel, tasks: Sequence[Task], table: TokenTable) -> dict[str, np.ndarray]:
    """`table_answers` of several tasks that read rows alike, by task name; the encoder passes over each row once."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    batches = batches_by_tokens(table.lengths, CORE_BUDGET if device.type == "cpu" else TOKEN_BUDGET)

    def answers_of(rows: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            features = model.pool(pack(table, rows).to(device))
        return [model.answers_of(features, task.name).cpu().numpy() for task in tasks]

    try:
        found = on_each_core(answers_of, batches) if device.type == "cpu" else [answers_of(rows) for rows in batches]
    finally:
        model.train(was_training)
    back = np.argsort(np.concatenate(batches))  # from the order of batches to that of rows
    out = {task.name: np.concatenate([part[i] for part in found])[back] for i, task in enumerate(tasks)}
    for name, answers in out.items():
        if not np.isfinite(answers).all():
            raise SwissbertError(f"the model's answers for task '{name}' are no numbers; a smaller train.lr may help")
    return out


def evaluate(model: MultitaskModel, splits: Iterable[TaskData], *, full: bool = False) -> Scores:
    """Scores on labelled splits, one a task. `full` adds intervals (1000 resamples) and confusion matrices.

    A binary task with a cosine head has ``accuracy_at_0`` too, that of the fixed threshold beside the fitted one.
    """
    found: dict[str, TaskScores] = {}
    for data in splits:
        task = data.task
        answers = table_answers(model, task, data.table)
        metrics = scores(task.kind, data.labels, answers)
        head = model.head(task.name)
        if isinstance(head, CosineHead) and task.kind == "binary":
            fixed = cosine_answers(task, torch.zeros(1), head.threshold.cpu())[0, 1].item()
            metrics["accuracy_at_0"] = float(((answers[:, 1] >= fixed) == (data.labels > 0.5)).mean())
        classes = task.labels if full and task.kind != "regression" else None
        found[task.name] = TaskScores(
            task.metric,
            len(data),
            len(data.bad),
            metrics,
            intervals(task.kind, data.labels, answers) if full else None,
            confusion(data.labels, answers, len(classes)) if classes else None,
            classes,
        )
    return Scores(found, **overall({name: (s.metric, s.value) for name, s in found.items()}))


def load_rows(trained: Trained, task: Task, split: Split, directory: Path | None) -> TaskData:
    """One split of one task, tokenized as the model was trained. Raises SwissbertError as `load_split` does."""
    return load_split(task, split, directory, trained.tokenizer, **trained.reading(task))


def labelled_splits(trained: Trained, split: Split, directory: Path | None) -> Iterator[TaskData]:
    """A labelled split of every task of a model. Raises SwissbertError where rows lack labels."""
    for task in trained.description.tasks:
        data = load_rows(trained, task, split, directory)
        if np.isnan(data.labels).any():
            raise SwissbertError(
                f"{data.source}: the {split} rows of task '{task.name}' have no labels to score against"
            )
        yield data


def submission(trained: Trained, directory: Path | None, out: Path) -> Iterator[tuple[Path, int, list[BadRow]]]:
    """Write the course's files for dev and test rows of every task that has them: path, rows, and what was left out."""
    for task in trained.description.tasks:
        splits: list[Split] = ["dev", "test"]
        there = [s for s in splits if (task.hub and s in task.hub.splits) or find_split_file(task, s, directory)]
        for split in there or splits:  # with neither, loading says what is missing
            rows = read_split(task, split, directory)
            table = tokenize(trained.tokenizer, task, rows.rows, **trained.reading(task))
            answers = decisions(task.kind, table_answers(trained.model, task, table)).tolist()
            ids = [row.id for row in rows.rows]
            yield write_submission(out, task, split, zip(ids, answers, strict=True)), len(ids), rows.bad
