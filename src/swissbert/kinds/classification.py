"""Classification: exactly one of several labels (paper, Section 4.1)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import Array, Kind, Label
from swissbert.kinds.class_names import class_number, other_spelling
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.label_names import names_in, sorted_names
from swissbert.kinds.logistic import logistic_answers
from swissbert.kinds.ordinal_targets import ordinal_targets
from swissbert.kinds.soft_answers import softened

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task


class Classification(Kind):
    """Softmax over ``labels`` with cross-entropy. Labels and decisions are class numbers."""

    name = "classification"
    losses = ("cross_entropy",)
    takes_class_weights = True
    takes_smoothing = True
    takes_ordinal_smoothing = True

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """The different names, sorted."""
        return {"labels": sorted_names(names_in(cells))}

    def outputs(self, task: "Task") -> int:
        """One logit per label."""
        return len(task.labels)

    def answer_shape(self, task: "Task") -> tuple[int, ...]:
        """A probability per label."""
        return (len(task.labels),)

    def parse(self, task: "Task", cell: object) -> Label:
        """A label's name or number, or a word for yes or no; see `swissbert.kinds.class_names.class_number`."""
        return float(class_number(task.labels, cell))

    def spellings(self, task: "Task", cell: object) -> tuple[tuple[str, str], ...]:
        """The cell, if it is not the declared name or a number."""
        pair = other_spelling(task.labels, cell)
        return (pair,) if pair else ()

    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Cross-entropy, with ``label_smoothing`` as in torch or ``ordinal_smoothing``.

        Labels may also be probabilities of the classes ``[B, C]``.
        """
        import torch.nn.functional as F

        return F.cross_entropy(logits, _targets(task, labels), label_smoothing=task.label_smoothing)

    def row_losses(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Cross-entropy of each row, ``[B]``."""
        import torch.nn.functional as F

        return F.cross_entropy(logits, _targets(task, labels), reduction="none", label_smoothing=task.label_smoothing)

    def divergence(self, task: "Task", logits: "Tensor", others: "Tensor") -> "Tensor":
        """Symmetric Kullback-Leibler divergence of both distributions, KL(p, q) + KL(q, p), the mean over rows."""
        p, q = logits.log_softmax(-1), others.log_softmax(-1)
        return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean()

    def soft_labels(self, task: "Task", labels: Array) -> Array:
        """Probabilities of the classes, ``[B, C]``: 1 for the label."""
        missing = np.isnan(labels)
        rows: Array = np.eye(len(task.labels), dtype=np.float32)[np.where(missing, 0, labels).astype(int)]
        rows[missing] = np.nan
        return rows

    def soft_answers(self, task: "Task", answers: Array, temperature: float) -> Array:
        """Probabilities of the classes, ``[B, C]``."""
        return softened(answers, temperature).astype(np.float32)

    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """Softmax, ``[B, C]``."""
        return logits.softmax(-1)

    def plain_answers(self, task: "Task", logits: Array) -> Array:
        """Softmax, ``[B, C]``."""
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities: Array = powers / powers.sum(-1, keepdims=True)
        return probabilities

    def decide(self, answers: Array) -> Array:
        """The most probable class, int64 ``[N]``."""
        decisions: Array = answers.argmax(1)
        return decisions

    def answer(self, task: "Task", answer: Array) -> Answer:
        """Class, its name and all probabilities, rounded to five digits."""
        label = int(answer.argmax())
        return Answer(label, task.labels[label], [round(float(p), 5) for p in answer])

    def error(self, labels: Array, decisions: Array) -> Array:
        """1 for a wrong class, 0 for the right one."""
        wrong: Array = (labels.astype(int) != decisions.astype(int)).astype(float)
        return wrong

    def severity(self, task: "Task", labels: Array, answers: Array) -> Array:
        """Probability of all wrong classes; where classes are a scale, each times its distance from the right one."""
        severity: Array = np.zeros(len(labels))
        for number in range(answers.shape[1]):
            same = np.full(len(labels), number)
            far = np.abs(labels - number) if is_scale(task) else self.error(labels, same)
            severity += answers[:, number] * far
        return severity

    def severity_rule(self, task: "Task") -> str:
        """Say how wrong classes count."""
        if is_scale(task):
            return "the distance of each class from the right one, in the order of the labels, times its probability"
        return "the probability that the model gives to wrong labels"

    def baseline(self, task: "Task", labels: Array) -> Array | None:
        """Always the most frequent class."""
        counts = np.bincount(labels.astype(int))
        return np.eye(len(task.labels))[np.full(len(labels), counts.argmax())]

    def linear_answers(self, task: "Task", features: Any, labels: Array, others: Any) -> Array | None:
        """Logistic regression."""
        return logistic_answers(features, labels, others, len(task.labels))

    def confusion(self, task: "Task", labels: Array, decisions: Array) -> list[list[int]] | None:
        """Count rows by true and predicted class."""
        return count_classes(labels, decisions, len(task.labels))

    def one_hot(self, task: "Task", labels: Array) -> Array | None:
        """True in the column of each row's class."""
        columns: Array = labels.astype(int)[:, None] == np.arange(len(task.labels))
        return columns

    def confidence(self, answers: Array) -> Array | None:
        """Probability of the predicted class."""
        highest: Array = answers.max(1)
        return highest

    def groups(self, task: "Task", bins: int = 10) -> list[str]:
        """The labels."""
        return task.labels

    def group_counts(self, task: "Task", labels: Sequence[Label], bins: int = 10) -> Array:
        """Rows of each label."""
        return np.bincount(np.array(labels, int), minlength=len(task.labels))

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """The head as it is."""
        return HFHead(weight, bias, task.labels, "single_label_classification")


def _targets(task: "Task", labels: "Tensor") -> "Tensor":
    """Return class numbers ``[B]`` as integers, and probabilities of the classes ``[B, C]`` as they are.

    With ``ordinal_smoothing`` both become distributions ``[B, C]``: each class gives its probability to its neighbours too.
    """
    if task.ordinal_smoothing:
        return ordinal_targets(labels, len(task.labels), task.ordinal_smoothing)
    return labels if labels.dim() == 2 else labels.long()


def count_classes(labels: Array, decisions: Array, classes: int) -> list[list[int]]:
    """Count rows by ``[true class][predicted class]``; both arguments are class numbers ``[N]``."""
    cells = labels.astype(int) * classes + decisions.astype(int)
    table: list[list[int]] = np.bincount(cells, minlength=classes**2).reshape(classes, classes).tolist()
    return table


def is_scale(task: "Task") -> bool:
    """Return whether the labels of a task are an order, such as grades.

    They are if the task says so by ``ordinal_smoothing``, if they are ascending numbers, or if they lead from 'negative' to
    'positive' over others.
    """
    labels = task.labels
    if task.ordinal_smoothing:
        return True
    if len(labels) < 3:
        return False
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return (labels[0], labels[-1]) == ("negative", "positive")
    return numbers == sorted(numbers)
