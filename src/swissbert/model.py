"""The multitask model: one encoder, one head a task. (batch, task) -> logits -> loss or answers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.data.batches import PackedBatch
from swissbert.encoder import Bert
from swissbert.heads import LinearHead, side_by_side
from swissbert.tasks import Task


class MultitaskModel(nn.Module):
    """A `Bert` shared by all tasks and a head for each (paper, Section 4.1).

    With `pair_encoding` a sentence pair is one sequence; without it two, and the head sees both pooled outputs.
    `freeze` keeps the encoder's parameters and runs it without dropout; only the heads learn.
    """

    def __init__(
        self, encoder: Bert, tasks: Sequence[Task], *, pair_encoding: bool, dropout: float, freeze: bool = False
    ) -> None:
        super().__init__()
        self.tasks = {task.name: task for task in tasks}
        self.pair_encoding, self.freeze = pair_encoding, freeze
        self.encoder = encoder
        hidden = encoder.config.hidden_size
        self.heads = nn.ModuleDict(
            {t.name: LinearHead(hidden * (2 if self.separate(t) else 1), t.outputs, dropout) for t in tasks}
        )
        if freeze:
            encoder.requires_grad_(False)

    def separate(self, task: Task) -> bool:
        """Whether the two sentences of this task are encoded one by one."""
        return task.is_pair and not self.pair_encoding

    def train(self, mode: bool = True) -> "MultitaskModel":
        """Switch dropout on or off; a frozen encoder stays without."""
        super().train(mode)
        if self.freeze:
            self.encoder.eval()
        return self

    def forward(self, batch: PackedBatch, name: str) -> Tensor:
        """Logits of one task, fp32, ``[B, outputs]``."""
        pooled = self.encoder(batch.input_ids, batch.token_type_ids, batch.lengths).pooled
        features = side_by_side(pooled) if self.separate(self.tasks[name]) else pooled
        logits: Tensor = self.heads[name](features)
        return logits.float()

    def loss(self, batch: PackedBatch, name: str) -> Tensor:
        """Mean loss of one task over a labelled batch, a scalar (paper, Section 5.2)."""
        return task_loss(self.tasks[name], self(batch, name), batch.labels)

    @torch.inference_mode()
    def answers(self, batch: PackedBatch, name: str) -> Tensor:
        """What the model says, fp32: probabilities ``[B, C]`` (two columns for a binary task) or scores ``[B]``."""
        return task_answers(self.tasks[name], self(batch, name))


def task_loss(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean loss, a scalar, of logits ``[B, outputs]`` against labels ``[B]``; a regression's is on the labels' scale."""
    if task.kind == "classification":
        return F.cross_entropy(logits, labels.long())
    if task.kind == "binary":
        return F.binary_cross_entropy_with_logits(logits[:, 0], labels)
    score = _score(task, logits)
    return F.l1_loss(score, labels) if task.loss == "mae" else F.mse_loss(score, labels)


def task_answers(task: Task, logits: Tensor) -> Tensor:
    """Probabilities ``[B, C]`` or scores ``[B]`` inside the range, from logits ``[B, outputs]``."""
    if task.kind == "classification":
        return logits.softmax(-1)
    if task.kind == "binary":
        positive = logits[:, 0].sigmoid()
        return torch.stack([1 - positive, positive], dim=1)
    assert task.range is not None
    return _score(task, logits).clamp(*task.range)


def _score(task: Task, logits: Tensor) -> Tensor:
    """A regression's score ``[B]``, on the scale of its labels."""
    assert task.range is not None
    low, high = task.range
    raw = logits[:, 0]
    return low + (high - low) * raw.sigmoid() if task.output == "sigmoid" else raw
