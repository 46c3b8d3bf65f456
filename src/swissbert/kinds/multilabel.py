"""Multilabel classification: any number of several labels, none included."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import SEPARATORS, Array, HFHead, Kind, Label, logistic_answers, parse_class
from swissbert.kinds.label_names import names_in, sorted_names

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task


class Multilabel(Kind):
    """A sigmoid for each label with binary cross-entropy, averaged over labels.

    Labels and decisions are rows of 0 and 1, one number per label. A probability from 0.5 assigns a label: heads shift
    their logits by thresholds fitted on train rows (see `swissbert.model.heads.linear`).
    """

    name = "multilabel"
    losses = ("binary_cross_entropy",)
    fits_threshold = True
    error_name = "Hamming loss"

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """The different names in all rows, sorted."""
        return {"labels": sorted_names(names_in(item for cell in cells for item in self._items(task, cell)))}

    def outputs(self, task: "Task") -> int:
        """One logit per label."""
        return len(task.labels)

    def label_shape(self, task: "Task") -> tuple[int, ...]:
        """A 0 or 1 per label."""
        return (len(task.labels),)

    def answer_shape(self, task: "Task") -> tuple[int, ...]:
        """A probability per label."""
        return (len(task.labels),)

    def parse(self, task: "Task", cell: object) -> Label:
        """A list of label names or numbers, a JSON list as text, or names with a separator between.

        An empty list assigns no label. An empty text cell never gets here: it counts as a missing label.
        """
        items = self._items(task, cell)
        classes = {parse_class(task.labels, item) for item in items}
        if len(classes) < len(items) and not any(isinstance(item, str) for item in items):
            raise ValueError(
                f"label {str(cell)[:40]!r} names a number twice; a list of names or numbers is expected, not a 0 or 1 per label"
            )
        return tuple(float(number in classes) for number in range(len(task.labels)))

    def _items(self, task: "Task", cell: object) -> Sequence[object]:
        if isinstance(cell, list | tuple | set | frozenset | np.ndarray):
            return list(cell)
        text = str(cell).strip()
        if text.startswith("["):
            try:
                items = json.loads(text)
            except (ValueError, RecursionError):
                items = None
            if isinstance(items, list):
                return items
        if task.separator:
            return [part for part in (part.strip() for part in text.split(task.separator)) if part]
        if text in task.labels:
            return [text]
        for separator in SEPARATORS:
            if separator in text:
                return [part for part in (part.strip() for part in text.split(separator)) if part]
        return [text]

    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Binary cross-entropy, mean over rows and labels."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits, labels)

    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """A probability for each label, ``[B, C]``; they need not add up to 1."""
        return logits.sigmoid()

    def decide(self, answers: Array) -> Array:
        """1 where a probability is at least 0.5, int64 ``[N, C]``."""
        decisions: Array = (answers >= 0.5).astype(np.int64)
        return decisions

    def answer(self, task: "Task", answer: Array) -> Answer:
        """Numbers and names of the assigned labels, and all probabilities rounded to five digits."""
        numbers = [int(number) for number in np.flatnonzero(answer >= 0.5)]
        names = [task.labels[number] for number in numbers]
        return Answer(probabilities=[round(float(p), 5) for p in answer], labels=numbers, label_names=names)

    def error(self, labels: Array, decisions: Array) -> Array:
        """Share of labels that are wrongly assigned or wrongly missing (Hamming loss of the row)."""
        share: Array = (labels.astype(int) != decisions.astype(int)).mean(1)
        return share

    def baseline(self, task: "Task", labels: Array) -> Array | None:
        """The labels that at least half of the rows have; the most frequent one if none is that frequent."""
        share = labels.mean(0)
        assigned = share >= 0.5
        if not assigned.any():
            assigned[share.argmax()] = True
        return np.tile(assigned.astype(float), (len(labels), 1))

    def linear_answers(self, task: "Task", features: Any, labels: Array, others: Any) -> Array | None:
        """Logistic regression for each label; the share of rows with it where that is 0 or 1."""
        answers = np.tile(labels.mean(0), (others.shape[0], 1))
        for number in range(len(task.labels)):
            probabilities = logistic_answers(features, labels[:, number], others, 2)
            if probabilities is not None:
                answers[:, number] = probabilities[:, 1]
        return answers

    def groups(self, task: "Task", bins: int = 10) -> list[str]:
        """The labels."""
        return task.labels

    def group_counts(self, task: "Task", labels: Sequence[Label], bins: int = 10) -> Array:
        """Rows that have each label."""
        counts: Array = np.array(labels, int).reshape(-1, len(task.labels)).sum(0)
        return counts

    def one_hot(self, task: "Task", labels: Array) -> Array | None:
        """The labels themselves."""
        assigned: Array = labels.astype(int) > 0
        return assigned

    def confidence(self, answers: Array) -> Array | None:
        """Mean over labels of the probability of what was decided."""
        sure: Array = np.maximum(answers, 1 - answers).mean(1)
        return sure

    def in_words(self, task: "Task", decision: Array) -> str:
        """Names of the assigned labels, or "none"."""
        return ", ".join(task.labels[number] for number in np.flatnonzero(decision)) or "none"

    def in_file(self, decision: Array) -> str:
        """Numbers of the assigned labels with spaces between."""
        return " ".join(str(number) for number in np.flatnonzero(decision))

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """The head as it is; the pipeline puts a sigmoid on each logit."""
        note = "the probability of one label: every label with s >= 0.5 is assigned."
        return HFHead(weight, bias, task.labels, "multi_label_classification", note)
