"""The multitask model: one encoder, one head a task. (batch, task) -> logits -> loss or answers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swissbert.data.batches import PackedBatch
from swissbert.encoder import Bert
from swissbert.heads import CosineHead, HiddenLayer, LinearHead, side_by_side
from swissbert.tasks import Task


class MultitaskModel(nn.Module):
    """A `Bert` shared by all tasks and a head for each (paper, Section 4).

    With `pair_encoding` a sentence pair is one sequence; without it two, and the head sees both pooled outputs.
    `freeze` keeps the encoder's parameters and runs it without dropout; only the heads learn. `layer_sharing` puts a
    hidden layer before each head's own, the same one for all pair tasks. `cosine` gives binary and regression pair tasks
    the cosine of the two pooled outputs as their head, for which sentences must be encoded separately.
    """

    def __init__(
        self,
        encoder: Bert,
        tasks: Sequence[Task],
        *,
        pair_encoding: bool,
        dropout: float,
        freeze: bool = False,
        layer_sharing: bool = False,
        cosine: bool = False,
    ) -> None:
        super().__init__()
        self.tasks = {task.name: task for task in tasks}
        self.pair_encoding, self.freeze, self.cosine = pair_encoding, freeze, cosine
        self.encoder = encoder
        self.heads = nn.ModuleDict()
        self.hidden = nn.ModuleDict()  # "pair", and the tasks that share with no other
        for task in tasks:
            width = encoder.config.hidden_size * (2 if self.separate(task) else 1)
            if self.by_cosine(task):
                self.heads[_key(task.name)] = CosineHead()
                continue
            if layer_sharing and self._layer(task) not in self.hidden:
                self.hidden[self._layer(task)] = HiddenLayer(width, dropout)
            self.heads[_key(task.name)] = LinearHead(width, task.outputs, dropout)
        if freeze:
            encoder.requires_grad_(False)

    def head(self, name: str) -> nn.Module:
        """The head of a task."""
        return self.heads[_key(name)]

    def separate(self, task: Task) -> bool:
        """Whether the two sentences of this task are encoded one by one."""
        return task.is_pair and not self.pair_encoding

    def by_cosine(self, task: Task) -> bool:
        """Whether this task's head is a cosine."""
        return self.cosine and task.is_pair and task.kind != "classification"

    def _layer(self, task: Task) -> str:
        return "pair" if task.is_pair else f"{task.name}_alone"

    def shared_parameters(self) -> list[nn.Parameter]:
        """What several tasks have in common and learns: the encoder and a hidden layer that pair tasks share."""
        both = [*self.encoder.parameters(), *(self.hidden["pair"].parameters() if "pair" in self.hidden else ())]
        return [parameter for parameter in both if parameter.requires_grad]

    def shared_parts(self) -> list[str]:
        """Which part each of `shared_parameters` is of: ``embeddings``, a layer by number from 1, ``pooler``, ``hidden``."""
        named = [(part_of(name), parameter) for name, parameter in self.encoder.named_parameters()]
        if "pair" in self.hidden:
            named += [("hidden", parameter) for parameter in self.hidden["pair"].parameters()]
        return [part for part, parameter in named if parameter.requires_grad]

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything that is not the encoder."""
        return [*self.heads.parameters(), *self.hidden.parameters()]

    def train(self, mode: bool = True) -> "MultitaskModel":
        """Switch dropout on or off; a frozen encoder stays without."""
        super().train(mode)
        if self.freeze:
            self.encoder.eval()
        return self

    def forward(self, batch: PackedBatch, name: str) -> Tensor:
        """Logits of one task, fp32, ``[B, outputs]``; of a cosine head the cosine."""
        return self.logits(self.pool(batch), name)

    def pool(self, batch: PackedBatch) -> Tensor:
        """What heads see, fp32: one row ``[H]`` for each sequence of the batch, of whatever task."""
        pooled: Tensor = self.encoder.pool(batch.input_ids, batch.token_type_ids, batch.lengths)
        return pooled.float()

    def logits(self, features: Tensor, name: str) -> Tensor:
        """Logits of one task from `pool`'s rows: ``[B, H]``, or ``[2B, H]`` where sentences are encoded separately."""
        task = self.tasks[name]
        with torch.autocast(features.device.type, enabled=False):  # heads are small; scores keep all their digits
            if self.separate(task):
                features = side_by_side(features)
            if self.hidden and not self.by_cosine(task):
                features = self.hidden[self._layer(task)](features)
            logits: Tensor = self.head(name)(features)
        return logits

    def loss(self, batch: PackedBatch, name: str) -> Tensor:
        """Mean loss of one task over a labelled batch, a scalar (paper, Section 5.2)."""
        task, logits = self.tasks[name], self(batch, name)
        return (
            cosine_loss(task, logits[:, 0], batch.labels)
            if self.by_cosine(task)
            else task_loss(task, logits, batch.labels)
        )

    @torch.inference_mode()
    def answers(self, batch: PackedBatch, name: str) -> Tensor:
        """What the model says, fp32: probabilities ``[B, C]`` (two columns for a binary task) or scores ``[B]``."""
        return self.answers_of(self.pool(batch), name)

    @torch.inference_mode()
    def answers_of(self, features: Tensor, name: str) -> Tensor:
        """`answers` from `pool`'s rows, which several tasks may share."""
        task, logits = self.tasks[name], self.logits(features, name)
        head = self.head(name)
        return (
            cosine_answers(task, logits[:, 0], head.threshold)
            if isinstance(head, CosineHead)
            else task_answers(task, logits)
        )


def part_of(name: str) -> str:
    """The encoder's part that a parameter's name is of; layers count from 1."""
    first, *rest = name.split(".")
    return str(int(rest[0]) + 1) if first == "layers" else first


def _key(name: str) -> str:
    """What a task's head is called among modules: any task name is taken, "type" and "train" too."""
    return f"for_{name}"


def cosine_loss(task: Task, cosine: Tensor, labels: Tensor) -> Tensor:
    """Mean loss, a scalar, of cosines ``[B]`` (paper, Cosine-Similarity Fine-Tuning).

    Binary: what CosineEmbeddingLoss with margin 0 is, 1 − cos of a positive pair and max(0, cos) of a negative one.
    Regression: squared or absolute error of the cosine rescaled from −1..1 to the range.
    """
    if task.kind == "binary":
        return torch.where(labels > 0.5, 1 - cosine, cosine.clamp(min=0)).mean()
    score = _rescaled(task, cosine)
    return F.l1_loss(score, labels) if task.loss == "mae" else F.mse_loss(score, labels)


def cosine_answers(task: Task, cosine: Tensor, threshold: Tensor) -> Tensor:
    """Probabilities ``[B, 2]`` or scores ``[B]`` from cosines ``[B]``.

    The probability of a positive pair is 0 at cosine −1, ½ at the threshold and 1 at 1, in two straight lines.
    """
    if task.kind == "regression":
        return _rescaled(task, cosine)
    room = torch.where(cosine >= threshold, 1 - threshold, 1 + threshold).clamp(min=1e-6)
    positive = (0.5 + 0.5 * (cosine - threshold) / room).clamp(0, 1)
    return torch.stack([1 - positive, positive], dim=1)


def _rescaled(task: Task, cosine: Tensor) -> Tensor:
    assert task.range is not None
    low, high = task.range
    return low + (high - low) * (cosine + 1) / 2


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
