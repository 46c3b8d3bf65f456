"""The multitask model: one encoder and one head per task (paper, Section 4)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from swissbert.data.batches import PackedBatch, pack
from swissbert.data.token_table import TokenTable
from swissbert.encoder import Bert
from swissbert.errors import SettingsError
from swissbert.family.config import BertConfig
from swissbert.model.head_layout import head_key, hidden_key
from swissbert.model.heads import find_head
from swissbert.model.heads.base import Head
from swissbert.model.hidden import HiddenLayer
from swissbert.tasks import Task


class MultitaskModel(nn.Module):
    """A `Bert` shared by all tasks, and a head for each.

    Args:
        encoder: The shared encoder.
        tasks: The tasks, in order.
        pair_encoding: Encode a sentence pair as one sequence; otherwise as two, and heads see both pooled outputs.
        dropout: Dropout rate of heads.
        freeze: Keep the encoder's parameters and run it without dropout; only heads are trained.
        layer_sharing: Put a hidden layer before each head, the same one for all pair tasks.
        pair_head: Name of the head of pair tasks that it fits, in `swissbert.model.heads.HEADS`.
        heads: Head classes by task name, used instead of those by name.
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
        pair_head: str = "linear",
        heads: Mapping[str, type[Head]] | None = None,
    ) -> None:
        super().__init__()
        self.tasks = {task.name: task for task in tasks}
        self.pair_encoding, self.freeze = pair_encoding, freeze
        self.encoder = encoder
        self.heads = nn.ModuleDict()
        self.hidden = nn.ModuleDict()  # "pair", and one for each task that shares with no other
        for task in tasks:
            width = encoder.width * (2 if self.separate(task) else 1)
            head = (heads or {}).get(task.name) or self._head_class(task, pair_head)
            if clause := head.misfit(task, self.separate(task)):
                raise SettingsError(f"task '{task.name}' cannot have the head {head.__name__}: {clause}")
            if layer_sharing and head.uses_hidden_layer and hidden_key(task) not in self.hidden:
                self.hidden[hidden_key(task)] = HiddenLayer(width, dropout)
            self.heads[head_key(task.name)] = head(task, width, dropout)
        if freeze:
            encoder.requires_grad_(False)

    def _head_class(self, task: Task, pair_head: str) -> type[Head]:
        head = find_head(pair_head if task.is_pair else "linear")
        return find_head("linear") if head.misfit(task, self.separate(task)) else head

    def head(self, name: str) -> Head:
        """Return the head of a task."""
        head = self.heads[head_key(name)]
        assert isinstance(head, Head)
        return head

    def separate(self, task: Task) -> bool:
        """Whether the two sentences of this task are encoded separately."""
        return task.is_pair and not self.pair_encoding

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters that several tasks share: the encoder and a shared hidden layer."""
        return [parameter for _, parameter in self._shared()]

    def shared_parts(self) -> list[str]:
        """Return the part of each of `shared_parameters`: ``embeddings``, a layer from 1, ``pooler``, ``hidden``."""
        return [part for part, _ in self._shared()]

    def _shared(self) -> list[tuple[str, nn.Parameter]]:
        named = [(part_of(name), parameter) for name, parameter in self.encoder.named_parameters()]
        if "pair" in self.hidden:
            named += [("hidden", parameter) for parameter in self.hidden["pair"].parameters()]
        return [(part, parameter) for part, parameter in named if parameter.requires_grad]

    def head_parameters(self) -> list[nn.Parameter]:
        """Return all parameters outside the encoder."""
        return [*self.heads.parameters(), *self.hidden.parameters()]

    def train(self, mode: bool = True) -> "MultitaskModel":
        """Switch dropout on or off; a frozen encoder stays without."""
        super().train(mode)
        if self.freeze:
            self.encoder.eval()
        return self

    @contextmanager
    def encoder_frozen(self) -> Iterator[None]:
        """Run the encoder without gradients and without dropout in the block, so that only heads learn."""
        learning = [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]
        mode = self.encoder.training
        for parameter in learning:
            parameter.requires_grad_(False)
        self.encoder.eval()
        try:
            yield
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)
            self.encoder.train(mode)

    def forward(self, batch: PackedBatch, name: str) -> Tensor:
        """Return the logits of one task, fp32 ``[B, outputs]``."""
        return self.logits(self.pool(batch), name)

    def pool(self, batch: PackedBatch) -> Tensor:
        """Return pooled outputs, fp32: one row ``[W]`` per sequence of the batch, whatever its task."""
        pooled: Tensor = self.encoder.pool(batch.input_ids, batch.token_type_ids, batch.lengths)
        return pooled.float()

    @torch.inference_mode()
    def pool_rows(self, table: TokenTable, rows: np.ndarray) -> Tensor:
        """Return the pooled outputs of rows of a table by number, as `pool` does, for inference."""
        return self.pool(pack(table, rows).to(self.device))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def is_on_cpu(self) -> bool:
        """Whether it computes on the CPU."""
        return self.device.type == "cpu"

    @property
    def config(self) -> BertConfig:
        """Sizes of the encoder."""
        return self.encoder.config

    @property
    def width(self) -> int:
        """Size W of a pooled output."""
        return self.encoder.width

    def logits(self, pooled: Tensor, name: str) -> Tensor:
        """Return the logits of one task.

        Args:
            pooled: Rows of `pool`: ``[B, W]``, or ``[2B, W]`` (all first sentences, then all second ones) where
                sentences are encoded separately.
            name: The task.
        """
        task, head = self.tasks[name], self.head(name)
        with torch.autocast(pooled.device.type, enabled=False):  # heads are small; scores keep all their digits
            features = torch.cat(pooled.chunk(2), dim=1) if self.separate(task) else pooled
            if self.hidden and head.uses_hidden_layer:
                features = self.hidden[hidden_key(task)](features)
            logits: Tensor = head(features)
        return logits

    def embed(self, batch: PackedBatch) -> Tensor:
        """Return the output of the encoder's embedding layer, ``[T, H]``; `embedded_logits` goes on from it."""
        return self.encoder.embed(batch.input_ids, batch.token_type_ids, batch.lengths)

    def embedded_logits(self, embedded: Tensor, batch: PackedBatch, name: str) -> Tensor:
        """Return the logits of one task, fp32 ``[B, outputs]``, that follow from embeddings ``[T, H]`` of a batch."""
        return self.logits(self.encoder.pool_embedded(embedded, batch.lengths).float(), name)

    def loss(self, batch: PackedBatch, name: str) -> Tensor:
        """Return the mean loss of one task over a labelled batch, a scalar (paper, Section 5.2)."""
        return self.loss_of(self(batch, name), batch, name)

    def loss_of(self, logits: Tensor, batch: PackedBatch, name: str) -> Tensor:
        """Return the mean loss of one task, a scalar, from the logits ``[B, outputs]`` of a labelled batch."""
        head = self.head(name)
        if batch.weights is None:
            return head.loss(logits, batch.labels)
        return head.weighted_loss(logits, batch.labels, batch.weights)

    @torch.inference_mode()
    def answers(self, batch: PackedBatch, name: str) -> Tensor:
        """Return answers of one task, fp32: probabilities ``[B, C]`` or scores ``[B]``."""
        return self.answers_of(self.pool(batch), name)

    @torch.inference_mode()
    def answers_of(self, pooled: Tensor, name: str) -> Tensor:
        """Return `answers` from the rows of `pool`, which several tasks may share."""
        return self.head(name).answers(self.logits(pooled, name))


def part_of(name: str) -> str:
    """Return the encoder part of a parameter name; layers count from 1."""
    first, *rest = name.split(".")
    return str(int(rest[0]) + 1) if first == "layers" else first
