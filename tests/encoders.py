"""Small encoders with random weights, and sequences for them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from swissbert.data.packing import PackedArrays
from swissbert.encoder import Bert, BertConfig, Encoded, PaddedLayout
from swissbert.encoder.attention import Layout
from swissbert.inference.int8 import Int8Encoder

SMALL = BertConfig(
    vocab_size=50, hidden_size=24, layers=3, heads=4, intermediate_size=40, max_positions=20, token_types=3
)
"""All sizes are different, so that no mix-up goes unnoticed."""


@dataclass(frozen=True)
class Sequences:
    """Token ids and token types, a tensor for each sequence."""

    ids: list[Tensor]
    types: list[Tensor]

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.ids]

    @property
    def packed(self) -> tuple[Tensor, Tensor]:
        """Ids and types, each ``[T]``."""
        return torch.cat(self.ids), torch.cat(self.types)

    @property
    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, types and mask, each ``[B, L]``."""
        ids, types = pad_sequence(self.ids, batch_first=True), pad_sequence(self.types, batch_first=True)
        return ids, types, pad_sequence([torch.ones(length, dtype=torch.int64) for length in self.lengths], True)


def random_sequences(config: BertConfig, lengths: list[int], seed: int = 0) -> Sequences:
    """Random sequences. Ids start at 1, because transformers drops the gradient of id 0."""
    generator = torch.Generator().manual_seed(seed)
    return Sequences(
        [torch.randint(1, config.vocab_size, (length,), generator=generator) for length in lengths],
        [torch.randint(config.token_types, (length,), generator=generator) for length in lengths],
    )


def shake(model: nn.Module, seed: int) -> None:
    """Move every parameter away from zeros, ones and tiny numbers, so that no mix-up goes unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)


def small_encoder(config: BertConfig = SMALL, seed: int = 0) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Bert(config)
    shake(encoder, seed)
    return encoder.eval()


def encode(encoder: Bert, sequences: Sequences, layout: Layout | None = None) -> Encoded:
    """All outputs of our encoder; ids are padded for a padded layout."""
    ids, types = sequences.packed
    if isinstance(layout, PaddedLayout):
        ids, types = (rectangle.flatten() for rectangle in sequences.padded[:2])
    return encoder(ids, types, layout or sequences.lengths, keep_hidden=True, keep_attentions=True)  # type: ignore[no-any-return]


def pool(encoder: Bert, sequences: Sequences, layout: Layout | None = None) -> Tensor:
    """Pooled outputs by `Bert.pool`."""
    if isinstance(layout, PaddedLayout):
        ids, types, _ = sequences.padded
        return encoder.pool(ids.flatten(), types.flatten(), layout)
    ids, types = sequences.packed
    return encoder.pool(ids, types, sequences.lengths)


def assert_same_alone_and_in_a_batch(encoder: Bert, sequences: Sequences, hidden: float, pooled: float) -> None:
    with torch.no_grad():
        together = encode(encoder, sequences)
        rows = torch.split(together.hidden, sequences.lengths)
        for i, (ids, types) in enumerate(zip(sequences.ids, sequences.types, strict=True)):
            alone = encoder(ids, types, [len(ids)])
            torch.testing.assert_close(alone.pooled[0], together.pooled[i], rtol=0, atol=pooled)
            torch.testing.assert_close(alone.hidden, rows[i], rtol=0, atol=hidden)


def int8_encoder(encoder: Bert) -> Int8Encoder:
    """Return an encoder with int8 products."""
    parameters = {name: tensor.detach().numpy() for name, tensor in encoder.state_dict().items()}
    return Int8Encoder(encoder.config, encoder.pooling, parameters)


def packed_ids(ids: torch.Tensor, types: torch.Tensor, lengths: list[int]) -> PackedArrays:
    """Return tokens of sequences as arrays."""
    return PackedArrays(ids.numpy(), types.numpy(), np.array(lengths, np.int64))
