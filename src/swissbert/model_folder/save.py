"""Writing a model folder, whole or not at all."""

import json
from pathlib import Path

from safetensors.torch import save_file

from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import write_encoder
from swissbert.files import write_folder
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder import compact, layout
from swissbert.model_folder.card import card
from swissbert.model_folder.description import Description
from swissbert.model_folder.encoders import encoder_folder
from swissbert.model_folder.network import outside_encoder


def save_model(
    folder: Path, model: MultitaskModel, tokenizer: Tokenizer, description: Description, *, small: bool = False
) -> None:
    """Write a model folder atomically.

    Args:
        folder: Where; a model there is replaced.
        model: The network.
        tokenizer: The encoder's tokenizer.
        description: Tasks, settings, scores and provenance.
        small: Write a compact folder, with the difference from the base encoder that the description names.

    Raises:
        SwissbertError: If the folder cannot be written, or `small` and the base encoder cannot be found.
    """

    def fill(new: Path) -> None:
        nonlocal description
        state = outside_encoder(model).state_dict()
        heads = {name: tensor.detach().float().contiguous().cpu() for name, tensor in state.items()}
        save_file(heads, new / layout.HEADS)
        if small:
            base = encoder_folder(description.encoder.name, description.encoder.revision)
            compact.write_delta(new, model.encoder, base)
            description = description.model_copy(update={"compact": compact.checksums(new, base)})
        else:
            write_encoder(model.encoder, new)
            tokenizer.save(new)
            description = description.model_copy(update={"compact": None})
        text = json.dumps(description.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
        (new / layout.DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        (new / layout.CARD).write_text(card(description), encoding="utf-8")

    write_folder(folder, fill)
