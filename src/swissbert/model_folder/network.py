"""Build a network from settings."""

from collections.abc import Mapping

from torch import nn

from swissbert.config import ModelSettings
from swissbert.encoder import Bert
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task


def build_network(
    encoder: Bert,
    tasks: list[Task],
    settings: ModelSettings,
    *,
    freeze: bool,
    heads: Mapping[str, type[Head]] | None = None,
) -> MultitaskModel:
    """Put new heads on an encoder.

    Args:
        encoder: The encoder; its pooling is set to that of the settings, and stays as it is if they name none.
        tasks: The tasks, in order.
        settings: Pooling, pair encoding, heads and their dropout.
        freeze: Whether the encoder is kept as it is.
        heads: Head classes from outside the package, by task name.
    """
    if settings.pooling is not None:
        encoder.set_pooling(settings.pooling)
    return MultitaskModel(
        encoder,
        tasks,
        pair_encoding=settings.pair_encoding,
        dropout=settings.dropout,
        freeze=freeze,
        layer_sharing=settings.layer_sharing,
        pair_head=settings.pair_head,
        heads=heads,
    )


def outside_encoder(network: MultitaskModel) -> nn.ModuleDict:
    """Return everything that is not the encoder, with each shared tensor once."""
    return nn.ModuleDict({"heads": network.heads, "hidden": network.hidden})
