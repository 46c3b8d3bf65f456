"""An ordinal kind of task, written as a person outside the package would write one."""

from typing import TYPE_CHECKING

import numpy as np

from swissbert.kinds import Answer, Array, Label
from swissbert.kinds.classification import Classification
from swissbert.task_files import Columns
from swissbert.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


class Ordinal(Classification):
    """Ordered labels: one logit per step between two of them, for going beyond the step."""

    name = "ordinal"
    losses = ("steps",)

    @property
    def metrics(self) -> list[str]:
        """Metrics of the table that fit class numbers with an order."""
        return ["accuracy", "spearman"]

    def outputs(self, task: Task) -> int:
        """One logit per step."""
        return len(task.labels) - 1

    def parse(self, task: Task, cell: object) -> Label:
        """A label's name, whatever its case."""
        return super().parse(task, str(cell).lower())

    def loss(self, task: Task, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Negative log likelihood."""
        import torch.nn.functional as F

        return F.nll_loss(self.answers(task, logits).clamp(min=1e-9).log(), labels.long())

    def answers(self, task: Task, logits: "Tensor") -> "Tensor":
        """Probabilities ``[B, C]`` of the continuation-ratio model: each logit is of going beyond its step."""
        import torch
        import torch.nn.functional as F

        above = F.logsigmoid(logits).cumsum(1).exp()  # the probability of a label above each step
        ones, zeros = torch.ones_like(above[:, :1]), torch.zeros_like(above[:, :1])
        return torch.cat([ones, above], 1) - torch.cat([above, zeros], 1)

    def answer(self, task: Task, answer: Array) -> Answer:
        """The label, and its expected number as a score."""
        expected = float(answer @ np.arange(len(answer)))
        return super().answer(task, answer)._replace(score=round(expected, 4))

    def hf_head(self, task: Task, weight: "Tensor", bias: "Tensor") -> str:
        """Not a classifier of transformers."""
        return "its logits are steps between ordered labels"


def stars_task(files: dict[str, str] | None = None) -> Task:
    """Declare an ordinal task on a column ``text``."""
    return Task.model_validate(
        {
            "name": "stars",
            "kind": Ordinal(),
            "columns": Columns(text="text", label="label"),
            "labels": ["poor", "fair", "good"],
            "loss": "steps",
            "metric": "spearman",
            "files": files or {},
        }
    )
