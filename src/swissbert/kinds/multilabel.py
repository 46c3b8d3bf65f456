"""Multilabel classification: any number of several labels, none included."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import Array, Kind, Label
from swissbert.kinds.cells import cell_text, number_of
from swissbert.kinds.class_names import ALLOWED_SHOWN, class_number, other_spelling
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.label_lists import label_items, separator_of
from swissbert.kinds.label_names import names_in, sorted_names
from swissbert.kinds.logistic import logistic_answers
from swissbert.kinds.soft_answers import bernoulli_divergence, sigmoid, softened
from swissbert.wording import in_list, shortened

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task

UNKNOWN_SHOWN = 5
"""Undeclared labels of a row that a message lists."""


class Multilabel(Kind):
    """A sigmoid for each label with binary cross-entropy, averaged over labels.

    Labels and decisions are rows of 0 and 1, one number per label. A probability from 0.5 assigns a label: heads shift
    their logits by thresholds fitted on train rows (see `swissbert.model.heads.linear`).
    """

    name = "multilabel"
    losses = ("binary_cross_entropy",)
    fits_threshold = takes_threshold = True
    error_name = "Hamming loss"
    takes_class_weights = True

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """The different names in all rows, sorted."""
        return {
            "labels": sorted_names(names_in(item for cell in cells for item in label_items([], cell, task.separator)))
        }

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
        """A list of label names or numbers, a list as text, or names with a separator between.

        An empty list assigns no label. An empty text cell never gets here: it counts as a missing label.
        """
        items = label_items(task.labels, cell, task.separator)
        _check_items(task, cell, items)
        classes = {class_number(task.labels, item, is_item=True) for item in items}
        numbers = [item for item in items if number_of(cell_text(item)) is not None and item not in task.labels]
        if numbers and len(numbers) == len(items):
            is_vector = len(items) == len(task.labels) == 2 and classes == {0, 1}
            if len(classes) < len(items) or is_vector:
                wrong = "may be two numbers or a 0 and a 1" if is_vector else "names a number twice"
                raise ValueError(
                    f"label {str(cell)[:40]!r} {wrong}; a list of names or numbers is expected, not a 0 or 1 per label"
                )
        return tuple(float(number in classes) for number in range(len(task.labels)))

    def spellings(self, task: "Task", cell: object) -> tuple[tuple[str, str], ...]:
        """The items that are not declared names or numbers."""
        items = label_items(task.labels, cell, task.separator)
        return tuple(pair for pair in (other_spelling(task.labels, item) for item in items) if pair)

    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Binary cross-entropy, mean over rows and labels."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits, labels)

    def row_losses(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Binary cross-entropy of each label of each row, ``[B, C]``."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def soft_labels(self, task: "Task", labels: Array) -> Array:
        """The labels: a probability for each, ``[B, C]``."""
        return labels.astype(np.float32)

    def soft_answers(self, task: "Task", answers: Array, temperature: float) -> Array:
        """A probability for each label, ``[B, C]``."""
        return softened(np.stack([1 - answers, answers], axis=-1), temperature)[..., 1].astype(np.float32)

    def class_weights(self, task: "Task", labels: Array) -> Array | None:
        """Weights of the rows that have a label, ``[C]``; ``balanced`` is the number of rows without it over those with it."""
        if task.class_weights != "balanced":
            return super().class_weights(task, labels)
        positive = labels.sum(0)
        negative = len(labels) - positive
        return np.where((positive > 0) & (negative > 0), negative / np.maximum(positive, 1), 1.0)

    def weights(self, task: "Task", labels: Array, factors: Array | None, rows: Array | None) -> Array:
        """A weight for each label of each row, ``[B, C]``: its factor where the row has it, else 1."""
        cells = np.ones(labels.shape) if factors is None else np.where(labels > 0.5, factors, 1.0)
        return cells if rows is None else cells * rows[:, None]

    def divergence(self, task: "Task", logits: "Tensor", others: "Tensor") -> "Tensor":
        """Symmetric Kullback-Leibler divergence of the probabilities of each label, the mean over rows and labels."""
        return bernoulli_divergence(logits, others).mean()

    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """A probability for each label, ``[B, C]``; they need not add up to 1."""
        return logits.sigmoid()

    def plain_answers(self, task: "Task", logits: Array) -> Array:
        """A probability for each label, ``[B, C]``."""
        return sigmoid(logits)

    def decide(self, answers: Array) -> Array:
        """1 where a probability is at least 0.5, int64 ``[N, C]``."""
        decisions: Array = (answers >= 0.5).astype(np.int64)
        return decisions

    def answer(self, task: "Task", answer: Array) -> Answer:
        """Numbers and names of the assigned labels, and all probabilities rounded to five digits."""
        return self.answer_at(task, answer, 0.5)

    def answer_at(self, task: "Task", answer: Array, threshold: float) -> Answer:
        """The labels whose probability reaches the threshold; probabilities are unchanged."""
        numbers = [int(number) for number in np.flatnonzero(answer >= threshold)]
        names = [task.labels[number] for number in numbers]
        return Answer(probabilities=[round(float(p), 5) for p in answer], labels=numbers, label_names=names)

    def error(self, labels: Array, decisions: Array) -> Array:
        """Share of labels that are wrongly assigned or wrongly missing (Hamming loss of the row)."""
        share: Array = (labels.astype(int) != decisions.astype(int)).mean(1)
        return share

    def severity(self, task: "Task", labels: Array, answers: Array) -> Array:
        """Mean over labels of the probability of what is wrong."""
        distance: Array = np.abs(answers.astype(float) - labels).mean(1)
        return distance

    def severity_rule(self, task: "Task") -> str:
        """Say how wrong labels count."""
        return "the probability that the model gives to what is wrong, averaged over labels"

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
        return ", ".join(in_list(task.labels[number]) for number in np.flatnonzero(decision)) or "none"

    def in_file(self, decision: Array) -> str:
        """Numbers of the assigned labels with spaces between."""
        return " ".join(str(number) for number in np.flatnonzero(decision))

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """The head as it is; the pipeline puts a sigmoid on each logit."""
        note = "the probability of one label: every label with s >= 0.5 is assigned."
        return HFHead(weight, bias, task.labels, "multi_label_classification", note)


def _check_items(task: "Task", cell: object, items: Sequence[object]) -> None:
    """Check that all labels of a row are declared.

    Raises:
        ValueError: Names those that are not.
    """
    unknown: list[str] = []
    first: ValueError | None = None
    for item in items:
        try:
            class_number(task.labels, item, is_item=True)
        except ValueError as error:
            first = first or error
            unknown.append(cell_text(item)[:40])
    if first is None:
        return
    mark = separator_of(task.labels, unknown[0])
    if mark and isinstance(cell, str):
        raise ValueError(
            f"label {cell[:40]!r} is several labels; separator = {json.dumps(mark)} in the task splits them"
        )
    if len(unknown) == 1:
        raise first
    names = shortened([repr(name) for name in unknown], UNKNOWN_SHOWN)
    raise ValueError(f"labels {names} are not among {shortened([*map(in_list, task.labels)], ALLOWED_SHOWN)}")
