"""Construction of the network of a new run: an encoder and new heads on it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from swissbert.config import RunConfig
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.bert import Bert
from swissbert.encoder.checkpoint import read_pretrained
from swissbert.errors import SettingsError
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.encoders import left_behind, read_encoder_folder
from swissbert.model_folder.network import build_network
from swissbert.model_folder.pooling import own_pooling
from swissbert.training.automatic import choose_pooling, fit_length
from swissbert.training.run_rows import refuse_unknown


class Built(NamedTuple):
    """A new network; result of `build`.

    Attributes:
        network: The network.
        tokenizer: The encoder's tokenizer.
        notes: Lines about what was decided about the encoder.
        config: The settings, with the encoder's own ``model.pooling`` where they name none.
    """

    network: MultitaskModel
    tokenizer: Tokenizer
    notes: list[str]
    config: RunConfig


def build(
    config: RunConfig, device: torch.device | None = None, heads: Mapping[str, type[Head]] | None = None
) -> Built:
    """Read the encoder and put new heads on it; ``seed`` determines their parameters.

    Args:
        config: Encoder, tasks and heads.
        device: Where the network is put; the CPU if left out.
        heads: Head classes from outside the package, by task name.

    Raises:
        SwissbertError: If there is no such encoder, it does not fit the settings, or a name in `heads` is not a task.
    """
    refuse_unknown("heads", heads or {}, config)

    def read(folder: Path) -> tuple[Bert, Tokenizer, list[str], RunConfig]:
        encoder, notes, has_new_pooler = read_pretrained(folder, config.encoder.dropout, seed=config.seed)
        tokenizer = Tokenizer(folder, encoder.config.vocab_size, token_types=encoder.config.token_types)
        own = None if config.model.pooling else own_pooling(folder, encoder, has_new_pooler)
        resolved, pooling = choose_pooling(config, own)
        notes += filter(None, [left_behind(folder), *tokenizer.notes, pooling])
        return encoder, tokenizer, notes, resolved

    encoder, tokenizer, notes, config = read_encoder_folder(config.encoder.name, config.encoder.revision, read)
    limit = encoder.config.max_positions
    if fit_length(config, limit)[0].encoder.max_length > limit:
        raise SettingsError(
            f"encoder.max_length is {config.encoder.max_length}, but this encoder takes at most {limit} tokens"
        )
    pairs = [task.name for task in config.tasks if task.is_pair]
    if config.model.pair_encoding and pairs and encoder.config.token_types == 1 and tokenizer.separators == 1:
        raise SettingsError(
            f"task '{pairs[0]}' has sentence pairs, but this encoder has one token type only; "
            "model.pair_encoding = false encodes the two sentences separately"
        )
    if tokenizer.longest is not None and tokenizer.longest < config.encoder.max_length:
        notes.append(
            f"{tokenizer.folder}: made for texts of {tokenizer.longest} tokens (model_max_length); encoder.max_length = "
            f"{config.encoder.max_length} is used"
        )
    torch.manual_seed(config.seed)  # for the parameters of heads
    network = build_network(encoder, config.tasks, config.model, freeze=config.encoder.freeze, heads=heads)
    return Built(network.to(device or torch.device("cpu")), tokenizer, notes, config)
