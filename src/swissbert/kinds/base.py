"""The base class of kinds of task.

A kind holds everything that differs between, say, a classification and a regression: what a declaration must contain,
how a cell becomes a label, which losses and metrics fit, and how the numbers of a head become a decision and an answer.
Code outside `swissbert.kinds` does not ask which kind a task is of; only the cosine head does, which is defined for two kinds.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swissbert.kinds.answer import Answer
from swissbert.metrics import metrics_of

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task

Array = NDArray[Any]
Label = float | tuple[float, ...]
"""A parsed label: a class number, 0 or 1, a score, or one 0 or 1 for each label of a multilabel task."""


SEPARATORS = ("|", ";", ",")
"""What may separate several labels in a text cell, in the order that it is tried."""

LABELS_SHOWN = 8
"""Number of labels that a line about a declaration names."""


@dataclass(frozen=True)
class HFHead:
    """A head as ``transformers.AutoModelForSequenceClassification`` has it.

    Attributes:
        weight: Weight of the linear layer, ``[outputs, H]``.
        bias: Bias of the linear layer, ``[outputs]``.
        labels: Name of each output.
        problem_type: The ``problem_type`` of the transformers configuration. The pipeline of transformers puts a
            softmax on ``single_label_classification`` and a sigmoid on ``multi_label_classification``.
        note: A sentence on how the pipeline's scores relate to swissBERT's answers, where they differ.
    """

    weight: "Tensor"
    bias: "Tensor"
    labels: list[str]
    problem_type: str
    note: str = ""


class Kind(ABC):
    """What one kind of task decides. Instances hold no state; one instance per kind is in `swissbert.kinds.KINDS`.

    Shapes below: ``N`` rows, ``B`` rows of a batch, ``C`` labels of the task. *Answers* are what a model returns
    (probabilities or scores), *decisions* what is compared with labels (class numbers, 0/1 per label, or scores).
    """

    name: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]
    """Allowed values of a task's ``loss``."""
    has_labels: ClassVar[bool] = True
    """Whether a declaration has ``labels`` (else a ``range``)."""
    fits_threshold: ClassVar[bool] = False
    """Whether heads fit a decision threshold for each output on train rows."""
    error_is_share: ClassVar[bool] = True
    """Whether `error` is a share from 0 to 1 (else it is in units of the label)."""
    error_name: ClassVar[str] = "error rate"
    """What the mean of `error` is called in reports."""

    def __eq__(self, other: object) -> bool:
        """Kinds are equal if they are of the same class, so that copied or unpickled tasks stay equal."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Hash by class."""
        return hash(type(self))

    def __repr__(self) -> str:
        """Return the kind's name."""
        return self.name

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that fit, in the order of `swissbert.metrics.METRICS`."""
        return metrics_of(self.name)

    def check(self, task: "Task") -> None:
        """Check the declaration of a task.

        Raises:
            ValueError: If `labels`, `range`, `loss` or `metric` do not fit; names the key and what is allowed.
        """
        if task.loss not in self.losses:
            raise ValueError(f"loss is '{task.loss}', but a {self.name} task takes {' or '.join(self.losses)}")
        if task.metric not in self.metrics:
            raise ValueError(f"metric is '{task.metric}', but a {self.name} task takes {' or '.join(self.metrics)}")
        if self.has_labels:
            if task.range is not None:
                raise ValueError(f"a {self.name} task has labels and no range")
            if task.labels:  # else they are taken from the train rows
                self._check_labels(task.labels)

    def is_complete(self, task: "Task") -> bool:
        """Whether a declaration has what `infer` would add."""
        return bool(task.labels)

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """Return the ``labels`` or ``range`` of a declaration that leaves them out.

        Args:
            task: The declaration.
            cells: Label cells of all train rows that have one.

        Raises:
            ValueError: If they do not determine it; says why.
        """
        raise ValueError(f"a {self.name} task declares its labels or range; they are not taken from rows")

    def declared_in_words(self, task: "Task") -> str:
        """Word the labels or the range of a complete declaration for a person."""
        names = ", ".join(task.labels[:LABELS_SHOWN]) + (", ..." if len(task.labels) > LABELS_SHOWN else "")
        return f"{len(task.labels)} labels: {names}"

    def _check_labels(self, labels: Sequence[str]) -> None:
        if len(labels) < 2:
            raise ValueError("labels needs at least 2 names")
        if len(set(labels)) != len(labels) or any(not name or name != name.strip() for name in labels):
            raise ValueError("labels must be different, not empty and without space around them")

    @abstractmethod
    def outputs(self, task: "Task") -> int:
        """Return the width of the head's last layer."""

    def label_shape(self, task: "Task") -> tuple[int, ...]:
        """Return the shape of one label: ``()``, or ``(C,)`` for several labels per row."""
        return ()

    @abstractmethod
    def answer_shape(self, task: "Task") -> tuple[int, ...]:
        """Return the shape of one answer: ``()`` for a score, ``(C,)`` for probabilities."""

    def answer_span(self, task: "Task") -> float:
        """Return the width of the interval that answers lie in: 1 for probabilities."""
        return 1.0

    @abstractmethod
    def parse(self, task: "Task", cell: object) -> Label:
        """Turn a cell of a data file into a label.

        Raises:
            ValueError: If the cell is not a label of this task; names the value and what is allowed.
        """

    @abstractmethod
    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the mean loss, a scalar.

        Args:
            task: The task.
            logits: fp32 ``[B, outputs]``.
            labels: fp32 ``[B]``, or ``[B, C]`` for several labels per row.
        """

    @abstractmethod
    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """Turn logits ``[B, outputs]`` into answers: probabilities ``[B, C]`` or scores ``[B]``."""

    @abstractmethod
    def decide(self, answers: Array) -> Array:
        """Turn answers ``[N, C]`` or ``[N]`` into decisions, which have the shape of labels."""

    @abstractmethod
    def answer(self, task: "Task", answer: Array) -> Answer:
        """Turn the answer to one row, ``[C]`` or a scalar, into an `Answer`."""

    @abstractmethod
    def error(self, labels: Array, decisions: Array) -> Array:
        """Return how wrong each row is, float ``[N]``; 0 is right. See `error_is_share`."""

    @abstractmethod
    def baseline(self, task: "Task", labels: Array) -> Array | None:
        """Return the best constant answers ``[N, C]`` or ``[N]`` for these labels: what chance gives.

        None where a constant answer has no score, as for correlations.
        """

    def linear_answers(self, task: "Task", features: Any, labels: Array, others: Any) -> Array | None:
        """Fit a linear model and return its answers to other rows; None where there is none, or nothing to fit.

        Args:
            task: The task.
            features: Features of N train rows, ``[N, F]``, a matrix or a sparse matrix.
            labels: Their labels ``[N]`` or ``[N, C]``.
            others: Features of M other rows, ``[M, F]``.
        """
        return None

    def confusion(self, task: "Task", labels: Array, decisions: Array) -> list[list[int]] | None:
        """Count rows by ``[true label][predicted label]``; None where rows have no single label."""
        return None

    def one_hot(self, task: "Task", labels: Array) -> Array | None:
        """Return which labels each row has, bool ``[N, C]``, for labels or decisions; None for scores."""
        return None

    def confidence(self, answers: Array) -> Array | None:
        """Return how sure each answer is, 0 to 1, float ``[N]``; None for scores."""
        return None

    @abstractmethod
    def groups(self, task: "Task", bins: int = 10) -> list[str]:
        """Return the names of the groups that labels are counted by: label names, or equal bins of the range."""

    @abstractmethod
    def group_counts(self, task: "Task", labels: Sequence[Label], bins: int = 10) -> Array:
        """Count labels by group, int64 ``[len(groups)]``. A row with several labels counts once for each."""

    def in_words(self, task: "Task", decision: Array) -> str:
        """Word one label or decision for a person."""
        return task.labels[int(decision)]

    def in_file(self, decision: Array) -> str:
        """Format one decision for the course's prediction files."""
        return str(int(decision))

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """Express a linear head as transformers' sequence classifiers have it, or say in a clause why it cannot be.

        Args:
            task: The task.
            weight: fp32 ``[outputs, H]``.
            bias: fp32 ``[outputs]``.
        """
        return f"transformers has no classifier for a {self.name} task"


