"""Reading and writing checkpoints of Hugging Face: ``config.json`` and ``model.safetensors``, no pickles."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from swissbert.encoder.bert import Bert
from swissbert.encoder.config_file import config_json
from swissbert.encoder.names import hf_names, to_hf
from swissbert.encoder.stored import checked_config, names_text, need_trained, sort_names
from swissbert.family.config import BertConfig
from swissbert.weight_files import Weights, open_weights


class Pretrained(NamedTuple):
    """An encoder, lines about what of its checkpoint is new or was left behind, and whether the pooler is new."""

    encoder: Bert
    notes: list[str]
    has_new_pooler: bool = False


def read_encoder(folder: Path, dropout: float | None = None) -> Bert:
    """Read an encoder and its pooler from a folder; see `read_pretrained`.

    Args:
        folder: The folder.
        dropout: Both dropout rates; those of the checkpoint if None.

    Raises:
        SwissbertError: As `read_pretrained`, and if the checkpoint has no pooler.
    """
    return _read(folder, dropout, None).encoder


def read_pretrained(folder: Path, dropout: float | None = None, *, seed: int = 0) -> Pretrained:
    """Read ``config.json`` and ``model.safetensors``, or its shards, of a folder.

    Whatever wraps the encoder is recognised by the prefix of its names (``bert.``, ``module.``, ``model.encoder.``), and
    ``gamma``/``beta`` of old norms are renamed. Tensors outside the encoder, such as classifiers and the heads of
    pretraining, are left behind; a missing pooler is replaced by a new one. Shapes are checked before memory is
    allocated.

    Args:
        folder: The folder.
        dropout: Both dropout rates; those of the checkpoint if None.
        seed: Seed of a new pooler.

    Returns:
        The encoder in fp32 on the CPU, with trainable parameters, and notes.

    Raises:
        SwissbertError: Names the file, and missing, unknown or misshaped tensors.
    """
    return _read(folder, dropout, seed)


def write_encoder(encoder: Bert, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder, under Hugging Face names."""
    (folder / "config.json").write_text(config_json(encoder.config), encoding="utf-8")
    save_file(to_hf(encoder), folder / "model.safetensors", metadata={"format": "pt"})


def _read(folder: Path, dropout: float | None, seed: int | None) -> Pretrained:
    config = checked_config(folder).with_dropout(dropout)
    with torch.device("meta"):
        encoder = Bert(config, initialise=False)
    names = hf_names(config)
    notes = []
    with open_weights(folder) as weights:
        poolers = [name for ours, theirs in names.items() if ours.startswith("pooler.") for name in theirs]
        stored, left = sort_names(weights, config, names, [] if seed is None else poolers)
        if left:
            notes.append(f"{weights.file}: {names_text(left)} left behind, because only the encoder is used")
        has_new_pooler = bool(poolers) and not any(name in stored for name in poolers)
        if has_new_pooler:
            notes.append(f"{weights.file}: no pooler, so it begins with new weights")
        state = {
            ours: torch.cat([_trained(weights, ours, stored[part]) for part in theirs])
            for ours, theirs in names.items()
            if theirs[0] in stored
        }
    if seed is not None and has_new_pooler:
        state |= _new_pooler(config, seed)
    encoder.load_state_dict(state, assign=True)
    for parameter in encoder.parameters():
        parameter.requires_grad_(True)
    return Pretrained(encoder, notes, has_new_pooler)


def _trained(weights: Weights, ours: str, name: str) -> Tensor:
    """Read a tensor by its name in the file, in fp32, and refuse it as `need_trained` does."""
    tensor = weights.get(name).float()
    need_trained(tensor, ours, name, weights.file)
    return tensor


def _new_pooler(config: BertConfig, seed: int) -> dict[str, Tensor]:
    """Return a pooler as BERT initialises it. The default generator is not used, so heads stay the same."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(config.hidden_size, config.hidden_size, generator=generator) * config.initializer_range
    return {"pooler.weight": weight, "pooler.bias": torch.zeros(config.hidden_size)}
