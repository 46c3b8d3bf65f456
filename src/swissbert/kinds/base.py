"""The base class of kinds of task.

A kind holds everything that differs between, say, a classification and a regression: what a declaration must contain,
how a cell becomes a label, which losses and metrics fit, and how the numbers of a head become a decision and an answer.
Code outside `swissbert.kinds` does not ask which kind a task is of; only the cosine head does, which is defined for two kinds.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swissbert.kinds.answer import Answer
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.weighting_checks import check_weighting
from swissbert.metrics import metrics_of
from swissbert.wording import in_list, shortened

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task

Array = NDArray[Any]
Label = float | tuple[float, ...]
"""A parsed label: a class number, 0 or 1, a score, or one 0 or 1 for each label of a multilabel task."""


DECLARED_SHOWN = 8
"""Labels that a line about a declaration names."""


class Kind(ABC):
    """Everything that depends on the kind of a task. Instances hold no state; one instance per kind is in `swissbert.kinds.KINDS`.

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
    takes_threshold: ClassVar[bool] = False
    """Whether `answer_at` can decide by a threshold of the caller."""
    error_is_share: ClassVar[bool] = True
    """Whether `error` is a share from 0 to 1 (else it is in units of the label)."""
    selection_metric: ClassVar[str | None] = None
    """Metric that chooses the best epoch of a run with one task, where that is not the declared one."""
    error_name: ClassVar[str] = "error rate"
    """Name of the mean of `error` in reports."""
    takes_class_weights: ClassVar[bool] = False
    """Whether a task may have ``class_weights``."""
    takes_smoothing: ClassVar[bool] = False
    """Whether a task may have ``label_smoothing``."""
    takes_ordinal_smoothing: ClassVar[bool] = False
    """Whether a task may have ``ordinal_smoothing``."""

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
        check_weighting(self, task)

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
        return f"{len(task.labels)} labels: {shortened([*map(in_list, task.labels)], DECLARED_SHOWN)}"

    def _check_labels(self, labels: Sequence[str]) -> None:
        if len(labels) < 2:
            raise ValueError("labels needs at least 2 names")
        wrong = next((f"one is {name!r:.60}" for name in labels if not name or name != name.strip()), None)
        twice = next((f"{name!r:.60} is there twice" for name, count in Counter(labels).items() if count > 1), None)
        if wrong or twice:
            raise ValueError(f"labels must be different, not empty and without space around them, but {wrong or twice}")

    @abstractmethod
    def outputs(self, task: "Task") -> int:
        """Return the width of the head's last layer."""

    def can_stratify(self, task: "Task") -> bool:
        """Whether each row has one label, so that dev rows can be held out class by class."""
        return self.has_labels and self.label_shape(task) == ()

    def class_weights(self, task: "Task", labels: Array) -> Array | None:
        """Return the factor of each class, float64 ``[C]``; None without ``class_weights``.

        ``balanced`` gives every class that occurs the same part of the loss: the weight of a class with n of N rows, of
        K classes that occur, is N / (K n).

        Args:
            task: The task.
            labels: Labels of all train rows, ``[N]``.
        """
        given = task.class_weights
        if given is None:
            return None
        if isinstance(given, list):
            return np.array(given, np.float64)
        if isinstance(given, dict):
            return np.array([given.get(label, 1.0) for label in task.labels], np.float64)
        counts = np.bincount(labels.astype(int), minlength=len(task.labels))
        return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)

    def weights(self, task: "Task", labels: Array, factors: Array | None, rows: Array | None) -> Array:
        """Return the weight of each row ``[B]``, or of each label of each row ``[B, C]``.

        Args:
            task: The task.
            labels: ``[B]`` or ``[B, C]``.
            factors: Result of `class_weights`.
            rows: Weights of the rows ``[B]``; None if there are none.
        """
        weights = np.ones(len(labels)) if rows is None else rows.astype(np.float64)
        return weights if factors is None else weights * factors[labels.astype(int)]

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

    def spellings(self, task: "Task", cell: object) -> tuple[tuple[str, str], ...]:
        """Return the labels of a cell that differ from the declared names that they are read as, each with that name."""
        return ()

    @abstractmethod
    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the mean loss, a scalar.

        Args:
            task: The task.
            logits: fp32 ``[B, outputs]``.
            labels: fp32 ``[B]``, or ``[B, C]`` for several labels per row.
        """

    def row_losses(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the loss of each row ``[B]``, or of each label of each row ``[B, C]``, whose mean is `loss`.

        Only tasks with weights need it; a kind without it cannot have weights.
        """
        raise NotImplementedError

    @property
    def has_row_losses(self) -> bool:
        """Whether `row_losses` belongs to `loss`: a class that overrides `loss` alone has none."""
        return overrides_together(type(self), "loss", "row_losses") and type(self).row_losses is not Kind.row_losses

    def divergence(self, task: "Task", logits: "Tensor", others: "Tensor") -> "Tensor":
        """Return how far two answers to the same rows are from each other: a mean over rows, 0 or more, a scalar.

        It is symmetric and differentiable in both arguments; regularisation needs it (`swissbert.training.regularisation`).

        Args:
            task: The task.
            logits: fp32 ``[B, outputs]``.
            others: Logits of the same rows, from other inputs or another network.
        """
        raise NotImplementedError

    @property
    def has_divergence(self) -> bool:
        """Whether `divergence` belongs to `answers`: a class that overrides `answers` alone has none."""
        return overrides_together(type(self), "answers", "divergence") and type(self).divergence is not Kind.divergence

    def soft_labels(self, task: "Task", labels: Array) -> Array:
        """Return labels in a form that a mean with answers makes sense in and that `loss` takes too, float32.

        Args:
            task: The task.
            labels: ``[B]`` or ``[B, C]``; NaN where a row has none, which stays NaN.

        Returns:
            ``[B]``, or ``[B, C]`` for probabilities of classes and for several labels per row.
        """
        raise NotImplementedError

    def soft_answers(self, task: "Task", answers: Array, temperature: float) -> Array:
        """Return answers ``[B, C]`` or ``[B]`` in the form of `soft_labels`, with logits divided by `temperature`."""
        raise NotImplementedError

    @property
    def takes_soft_labels(self) -> bool:
        """Whether `soft_labels` belongs to `loss`: a class that overrides `loss` alone has none."""
        return overrides_together(type(self), "loss", "soft_labels") and type(self).soft_labels is not Kind.soft_labels

    @abstractmethod
    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """Turn logits ``[B, outputs]`` into answers: probabilities ``[B, C]`` or scores ``[B]``."""

    def plain_answers(self, task: "Task", logits: Array) -> Array:
        """Return `answers` of a numpy array, float64 ``[B, outputs]``, for models that answer without torch."""
        raise NotImplementedError

    @property
    def has_plain_answers(self) -> bool:
        """Whether `plain_answers` belongs to `answers`: a class that overrides `answers` alone has none."""
        own = type(self).plain_answers is not Kind.plain_answers
        return overrides_together(type(self), "answers", "plain_answers") and own

    @abstractmethod
    def decide(self, answers: Array) -> Array:
        """Turn answers ``[N, C]`` or ``[N]`` into decisions, which have the shape of labels."""

    @abstractmethod
    def answer(self, task: "Task", answer: Array) -> Answer:
        """Turn the answer to one row, ``[C]`` or a scalar, into an `Answer`."""

    def answer_at(self, task: "Task", answer: Array, threshold: float) -> Answer:
        """Turn the answer to one row into an `Answer` that is decided by a threshold of the caller.

        Args:
            task: The task.
            answer: Probabilities ``[C]``.
            threshold: Probability, 0 to 1, at or above which a label is assigned.

        Raises:
            ValueError: If answers of this kind are not decided by a threshold; see `takes_threshold`.
        """
        raise ValueError(f"a {self.name} task has no threshold")

    @abstractmethod
    def error(self, labels: Array, decisions: Array) -> Array:
        """Return how wrong each row is, float ``[N]``; 0 is right. See `error_is_share`."""

    def severity(self, task: "Task", labels: Array, answers: Array) -> Array:
        """Return how bad the answer to each row is, float ``[N]``, by which reports order mistakes.

        It is the error here. Kinds with probabilities take the error that is expected of a label drawn by them, which grows
        with both how sure and how far off an answer is.

        Args:
            task: The task.
            labels: ``[N]`` or ``[N, C]``.
            answers: Probabilities ``[N, C]`` or scores ``[N]``.
        """
        return self.error(labels, self.decide(answers))

    def severity_rule(self, task: "Task") -> str:
        """Word what `severity` is."""
        return f"the {self.error_name.removeprefix('mean ')} of the row"

    @abstractmethod
    def baseline(self, task: "Task", labels: Array) -> Array | None:
        """Return the best constant answers ``[N, C]`` or ``[N]`` for these labels: what chance gives; None for none."""

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


def overrides_together(owner: type, first: str, second: str) -> bool:
    """Return whether a class has the method `second` from the same class as `first`, or from a subclass of it."""
    depth = {name: next(i for i, base in enumerate(owner.__mro__) if name in vars(base)) for name in (first, second)}
    return depth[second] <= depth[first]