def parse_class(labels: Sequence[str], cell: object) -> int:
    """Turn a cell into a class number: by name, or by number where no name looks like a number.

    Raises:
        ValueError: If it is neither; names the value and what is allowed.
    """
    text = str(cell).strip()
    if text in labels:
        return labels.index(text)
    numbered = not any(_is_number(name) for name in labels)
    if numbered and _is_number(text) and float(text) in range(len(labels)):
        return int(float(text))
    if _is_several(labels, cell):
        raise ValueError(f"label {text[:40]!r} is several labels, which a task of kind 'multilabel' takes")
    allowed = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    number = f" or 0 to {len(labels) - 1}" if numbered else ""
    raise ValueError(f"label {text[:40]!r} is not one of {allowed}{number}")


def count_classes(labels: Array, decisions: Array, classes: int) -> list[list[int]]:
    """Count rows by ``[true class][predicted class]``; both arguments are class numbers ``[N]``."""
    cells = labels.astype(int) * classes + decisions.astype(int)
    table: list[list[int]] = np.bincount(cells, minlength=classes**2).reshape(classes, classes).tolist()
    return table


def logistic_answers(features: Any, labels: Array, others: Any, classes: int) -> Array | None:
    """Fit a logistic regression and return probabilities of other rows, ``[M, classes]``.

    Returns None if only one class occurs in `labels` ``[N]``, class numbers.
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return None
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, labels.astype(int))
    answers = np.zeros((others.shape[0], classes))
    answers[:, model.classes_] = model.predict_proba(others)
    return answers


def _is_several(labels: Sequence[str], cell: object) -> bool:
    """Whether a cell that is not a label is several known labels with a separator between."""
    parts = ([part.strip() for part in str(cell).split(separator)] for separator in SEPARATORS)
    return any(len(names) > 1 and all(name in labels for name in names) for names in parts)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
