"""Regression: a score in a range (paper, Section 4.1)."""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import Array, Kind, Label
from swissbert.kinds.cells import MINUS, cell_text, number_of
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.soft_answers import sigmoid

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task


class Regression(Kind):
    """A score in ``range``, with squared (``mse``) or absolute (``mae``) error.

    ``output = "sigmoid"`` keeps the score inside the range; ``"linear"`` is clipped to it when predicting. With
    ``scale = "unit"`` the head learns the position in the range, 0 to 1, so that neither the size of the loss nor the
    steps depend on the unit of the labels; ``"labels"`` is the paper's error on the scale of the labels.
    """

    name = "regression"
    losses = ("mse", "mae")
    has_labels = False
    error_is_share = False
    error_name = "mean absolute error"
    selection_metric = "rmse"  # a correlation does not notice scores that are all too close to the mean

    def check(self, task: "Task") -> None:
        """Check the range, if there is one, and that there are no labels."""
        super().check(task)
        if task.labels:
            raise ValueError("a regression task has a range = [low, high] and no labels")
        if task.range is not None and not task.range[0] < task.range[1]:
            raise ValueError(f"range is {list(task.range)}, but low must be below high")

    def is_complete(self, task: "Task") -> bool:
        """Whether there is a range."""
        return task.range is not None

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """The lowest and the highest number; other cells are left to `parse`, which says what is wrong with them."""
        numbers, first_other = [], None
        for cell in cells:
            if (number := number_of(cell_text(cell))) is not None:
                numbers.append(number)
            elif first_other is None:
                first_other = cell_text(cell)
        if not numbers and first_other is not None:
            wrong = f"{first_other[:40]!r} {_no_number(first_other, -math.inf, math.inf)}"
            raise ValueError(f"the train rows have no number as a score; label {wrong}")
        if not numbers or min(numbers) == max(numbers):
            what = f"only the number {numbers[0]:g}" if numbers else "no number"
            raise ValueError(f"the train rows have {what} as a score; declare range = [low, high]")
        return {"range": [min(numbers), max(numbers)]}

    def declared_in_words(self, task: "Task") -> str:
        """The range."""
        low, high = _range(task)
        return f"scores from {low:g} to {high:g}"

    def outputs(self, task: "Task") -> int:
        """One number."""
        return 1

    def answer_shape(self, task: "Task") -> tuple[int, ...]:
        """A score."""
        return ()

    def answer_span(self, task: "Task") -> float:
        """Width of the range."""
        low, high = _range(task)
        return high - low

    def parse(self, task: "Task", cell: object) -> Label:
        """A number inside the range."""
        text = cell_text(cell)
        low, high = _range(task)
        number = number_of(text)
        if number is None or not low <= number <= high:
            raise ValueError(f"label {text[:40]!r} {_no_number(text, low, high)}")
        return number

    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Squared or absolute error, as the task's ``loss`` says."""
        return self.score_loss(task, self._scores(task, logits), labels)

    def score_loss(self, task: "Task", scores: "Tensor", labels: "Tensor") -> "Tensor":
        """Mean error of scores ``[B]``, given on the scale of the labels; heads with scores of their own use it too."""
        return self._errors(task, scores, labels, "mean")

    def row_losses(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Squared or absolute error of each row, ``[B]``."""
        return self.score_losses(task, self._scores(task, logits), labels)

    def score_losses(self, task: "Task", scores: "Tensor", labels: "Tensor") -> "Tensor":
        """Errors of scores ``[B]``, one for each row; their mean is `score_loss`."""
        return self._errors(task, scores, labels, "none")

    def divergence(self, task: "Task", logits: "Tensor", others: "Tensor") -> "Tensor":
        """Mean squared difference of the scores, on the scale on which the loss compares them with labels."""
        return self.score_divergence(task, self._scores(task, logits), self._scores(task, others))

    def score_divergence(self, task: "Task", scores: "Tensor", others: "Tensor") -> "Tensor":
        """Mean squared difference of scores ``[B]``, both on the scale of the labels; it is that of `score_loss`."""
        difference = scores - others
        return (difference / self.answer_span(task) if task.scale == "unit" else difference).square().mean()

    def soft_labels(self, task: "Task", labels: Array) -> Array:
        """The labels ``[B]``."""
        return labels.astype(np.float32)

    def soft_answers(self, task: "Task", answers: Array, temperature: float) -> Array:
        """Scores ``[B]``, which have no temperature."""
        return answers.astype(np.float32)

    def _errors(self, task: "Task", scores: "Tensor", labels: "Tensor", reduction: str) -> "Tensor":
        import torch.nn.functional as F

        if task.scale == "unit":
            span = self.answer_span(task)
            scores, labels = scores / span, labels / span
        loss = F.l1_loss if task.loss == "mae" else F.mse_loss
        return loss(scores, labels, reduction=reduction)

    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """Scores ``[B]``, inside the range."""
        return self._scores(task, logits).clamp(*_range(task))

    def plain_answers(self, task: "Task", logits: Array) -> Array:
        """Scores ``[B]``, inside the range."""
        low, high = _range(task)
        raw = logits[:, 0]
        if task.output == "sigmoid" or task.scale != "labels":
            raw = low + (high - low) * (sigmoid(raw) if task.output == "sigmoid" else raw)
        return np.clip(raw, low, high)

    def _scores(self, task: "Task", logits: "Tensor") -> "Tensor":
        low, high = _range(task)
        raw = logits[:, 0]
        if task.output == "linear" and task.scale == "labels":
            return raw
        return low + (high - low) * (raw.sigmoid() if task.output == "sigmoid" else raw)

    def decide(self, answers: Array) -> Array:
        """The scores, unchanged."""
        return answers

    def answer(self, task: "Task", answer: Array) -> Answer:
        """The score, rounded to four digits."""
        return Answer(score=round(float(answer), 4))

    def error(self, labels: Array, decisions: Array) -> Array:
        """Distance between predicted and true score."""
        distance: Array = np.abs(decisions.astype(float) - labels)
        return distance

    def baseline(self, task: "Task", labels: Array) -> Array | None:
        """Always the mean, which no constant beats in squared error; it has no correlation with anything."""
        return np.full(len(labels), labels.mean())

    def linear_answers(self, task: "Task", features: Any, labels: Array, others: Any) -> Array | None:
        """Ridge regression, cut to the range."""
        from sklearn.linear_model import Ridge

        scores: Array = Ridge(alpha=1.0).fit(features, labels).predict(others)
        return scores.clip(*_range(task))

    def groups(self, task: "Task", bins: int = 10) -> list[str]:
        """Equal bins of the range."""
        edges = np.linspace(*_range(task), bins + 1)
        return [f"{low:g} to {high:g}" for low, high in pairwise(edges)]

    def group_counts(self, task: "Task", labels: Sequence[Label], bins: int = 10) -> Array:
        """Rows in each bin."""
        low, high = _range(task)
        share = (np.array(labels, float) - low) / (high - low)
        return np.bincount(np.clip(share * bins + 1e-9, 0, bins - 1).astype(int), minlength=bins)

    def in_words(self, task: "Task", decision: Array) -> str:
        """Two decimals."""
        return f"{float(decision):.2f}"

    def in_file(self, decision: Array) -> str:
        """Four decimals."""
        return f"{float(decision):.4f}"

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """The head on the scale of the labels. Declared as multi-label, a sigmoid output comes out as a share of the range."""
        low, high = _range(task)
        if task.output == "sigmoid":
            name = f"{task.name} as a share of {low:g} to {high:g}"
            note = f"a share of the range from {low:g} to {high:g}: swissBERT's answer is {low:g} + {high - low:g} * s."
            return HFHead(weight, bias, [name], "multi_label_classification", note)
        if task.scale == "unit":
            weight, bias = weight * (high - low), bias * (high - low) + low
        note = f"swissBERT's answer before it is cut to the range from {low:g} to {high:g}."
        return HFHead(weight, bias, [task.name], "regression", note)


def _range(task: "Task") -> tuple[float, float]:
    assert task.range is not None, "checked when the task was declared"
    return task.range


def _no_number(text: str, low: float, high: float) -> str:
    """Word why a text is not a number of the range, and how to write it."""
    expected = "a number" if math.isinf(high) else f"a number from {low:g} to {high:g}"
    if (share := number_of(text.removesuffix("%").strip().replace(",", "."))) is not None and text.endswith("%"):
        written = next((f"{value:g}" for value in (share, share / 100) if low <= value <= high), f"{share:g}")
        return f"has a percent sign, but {expected} is expected; write {written}"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        written = text.replace(",", ".")
        if re.fullmatch(r"[+-]?\d{1,3},\d{3}", text) and low <= float(text.replace(",", "")) <= high:
            written += f" or {text.replace(',', '')}"
        return f"has a decimal comma, but numbers have a decimal point; write {written}"
    if MINUS in text and number_of(written := text.replace(MINUS, "-")) is not None:
        return f"has a minus sign of typographers (U+2212), but {expected} is expected; write {written}"
    return f"is not {expected}"
