"""Model folders with random weights, for tests of what is done with answers."""

from pathlib import Path

import torch

from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.description import Description
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task


def save_random(folder: Path, tiny: Path, *names: str) -> Path:
    """Write a model of some tasks of the paper, with large random heads, so that answers differ from text to text.

    Args:
        folder: The model folder.
        tiny: The encoder.
        *names: Names of the tasks.
    """
    torch.manual_seed(1)
    tasks = [find_task(name) for name in names]
    model = MultitaskModel(read_encoder(tiny), tasks, pair_encoding=True, dropout=0.1)
    for parameter in model.parameters():
        parameter.data.mul_(8)
    description = Description(
        format=1, tasks=tasks, encoder=EncoderSettings(name="tiny", max_length=64), model=ModelSettings()
    )
    save_model(folder, model, Tokenizer(tiny), description)
    return folder
