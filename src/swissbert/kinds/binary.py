"""Binary classification: yes or no, with one logit (paper, Section 4.1)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import Array
from swissbert.kinds.class_names import ALLOWED_SHOWN
from swissbert.kinds.classification import Classification
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.label_names import names_in, negative_first, sorted_names
from swissbert.kinds.soft_answers import bernoulli_divergence, sigmoid, softened
from swissbert.wording import in_list, shortened

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.tasks import Task


class Binary(Classification):
    """Sigmoid over two ``labels``, the negative one first, with binary cross-entropy; else as `Classification`."""

    name = "binary"
    losses = ("binary_cross_entropy",)
    takes_threshold = True
    takes_ordinal_smoothing = False  # of two classes it is label_smoothing

    def _check_labels(self, labels: Sequence[str]) -> None:
        if len(labels) != 2:
            raise ValueError(f"labels has {len(labels)} names, but a binary task takes 2, the negative one first")
        super()._check_labels(labels)

    def infer(self, task: "Task", cells: Iterable[object]) -> dict[str, Any]:
        """The two names, the negative one first."""
        counts = names_in(cells)
        names = sorted_names(counts)
        if len(names) > 2:
            raise ValueError(
                f"the train rows have {len(names)} labels ({shortened([*map(in_list, names)], ALLOWED_SHOWN)}), but a binary task takes 2; "
                "a task of kind 'classification' takes more"
            )
        return {"labels": negative_first(names, counts)}

    def declared_in_words(self, task: "Task") -> str:
        """Both labels, and which one is positive."""
        return f"{in_list(task.labels[0])} or {in_list(task.labels[1])}, the second is the positive label"

    def outputs(self, task: "Task") -> int:
        """One logit, of the positive label."""
        return 1

    def loss(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Binary cross-entropy; with ``label_smoothing`` e the targets are e/2 and 1 - e/2."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits[:, 0], _targets(task, labels))

    def row_losses(self, task: "Task", logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Binary cross-entropy of each row, ``[B]``."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits[:, 0], _targets(task, labels), reduction="none")

    def divergence(self, task: "Task", logits: "Tensor", others: "Tensor") -> "Tensor":
        """Symmetric Kullback-Leibler divergence of both probabilities of the positive label, the mean over rows."""
        return bernoulli_divergence(logits[:, 0], others[:, 0]).mean()

    def soft_labels(self, task: "Task", labels: Array) -> Array:
        """The labels: probabilities of the positive label, ``[B]``."""
        return labels.astype(np.float32)

    def soft_answers(self, task: "Task", answers: Array, temperature: float) -> Array:
        """Probabilities of the positive label, ``[B]``."""
        return softened(answers, temperature)[:, 1].astype(np.float32)

    def answers(self, task: "Task", logits: "Tensor") -> "Tensor":
        """Probabilities of the negative and the positive label, ``[B, 2]``."""
        import torch

        positive = logits[:, 0].sigmoid()
        return torch.stack([1 - positive, positive], dim=1)

    def plain_answers(self, task: "Task", logits: Array) -> Array:
        """Probabilities of the negative and the positive label, ``[B, 2]``."""
        positive = sigmoid(logits[:, 0])
        return np.stack([1 - positive, positive], axis=1)

    def answer_at(self, task: "Task", answer: Array, threshold: float) -> Answer:
        """The positive label if its probability reaches the threshold; probabilities are unchanged."""
        label = int(float(answer[1]) >= threshold)
        return self.answer(task, answer)._replace(label=label, label_name=task.labels[label])

    def hf_head(self, task: "Task", weight: "Tensor", bias: "Tensor") -> HFHead | str:
        """Two logits, 0 and z, whose softmax gives the same two probabilities."""
        import torch

        zero = torch.zeros_like(weight), torch.zeros_like(bias)
        two = torch.cat([zero[0], weight]), torch.cat([zero[1], bias])
        return HFHead(*two, task.labels, "single_label_classification")


def _targets(task: "Task", labels: "Tensor") -> "Tensor":
    smoothing = task.label_smoothing
    return labels * (1 - smoothing) + smoothing / 2 if smoothing else labels
