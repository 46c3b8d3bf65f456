"""A model whose encoder computes in int8, and whose heads compute in numpy: it answers without torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from swissbert.data.packing import packed_arrays
from swissbert.data.token_table import TokenTable
from swissbert.inference.int8 import Int8Encoder
from swissbert.kinds import Array
from swissbert.model.head_layout import LAYOUTS, head_name, stored_head, stored_hidden
from swissbert.model.plain_heads import PLAIN_HEADS, PlainHead, leaky_relu
from swissbert.model_folder.load import StoredArrays
from swissbert.tasks import Task

if TYPE_CHECKING:
    from swissbert.family.config import BertConfig
    from swissbert.model.heads.base import Head
    from swissbert.model.multitask import MultitaskModel


class Int8Model:
    """Answers tasks as `swissbert.model.MultitaskModel` does, on numpy arrays. Thread-safe.

    Args:
        encoder: The encoder.
        tasks: The tasks, in order.
        heads: The head of each task.
        hidden: Weight and bias of the hidden layer before the head of a task, for tasks with layer sharing.
        pair_encoding: Whether a sentence pair is encoded as one sequence.
        network: A network whose heads take the place of those that are not among `heads`: heads and kinds from outside the
            package compute with torch.
    """

    is_on_cpu = True
    training = False

    def __init__(
        self,
        encoder: Int8Encoder,
        tasks: Sequence[Task],
        heads: Mapping[str, PlainHead],
        hidden: Mapping[str, tuple[Array, Array]],
        *,
        pair_encoding: bool,
        network: "MultitaskModel | None" = None,
    ) -> None:
        self.encoder, self.pair_encoding = encoder, pair_encoding
        self.tasks = {task.name: task for task in tasks}
        self._heads, self._hidden, self._network = dict(heads), dict(hidden), network

    @property
    def config(self) -> "BertConfig":
        """Sizes of the encoder."""
        return self.encoder.config

    @property
    def width(self) -> int:
        """Size W of a pooled output."""
        return self.encoder.width

    def eval(self) -> Self:
        """Return itself: it is never trained."""
        return self

    def train(self, mode: bool = True) -> Self:
        """Return itself: it is never trained."""
        return self

    def separate(self, task: Task) -> bool:
        """Whether the two sentences of this task are encoded separately."""
        return task.is_pair and not self.pair_encoding

    def head(self, name: str) -> "PlainHead | Head":
        """Return the head of a task."""
        if name in self._heads:
            return self._heads[name]
        assert self._network is not None, "every other head is that of a network"
        return self._network.head(name)

    def pool_rows(self, table: TokenTable, rows: np.ndarray) -> Array:
        """Return the pooled outputs of rows of a table, fp32: one row ``[W]`` per sequence."""
        return self.encoder.pool(packed_arrays(table, rows))

    def answers_of(self, pooled: Array, name: str) -> Array:
        """Return answers of one task from rows of `pool_rows`, fp32: probabilities ``[B, C]`` or scores ``[B]``."""
        if name not in self._heads:
            import torch

            assert self._network is not None, "every other head is that of a network"
            return self._network.answers_of(torch.from_numpy(pooled), name).numpy()
        features = pooled.astype(np.float64)
        if self.separate(self.tasks[name]):
            features = np.concatenate(np.split(features, 2), axis=1)
        if name in self._hidden:
            weight, bias = self._hidden[name]
            features = leaky_relu(features @ weight.T + bias)
        return self._heads[name].answers(features).astype(np.float32)


def int8_of_arrays(stored: StoredArrays) -> Int8Model:
    """Return the eight-bit model of a folder that was read without torch.

    Raises:
        SwissbertError: If onnxruntime is not installed.
    """
    tasks, settings = stored.description.tasks, stored.description.model
    assert settings.pooling is not None, "descriptions name the pooling"
    heads, hidden = {}, {}
    for task in tasks:
        name = head_name(task, settings.pair_head, task.is_pair and not settings.pair_encoding)
        prefix, layer = f"{stored_head(task.name)}.", stored_hidden(task)
        values = {key.removeprefix(prefix): v for key, v in stored.outside.items() if key.startswith(prefix)}
        heads[task.name] = PLAIN_HEADS[name](task, values)
        if settings.layer_sharing and LAYOUTS[name].uses_hidden_layer:
            parts = (stored.outside[f"{layer}.{kind}"].astype(np.float64) for kind in ("weight", "bias"))
            hidden[task.name] = next(parts), next(parts)
    encoder = Int8Encoder(stored.encoder.config, settings.pooling, stored.encoder.parameters)
    return Int8Model(encoder, tasks, heads, hidden, pair_encoding=settings.pair_encoding)


def int8_of_network(network: "MultitaskModel") -> Int8Model:
    """Return the eight-bit model of a network on the CPU.

    Its encoder is a copy, so later changes to that of the network have no effect. Its heads are those of the network itself.

    Raises:
        SwissbertError: If onnxruntime is not installed.
    """
    parameters = {name: values.detach().float().numpy() for name, values in network.encoder.state_dict().items()}
    encoder = Int8Encoder(network.config, network.encoder.pooling, parameters)
    tasks = list(network.tasks.values())
    return Int8Model(encoder, tasks, {}, {}, pair_encoding=network.pair_encoding, network=network)
